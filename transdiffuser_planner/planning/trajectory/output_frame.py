"""A plan in base_link -> a trajectory in the odometry's frame, every pose with its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import global_from_local
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]


def to_trajectory(plans: SmoothPlans, index: int, ego: EgoState) -> Trajectory:
    """Convert one plan to a trajectory that starts with the ego's present state.

    Args:
        plans: Plans in base_link at the ego's stamp.
        index: Index of the plan.
        ego: State at the start of the plan.
    """
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    pose = global_from_local(origin, np.concatenate([np.zeros((1, 3)), plans.pose_MF3[index]]))
    accel, curvature = plans.accel_MF[index], plans.curvature_MF[index]
    return Trajectory(
        stamp_ns=ego.stamp_ns,
        frame_id=ego.frame_id,
        time_s_T=np.concatenate([[0.0], plans.time_s_F]),
        x_m_T=pose[:, 0],
        y_m_T=pose[:, 1],
        heading_rad_T=pose[:, 2],
        speed_mps_T=np.concatenate([[max(ego.vx_mps, 0.0)], plans.speed_MF[index]]),
        accel_mps2_T=np.concatenate([accel[:1], accel]),
        curvature_per_m_T=np.concatenate([curvature[:1], curvature]),
    )


def poses_to_frame(pose_X3: FloatArray, ego: EgoState) -> FloatArray:
    """Transform poses (..., 3) from base_link at the ego's stamp into the odometry's frame."""
    return global_from_local(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), pose_X3)
