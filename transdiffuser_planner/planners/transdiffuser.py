"""TransDiffuser planner in closed loop."""

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
    """Loaded model without a deadline, so that plans do not depend on the machine's speed.

    Args:
        planner: With its model and configuration.
        plan_every: Steps of 0.1 s between plans.
    """

    observation_level = ObservationLevel.SENSORS

    def __init__(self, planner: Planner, plan_every: int = 1) -> None:
        self.plan_every = plan_every
        self._planner = planner
        self._fallback = FallbackPlanner(planner.contract, planner.rig, planner.memory)

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario: drop agent tracks and plans.

        Args:
            initialization: Scenario, vehicle, route and map.
        """
        self._planner.reset()

    def plan(self, planner_input: PlannerInput) -> PlanResult:
        """Plan from the sensors.

        Args:
            planner_input: State of the world and inputs of the current step.

        Raises:
            ModelError: The model failed.
        """
        assert isinstance(planner_input.snapshot, SensorSnapshot)
        return self._planner.plan(planner_input.snapshot)

    def fall_back(self, snapshot: SensorSnapshot, reason: str, *, must_stop: bool) -> PlanResult:
        """Plan the node's fallback for missing or invalid inputs.

        Args:
            snapshot: Known state, without sensor frames.
            reason: Missing or invalid inputs, for the status.
            must_stop: Whether to brake instead of continuing the last plan.
        """
        planner = self._planner
        return self._fallback.plan(snapshot, reason, planner.config, planner.source(), is_stopping=must_stop)
