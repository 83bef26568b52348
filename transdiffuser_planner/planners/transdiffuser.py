"""The product's planner at the wheel."""

from __future__ import annotations

from transdiffuser_planner.core.types import PlanResult, SensorSnapshot
from transdiffuser_planner.runtime.cycle.fallback_planner import FallbackPlanner
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)


class TransdiffuserPlanner:
    """A loaded model, without a deadline: every plan takes the time it needs, so that it is the same everywhere."""

    observation_level = ObservationLevel.SENSORS

    def __init__(self, planner: Planner, plan_every: int = 1) -> None:
        self.plan_every = plan_every
        self._planner = planner
        self._fallback = FallbackPlanner(planner.contract, planner.rig, planner.memory)

    def reset(self, initialization: PlannerInitialization) -> None:
        """Forget agents and plans."""
        self._planner.reset()

    def plan(self, planner_input: PlannerInput) -> PlanResult:
        """Plan from the sensors.

        Raises:
            ModelError: The model failed.
        """
        assert isinstance(planner_input.snapshot, SensorSnapshot)
        return self._planner.plan(planner_input.snapshot)

    def fall_back(self, snapshot: SensorSnapshot, reason: str, *, must_stop: bool) -> PlanResult:
        """The node's fallback for inputs that do not suffice."""
        planner = self._planner
        return self._fallback.plan(snapshot, reason, planner.config, planner.source(), is_stopping=must_stop)
