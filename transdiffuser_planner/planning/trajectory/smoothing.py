"""Sampled poses at 2 Hz -> smooth, drivable motion at 10 Hz.

Each coordinate is the curve that minimizes sum_k (p(t_k) - p_k)^2 + weight * integral(jerk^2), with position and velocity
at t = 0 fixed to the vehicle's. This is linear in the samples, so one precomputed matrix smooths all candidates at once. The
heading follows the direction of motion, as a car's does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract

FloatArray = NDArray[np.float64]

JERK_WEIGHT = 0.02
_MIN_STEP_M = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothPlans:
    """M plans on a fine grid of F steps after the snapshot, in base_link.

    Attributes:
        time_s_F: Times after the snapshot.
        pose_MF3: x, y, heading.
        speed_MF, accel_MF: Along the path (m/s, m/s2).
        curvature_MF: 1/m, positive to the left.
    """

    time_s_F: FloatArray
    pose_MF3: FloatArray
    speed_MF: FloatArray
    accel_MF: FloatArray
    curvature_MF: FloatArray


class PlanSmoother:
    """Smooths plans of one contract.

    Args:
        contract: Number and interval of the plan steps.
        step_s: Interval of the fine grid.
        jerk_weight: Weight of the squared jerk.
    """

    def __init__(self, contract: ModelContract, step_s: float = 0.1, jerk_weight: float = JERK_WEIGHT) -> None:
        self.step_s = step_s
        every = round(contract.plan_interval_s / step_s)
        self._num_fine = every * contract.num_plan_steps
        self.time_s_F: FloatArray = np.asarray(step_s * np.arange(1, self._num_fine + 1), dtype=np.float64)
        # Unknowns: positions at fine steps 1..F; the positions at steps 0 and -1 encode position and velocity at t = 0.
        third = np.zeros((self._num_fine, self._num_fine + 2))
        for row in range(self._num_fine - 1):
            third[row, row : row + 4] = np.asarray([-1.0, 3.0, -3.0, 1.0]) / step_s**3
        pick = np.zeros((contract.num_plan_steps, self._num_fine))
        pick[np.arange(contract.num_plan_steps), every * np.arange(1, contract.num_plan_steps + 1) - 1] = 1.0
        free, fixed = third[:, 2:], third[:, 0]  # position at step -1 is -v * step_s, at step 0 it is 0
        normal = pick.T @ pick + jerk_weight * step_s * free.T @ free
        self._from_samples = np.linalg.solve(normal, pick.T)
        self._from_velocity = np.linalg.solve(normal, jerk_weight * step_s * free.T @ fixed * step_s)

    def smooth(self, plan_MT3: FloatArray, speed_mps: float) -> SmoothPlans:
        """Smooth M sampled plans.

        Args:
            plan_MT3: x, y, heading in base_link.
            speed_mps: Current speed along base_link's x.
        """
        x_MF = plan_MT3[..., 0] @ self._from_samples.T + speed_mps * self._from_velocity
        y_MF = plan_MT3[..., 1] @ self._from_samples.T
        pose_MF3, step_MF = _drive_along(x_MF, y_MF)
        pose_MF3[~np.isfinite(plan_MT3).all(axis=(1, 2))] = np.nan  # a broken sample must not pass as standstill
        speed_MF = step_MF / self.step_s
        turn_MF = np.ascontiguousarray(_steps(pose_MF3[..., 2].T).T)
        with np.errstate(divide="ignore", invalid="ignore"):
            curvature_MF = np.where(step_MF > 5.0 * _MIN_STEP_M, turn_MF / step_MF, 0.0)
        return SmoothPlans(
            time_s_F=self.time_s_F,
            pose_MF3=pose_MF3,
            speed_MF=speed_MF,
            accel_MF=np.diff(speed_MF, axis=1, prepend=speed_mps) / self.step_s,
            curvature_MF=curvature_MF,
        )


def _drive_along(x_MF: FloatArray, y_MF: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Make positions drivable: no steps backwards or sideways at standstill, heading along the motion.

    Steps below a centimeter continue straight: too short for a direction, but the first steps of a vehicle that moves off.

    Returns:
        Poses (M, F, 3) and step lengths (M, F) in meters.
    """
    dx_FM, dy_FM = _steps(x_MF.T), _steps(y_MF.T)
    length_FM = np.hypot(dx_FM, dy_FM)
    directed_FM = length_FM > _MIN_STEP_M
    unit = np.maximum(length_FM, 1e-9)
    unit_x_FM, unit_y_FM = dx_FM / unit, dy_FM / unit
    # Plans whose steps all have a direction and never turn back are computed at once.
    ahead_FM = np.empty_like(directed_FM)
    ahead_FM[0] = unit_x_FM[0] > 0.5
    ahead_FM[1:] = unit_x_FM[1:] * unit_x_FM[:-1] + unit_y_FM[1:] * unit_y_FM[:-1] > 0.5
    step_FM, cos_FM, sin_FM = length_FM.copy(), unit_x_FM.copy(), unit_y_FM.copy()
    odd = ~(directed_FM & ahead_FM).all(axis=0)
    if odd.any():
        held = _held(dx_FM[:, odd], dy_FM[:, odd], length_FM[:, odd])
        step_FM[:, odd], cos_FM[:, odd], sin_FM[:, odd] = held
    heading_FM = np.unwrap(np.concatenate([np.zeros((1, len(x_MF))), np.arctan2(sin_FM, cos_FM)]), axis=0)[1:]
    x_FM, y_FM = np.cumsum(step_FM * cos_FM, axis=0), np.cumsum(step_FM * sin_FM, axis=0)
    pose_FM3 = np.empty((*x_FM.shape, 3))
    pose_FM3[..., 0], pose_FM3[..., 1], pose_FM3[..., 2] = x_FM, y_FM, heading_FM
    return pose_FM3.transpose(1, 0, 2), step_FM.T.copy()


def _steps(position_FM: FloatArray) -> FloatArray:
    """Differences from the position before, from 0 at first."""
    step_FM = np.empty(position_FM.shape)
    step_FM[0] = position_FM[0]
    np.subtract(position_FM[1:], position_FM[:-1], out=step_FM[1:])
    return step_FM


def _held(dx_FM: FloatArray, dy_FM: FloatArray, length_FM: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Step lengths and directions (cosine, sine), each (F, M), of plans that stop or turn back at some step."""
    unit = np.maximum(length_FM, 1e-9)
    step_FM, cos_FM, sin_FM = np.zeros_like(length_FM), np.zeros_like(length_FM), np.zeros_like(length_FM)
    cos, sin = np.ones(length_FM.shape[1]), np.zeros(length_FM.shape[1])
    for f in range(len(length_FM)):
        forward = dx_FM[f] * cos + dy_FM[f] * sin
        ahead = forward > 0.5 * length_FM[f]
        turns = ahead & (length_FM[f] > _MIN_STEP_M)
        step_FM[f] = np.where(turns, length_FM[f], forward * ahead)
        cos, sin = np.where(turns, dx_FM[f] / unit[f], cos), np.where(turns, dy_FM[f] / unit[f], sin)
        cos_FM[f], sin_FM[f] = cos, sin
    return step_FM, cos_FM, sin_FM
