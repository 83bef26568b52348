"""A trained baseline at the wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transdiffuser_planner.core.types import SensorSnapshot, Trajectory
from transdiffuser_planner.evaluation.live_drive import Instant, Needs, Start

if TYPE_CHECKING:
    from transdiffuser_planner.training.baseline_planners import BaselinePlanner


class TrainedBaseline:
    """Wraps what ``training`` loads: PyTorch is imported only where such a planner is made."""

    def __init__(self, planner: BaselinePlanner, plan_every: int = 1) -> None:
        self.plan_every = plan_every
        self.needs = Needs.SENSORS if planner.needs_sensors else Needs.STATE
        self._planner = planner

    def reset(self, start: Start) -> None:
        """Forget the agents."""
        self._planner.reset()

    def plan(self, instant: Instant) -> Trajectory:
        """One plan, as it comes out of the network.

        Raises:
            ModelError: The encoder failed.
        """
        assert isinstance(instant.snapshot, SensorSnapshot)
        return self._planner.plan(instant.snapshot)
