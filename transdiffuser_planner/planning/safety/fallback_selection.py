"""Selects the fallback level and its plan.

In order: the last accepted plan while it is recent and free of collisions, a comfortable stop, an emergency stop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import EgoState, FallbackLevel, Trajectory
from transdiffuser_planner.planning.safety.fallback_plans import motion_along, shifted_plan, stop_along
from transdiffuser_planner.planning.safety.motion_limits import MotionLimits
from transdiffuser_planner.planning.safety.plan_validation import CollisionContext, validate_plans
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]

_STATIONARY_MPS = 0.5


def recent_plan(
    last: Trajectory | None, ego: EgoState, time_s_F: FloatArray, config: PlannerConfig
) -> FloatArray | None:
    """Continue the last accepted trajectory, (F, 3) in the present base_link; None without one or when it is too old.

    Args:
        last: The last accepted trajectory.
        ego: Current state.
        time_s_F: Times of the result.
        config: Maximum age.
    """
    if last is None or not 0.0 <= plan_age_s(last, ego) <= config.max_plan_age_s:
        return None
    return shifted_plan(last, ego, time_s_F)


def plan_age_s(plan: Trajectory, ego: EgoState) -> float:
    """Age of a trajectory at the ego's stamp, in seconds."""
    return (ego.stamp_ns - plan.stamp_ns) * 1e-9


def select_fallback(
    last_F3: FloatArray | None,
    path_F3: FloatArray | None,
    ego: EgoState,
    around: CollisionContext,
    time_s_F: FloatArray,
    config: PlannerConfig,
) -> tuple[SmoothPlans, FallbackLevel]:
    """Select the lowest fallback level whose plan is valid.

    Args:
        last_F3: Result of ``recent_plan``; None when it must not be continued, for example after a stop request.
        path_F3: Path to stop along without a last plan; None: straight ahead.
        ego: State to plan from.
        around: Obstacles and agents.
        time_s_F: Times of the result.
        config: Limits and decelerations.

    Returns:
        A batch of one plan, and its fallback level; never ``FallbackLevel.NONE``.
    """
    if last_F3 is not None:
        continued = motion_along(last_F3, time_s_F, max(ego.vx_mps, 0.0))
        if validate_plans(continued, around, ego, config).accepted_M[0]:
            return continued, FallbackLevel.LAST_PLAN
    return _stop(last_F3 if last_F3 is not None else path_F3, ego, around, time_s_F, config)


def _stop(
    path_F3: FloatArray | None, ego: EgoState, around: CollisionContext, time_s_F: FloatArray, config: PlannerConfig
) -> tuple[SmoothPlans, FallbackLevel]:
    """Stop comfortably along a path if that is free of collisions, else make an emergency stop."""
    speed_mps, limits = max(ego.vx_mps, 0.0), MotionLimits.of(config, around.vehicle)
    path = path_F3 if path_F3 is not None and np.isfinite(path_F3).all() else np.zeros((len(time_s_F), 3))
    gentle = stop_along(path, speed_mps, config.comfort_decel_mps2, time_s_F, limits)
    clear_m = min(around.obstacle_clearance(gentle).min(), around.agent_clearance(gentle).min())
    if clear_m > 0.0 or speed_mps < _STATIONARY_MPS:
        return gentle, FallbackLevel.COMFORTABLE_STOP
    return stop_along(path, speed_mps, config.emergency_decel_mps2, time_s_F, limits), FallbackLevel.EMERGENCY_STOP
