"""Fallback plans: continue the last accepted plan, or stop along a known path.

They need no network and are feasible by construction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.planning.safety.motion_limits import MotionLimits
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]


def shifted_plan(last: Trajectory, ego: EgoState, time_s_F: FloatArray) -> FloatArray | None:
    """Continue the last trajectory: its part after the current stamp, in the present base_link.

    Args:
        last: A trajectory in the ego's frame_id.
        ego: Current state.
        time_s_F: Times after the current stamp.

    Returns:
        Poses (F, 3); beyond its end the trajectory continues straight with its last speed. None when frames differ.
    """
    if last.frame_id != ego.frame_id:
        return None
    times = time_s_F + (ego.stamp_ns - last.stamp_ns) * 1e-9
    heading = np.unwrap(last.heading_rad_T)
    over = np.maximum(times - last.time_s_T[-1], 0.0) * last.speed_mps_T[-1]
    x = np.interp(times, last.time_s_T, last.x_m_T) + over * np.cos(heading[-1])
    y = np.interp(times, last.time_s_T, last.y_m_T) + over * np.sin(heading[-1])
    pose = np.stack([x, y, np.interp(times, last.time_s_T, heading)], axis=-1)
    local = local_from_global(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), pose)
    local[:, 2] = np.unwrap(local[:, 2])
    return local


def motion_along(pose_F3: FloatArray, time_s_F: FloatArray, speed_mps: float) -> SmoothPlans:
    """Compute speeds, accelerations and curvatures of given poses, as a batch of one plan.

    Args:
        pose_F3: Poses in base_link.
        time_s_F: Their times.
        speed_mps: Current speed.
    """
    step_s = float(time_s_F[0])
    xy = np.concatenate([np.zeros((1, 2)), pose_F3[:, :2]])
    step = np.hypot(*np.diff(xy, axis=0).T)
    speed = step / step_s
    turn = np.diff(np.concatenate([[0.0], np.unwrap(pose_F3[:, 2])]))
    curvature = np.where(step > 0.05, turn / np.maximum(step, 0.05), 0.0)
    return SmoothPlans(
        time_s_F=time_s_F,
        pose_MF3=pose_F3[None],
        speed_MF=speed[None],
        accel_MF=np.diff(speed, prepend=speed_mps)[None] / step_s,
        curvature_MF=curvature[None],
    )


def stop_along(
    pose_F3: FloatArray, speed_mps: float, decel_mps2: float, time_s_F: FloatArray, limits: MotionLimits
) -> SmoothPlans:
    """Brake with constant deceleration along a path.

    Args:
        pose_F3: Path in base_link, starting near the origin; it continues straight when it is too short.
        speed_mps: Current speed.
        decel_mps2: Positive deceleration; limited to the vehicle's brakes.
        time_s_F: Times of the result.
        limits: Of curvature, lateral acceleration and brakes; the plan leaves a path that turns more sharply.

    Returns:
        A batch of one plan that ends at standstill if the time suffices.
    """
    speed_mps, decel_mps2 = max(speed_mps, 0.0), min(decel_mps2, limits.available_decel_mps2)
    t = np.minimum(time_s_F, speed_mps / decel_mps2)
    traveled = speed_mps * t - 0.5 * decel_mps2 * t**2
    step = np.diff(traveled, prepend=0.0)
    speed = np.maximum(speed_mps - decel_mps2 * time_s_F, 0.0)
    path = np.concatenate([np.zeros((1, 3)), pose_F3])
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path[:, :2], axis=0).T))])
    path_turn = np.diff(np.interp(traveled, s, np.unwrap(path[:, 2])), prepend=0.0)
    fastest = np.maximum(np.concatenate([[speed_mps], speed[:-1]]), 1e-3)
    limit = np.minimum(limits.max_curvature_per_m, limits.max_lateral_accel_mps2 / fastest**2)
    turn = np.clip(path_turn, -limit * step, limit * step)
    heading = np.cumsum(turn)
    middle = heading - 0.5 * turn
    pose = np.stack([np.cumsum(step * np.cos(middle)), np.cumsum(step * np.sin(middle)), heading], axis=-1)
    return SmoothPlans(
        time_s_F=time_s_F,
        pose_MF3=pose[None],
        speed_MF=speed[None],
        accel_MF=np.where(speed > 0.0, -decel_mps2, 0.0)[None],
        curvature_MF=np.where(step > 1e-6, turn / np.maximum(step, 1e-6), 0.0)[None],
    )
