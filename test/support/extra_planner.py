"""Planners of another package."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from transdiffuser_planner.core.types import Trajectory
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)


class StraightOn:
    """Continues straight on at the present speed."""

    title = "Straight on, from a package"
    observation_level = ObservationLevel.WORLD

    def __init__(self, plan_every: int) -> None:
        self.plan_every = plan_every

    def reset(self, initialization: PlannerInitialization) -> None:
        """Stateless: nothing to reset."""

    def plan(self, planner_input: PlannerInput) -> Trajectory:
        """Plan a straight line."""
        ego, time_s_T = planner_input.ego, np.linspace(0.0, 4.0, 41)
        along_T = ego.vx_mps * time_s_T
        return Trajectory(
            frame_id=ego.frame_id,
            stamp_ns=ego.stamp_ns,
            time_s_T=time_s_T,
            x_m_T=ego.x_m + along_T * np.cos(ego.heading_rad),
            y_m_T=ego.y_m + along_T * np.sin(ego.heading_rad),
            heading_rad_T=np.full_like(along_T, ego.heading_rad),
            speed_mps_T=np.full_like(along_T, ego.vx_mps),
            accel_mps2_T=np.zeros_like(along_T),
            curvature_per_m_T=np.zeros_like(along_T),
        )


class Raises(StraightOn):
    """Fails at the first plan."""

    def plan(self, planner_input: PlannerInput) -> Trajectory:
        """Raise."""
        raise ZeroDivisionError("no plan today")


class Waits(StraightOn):
    """Plans only once the file that WAITING_PLANNER names is gone."""

    def plan(self, planner_input: PlannerInput) -> Trajectory:
        """Plan a straight line."""
        while Path(os.environ["WAITING_PLANNER"]).exists():
            time.sleep(0.02)
        return super().plan(planner_input)
