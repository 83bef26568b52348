"""What is remembered of earlier cycles by everybody who plans: the model's thread and the watchdog."""

from __future__ import annotations

from transdiffuser_planner.core.types import PlanResult, Trajectory


class PlanHistory:
    """The last result and the last trajectory that passed every check.

    Both are replaced as a whole, so readers in other threads see one or the next, never a mixture.
    """

    def __init__(self) -> None:
        self.accepted: Trajectory | None = None
        self.result: PlanResult | None = None

    def forget(self) -> None:
        """As after a clock jump."""
        self.accepted = self.result = None

    def keep(self, result: PlanResult) -> None:
        """Remember a result of the model; a fallback in it keeps the age of the plan it continues."""
        self.result = result
        if result.chosen >= 0:
            self.accepted = result.trajectory
