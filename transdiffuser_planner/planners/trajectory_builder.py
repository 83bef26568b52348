"""Trajectories from poses and speeds, for simple planners. T steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import EgoState, Trajectory

FloatArray = NDArray[np.float64]

_MIN_STEP_M = 0.05


def trajectory(ego: EgoState, time_s_T: FloatArray, pose_T3: FloatArray, speed_T: FloatArray) -> Trajectory:
    """Build a trajectory from poses and speeds; accelerations and curvatures are derived.

    Args:
        ego: State at the start; its stamp and frame are the trajectory's.
        time_s_T: Starting at 0.
        pose_T3: x, y, heading in the ego's frame_id.
        speed_T: Along the path, m/s.
    """
    step_T = np.hypot(*np.diff(pose_T3[:, :2], axis=0, append=pose_T3[-1:, :2]).T)
    turn_T = np.diff(np.unwrap(pose_T3[:, 2]), append=np.unwrap(pose_T3[:, 2])[-1])
    return Trajectory(
        stamp_ns=ego.stamp_ns,
        frame_id=ego.frame_id,
        time_s_T=time_s_T,
        x_m_T=pose_T3[:, 0],
        y_m_T=pose_T3[:, 1],
        heading_rad_T=pose_T3[:, 2],
        speed_mps_T=speed_T,
        accel_mps2_T=np.gradient(speed_T, time_s_T),
        curvature_per_m_T=np.where(step_T > _MIN_STEP_M, turn_T / np.maximum(step_T, _MIN_STEP_M), 0.0),
    )
