"""Validates every published plan independently of the planner's own checks."""

from __future__ import annotations

import numpy as np

from transdiffuser_planner.core.geometry import wrap_angle
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import EgoState, Trajectory

START_TOLERANCE_M = 0.05
START_TOLERANCE_RAD = 0.01
ACCEL_TOLERANCE_MPS2 = 1.0
JUMP_TOLERANCE_M = 0.1
MOVING_MPS = 1.0


def trajectory_violations(trajectory: Trajectory, ego: EgoState, config: PlannerConfig) -> tuple[str, ...]:
    """Check a trajectory.

    Args:
        trajectory: A published trajectory.
        ego: Ego state at the start of the plan.
        config: Kinematic limits.

    Returns:
        One phrase per violation, empty for a valid trajectory. One that is not finite is not checked further.
    """
    t = trajectory
    columns = (t.time_s_T, t.x_m_T, t.y_m_T, t.heading_rad_T, t.speed_mps_T, t.accel_mps2_T, t.curvature_per_m_T)
    if not all(np.isfinite(column).all() for column in columns):
        return ("not finite",)
    if len({len(column) for column in columns}) != 1 or len(t.time_s_T) < 2:
        return ("columns of different or no length",)
    step_s = np.diff(t.time_s_T)
    if t.time_s_T[0] != 0.0 or (step_s <= 0.0).any():
        return ("times do not start at 0 and increase",)
    gap_m = np.hypot(t.x_m_T[0] - ego.x_m, t.y_m_T[0] - ego.y_m)
    turn_rad = abs(float(wrap_angle(t.heading_rad_T[0] - ego.heading_rad)))
    step_m = np.hypot(np.diff(t.x_m_T), np.diff(t.y_m_T))
    reach_m = np.maximum(t.speed_mps_T[1:], t.speed_mps_T[:-1]) * step_s + JUMP_TOLERANCE_M
    speed, moving = t.speed_mps_T, t.speed_mps_T > MOVING_MPS
    found = {
        "stamp or frame is not the ego's": t.stamp_ns != ego.stamp_ns or t.frame_id != ego.frame_id,
        "does not start at the ego's pose": gap_m > START_TOLERANCE_M or turn_rad > START_TOLERANCE_RAD,
        "drives backwards": (speed < -0.01).any(),
        "jumps farther than its speed": (step_m > reach_m).any(),
        "acceleration above limit": (t.accel_mps2_T > config.max_accel_mps2 + ACCEL_TOLERANCE_MPS2).any(),
        "braking above limit": (t.accel_mps2_T < -config.max_decel_mps2 - ACCEL_TOLERANCE_MPS2).any(),
        "lateral acceleration above limit": (
            speed**2 * np.abs(t.curvature_per_m_T) > config.max_lateral_accel_mps2 + 1e-6
        ).any(),
        "curvature above limit": ((np.abs(t.curvature_per_m_T) > config.max_curvature_per_m + 1e-9) & moving).any(),
    }
    return tuple(name for name, is_wrong in found.items() if is_wrong)
