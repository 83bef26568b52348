"""Displacement errors of plans against what was driven. B samples, M candidates, T plan steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def average_displacement_m(plan_XT2: FloatArray, truth_XT2: FloatArray) -> FloatArray:
    """ADE: mean distance over the plan steps; leading axes broadcast.

    Args:
        plan_XT2, truth_XT2: Positions (..., T, 2 or more) in one frame, metres.
    """
    return np.asarray(np.linalg.norm(plan_XT2[..., :2] - truth_XT2[..., :2], axis=-1).mean(axis=-1))


def final_displacement_m(plan_XT2: FloatArray, truth_XT2: FloatArray) -> FloatArray:
    """FDE: distance at the last plan step; leading axes broadcast."""
    return np.asarray(np.linalg.norm(plan_XT2[..., -1, :2] - truth_XT2[..., -1, :2], axis=-1))


def constant_velocity_plan(speed_B: FloatArray, yaw_rate_B: FloatArray, time_s_T: FloatArray) -> FloatArray:
    """Poses (B, T, 3) in base_link when speed (m/s) and yaw rate (rad/s) stay as they are."""
    heading = yaw_rate_B[:, None] * time_s_T
    small = np.abs(heading) < 1e-6
    safe = np.where(small, 1.0, heading)
    along = np.where(small, 1.0, np.sin(safe) / safe)
    across = np.where(small, 0.5 * heading, (1.0 - np.cos(safe)) / safe)
    distance = speed_B[:, None] * time_s_T
    return np.stack([distance * along, distance * across, heading], axis=-1)
