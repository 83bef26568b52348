"""Baseline: straight ahead at constant velocity."""

from __future__ import annotations

import numpy as np

from transdiffuser_planner.core.types import Trajectory
from transdiffuser_planner.planners.trajectory_builder import trajectory
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)

_TIME_S_T = np.linspace(0.0, 4.0, 41)


class ConstantVelocityPlanner:
    """Drives straight ahead at the current speed; ignores map and traffic.

    Args:
        plan_every: Steps of 0.1 s between plans.
    """

    observation_level = ObservationLevel.WORLD

    def __init__(self, plan_every: int = 1) -> None:
        self.plan_every = plan_every

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario; the planner keeps no state.

        Args:
            initialization: Scenario, vehicle, route and map.
        """

    def plan(self, planner_input: PlannerInput) -> Trajectory:
        """Return a straight trajectory of 4 s.

        Args:
            planner_input: State of the world and inputs of the current step.
        """
        ego = planner_input.ego
        along_T = ego.vx_mps * _TIME_S_T
        pose_T3 = np.stack(
            [
                ego.x_m + along_T * np.cos(ego.heading_rad),
                ego.y_m + along_T * np.sin(ego.heading_rad),
                np.full_like(along_T, ego.heading_rad),
            ],
            axis=-1,
        )
        return trajectory(ego, _TIME_S_T, pose_T3, np.full_like(along_T, ego.vx_mps))
