"""Accepts or rejects plans, independently of the network.

A plan passes when it is finite, kinematically feasible, continuous with the ego's state and free of collisions with
LiDAR obstacles and with the agents' predicted paths within the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.planning.safety.motion_limits import MotionLimits
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]

_STOP_DECEL_MPS2 = 5.0
_STOP_MARGIN_M = 1.5
_SURE_HORIZON_S = 1.0
_ACCEL_TOLERANCE_MPS2 = 1.0
_SPEED_TOLERANCE_MPS = 0.5
_MAX_FIRST_OFFSET_M, _MAX_FIRST_TURN_RAD = 0.3, 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class SafetyResult:
    """Result per plan: accepted or not, and the first violation ("" when accepted)."""

    accepted_M: NDArray[np.bool_]
    reason_M: tuple[str, ...]


def _any_step(hit_MF: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Reduce flags of steps to flags of plans."""
    return np.asarray(np.any(hit_MF, axis=1))


def kinematic_violations(plans: SmoothPlans, limits: MotionLimits) -> dict[str, NDArray[np.bool_]]:
    """Check the kinematic limits, by reason.

    The first half second, the transition from the present acceleration, is checked like the rest. A vehicle that already
    exceeds its top speed, for example downhill, may keep its speed.

    Args:
        plans: Smooth plans that start at the ego.
        limits: Of the vehicle and the configuration.

    Returns:
        Reason -> plans (M,) that it rejects.
    """
    speed, accel, curvature = plans.speed_MF, plans.accel_MF, plans.curvature_MF
    lateral = speed**2 * np.abs(curvature)
    before = speed - accel * float(plans.time_s_F[0])
    moving = np.maximum(speed, before) > 1.0
    too_fast = speed > np.maximum(limits.max_speed_mps, before[:, :1]) + _SPEED_TOLERANCE_MPS
    return {
        "not finite": _any_step(~np.isfinite(plans.pose_MF3.sum(axis=2))),
        "acceleration above limit": _any_step(accel > limits.max_accel_mps2 + _ACCEL_TOLERANCE_MPS2),
        "braking above limit": _any_step(accel < -limits.max_decel_mps2 - _ACCEL_TOLERANCE_MPS2),
        "lateral acceleration above limit": _any_step(lateral > limits.max_lateral_accel_mps2),
        "curvature above limit": _any_step((np.abs(curvature) > limits.max_curvature_per_m) & moving),
        "speed above limit": _any_step(too_fast),
        "not continuous with the vehicle's pose": _starts_elsewhere(plans),
    }


def _starts_elsewhere(plans: SmoothPlans) -> NDArray[np.bool_]:
    """Check for plans that begin away from the vehicle, or in another direction while they move."""
    first, moves = plans.pose_MF3[:, 0], plans.speed_MF[:, 0] > 1.0
    return (np.abs(first[:, 1]) > _MAX_FIRST_OFFSET_M) | ((np.abs(first[:, 2]) > _MAX_FIRST_TURN_RAD) & moves)


def collision_violations(
    plans: SmoothPlans,
    obstacle_clearance_MF: FloatArray,
    agent_clearance_MF: FloatArray,
    speed_mps: float,
    *,
    config: PlannerConfig,
    limits: MotionLimits,
) -> dict[str, NDArray[np.bool_]]:
    """Check for collisions, by reason.

    Agents move along their predicted paths up to the horizon. LiDAR points are stationary here although some belong to
    undetected moving vehicles: a hit rejects a plan if it is within 1 s or within the stopping distance.

    Args:
        plans: Smooth plans that start at the ego.
        obstacle_clearance_MF: Clearance to LiDAR obstacles in meters, <= 0 is a hit.
        agent_clearance_MF: Clearance to agents in meters, <= 0 is a hit.
        speed_mps: Current speed.
        config: Margin and horizon.
        limits: Available deceleration.

    Returns:
        Reason -> plans (M,) that it rejects.
    """
    moving = plans.speed_MF > 0.1
    within = plans.time_s_F <= config.collision_horizon_s
    traveled = np.cumsum(plans.speed_MF, axis=1) * float(plans.time_s_F[0])
    stop_m = speed_mps**2 / (2.0 * min(_STOP_DECEL_MPS2, limits.available_decel_mps2)) + _STOP_MARGIN_M
    near = (traveled < stop_m) | (plans.time_s_F <= _SURE_HORIZON_S)
    margin = config.collision_margin_m
    static_hit = (obstacle_clearance_MF < margin) & moving & within & near
    agent_hit = (agent_clearance_MF < margin) & moving & within
    return {"collision with an obstacle": _any_step(static_hit), "collision with an agent": _any_step(agent_hit)}


def combine_violations(violations: dict[str, NDArray[np.bool_]]) -> SafetyResult:
    """Combine violations into one result per plan; the first violation in order names the reason."""
    stacked = np.stack(list(violations.values()))
    names = list(violations)
    rejected = np.asarray(np.any(stacked, axis=0))
    first = stacked.argmax(axis=0)
    if not rejected.any():
        return SafetyResult(accepted_M=~rejected, reason_M=("",) * len(rejected))
    return SafetyResult(
        accepted_M=~rejected,
        reason_M=tuple(names[i] if bad else "" for i, bad in zip(first.tolist(), rejected.tolist(), strict=True)),
    )
