"""Results of earlier cycles, shared by the model's thread and the watchdog."""

from __future__ import annotations

from transdiffuser_planner.core.types import PlanResult, Trajectory


class PlanHistory:
    """The last result and the last trajectory that passed every check.

    Both are replaced atomically: readers in other threads get one or the next, never a mixture.
    """

    def __init__(self) -> None:
        self.accepted: Trajectory | None = None
        self.result: PlanResult | None = None

    def reset(self) -> None:
        """Discard both, as after a clock jump."""
        self.accepted = self.result = None

    def keep(self, result: PlanResult) -> None:
        """Store a result of the model; a fallback does not replace the accepted trajectory.

        Args:
            result: Of the newest cycle.
        """
        self.result = result
        if result.chosen >= 0:
            self.accepted = result.trajectory
