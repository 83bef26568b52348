"""Straight on at the present speed: what every planner must beat."""

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
    """Knows its own speed and nothing else."""

    observation_level = ObservationLevel.WORLD

    def __init__(self, plan_every: int = 1) -> None:
        self.plan_every = plan_every

    def reset(self, initialization: PlannerInitialization) -> None:
        """Nothing to forget."""

    def plan(self, planner_input: PlannerInput) -> Trajectory:
        """A straight line."""
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
