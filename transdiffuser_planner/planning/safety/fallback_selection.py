"""Which plan of last resort to take: the last accepted one while it is young and still free, then a comfortable stop,
then an emergency stop.
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

_STANDING_MPS = 0.5


def recent_plan(
    last: Trajectory | None, ego: EgoState, time_s_F: FloatArray, config: PlannerConfig
) -> FloatArray | None:
    """The last accepted trajectory from now on (F, 3) in today's base_link; None when there is none or it is too old."""
    if last is None or not 0.0 <= plan_age_s(last, ego) <= config.max_plan_age_s:
        return None
    return shifted_plan(last, ego, time_s_F)


def plan_age_s(plan: Trajectory, ego: EgoState) -> float:
    """How long before the ego's state a trajectory was planned, in seconds."""
    return (ego.stamp_ns - plan.stamp_ns) * 1e-9


def select_fallback(
    last_F3: FloatArray | None,
    path_F3: FloatArray | None,
    ego: EgoState,
    around: CollisionContext,
    time_s_F: FloatArray,
    config: PlannerConfig,
) -> tuple[SmoothPlans, FallbackLevel]:
    """The highest rung that holds.

    Args:
        last_F3: Result of ``recent_plan``; None when it must not be continued, as when the vehicle was asked to stop.
        path_F3: Another path to stop along when there is no last plan; None goes straight on.
        ego: State to plan from.
        around: What to keep clear of.
        time_s_F: Times of the result.
        config: Limits and decelerations.

    Returns:
        A batch of one plan, and its rung; never ``FallbackLevel.NONE``.
    """
    if last_F3 is not None:
        going_on = motion_along(last_F3, time_s_F, max(ego.vx_mps, 0.0))
        if validate_plans(going_on, around, ego, config).accepted_M[0]:
            return going_on, FallbackLevel.LAST_PLAN
    return _stop(last_F3 if last_F3 is not None else path_F3, ego, around, time_s_F, config)


def _stop(
    path_F3: FloatArray | None, ego: EgoState, around: CollisionContext, time_s_F: FloatArray, config: PlannerConfig
) -> tuple[SmoothPlans, FallbackLevel]:
    """A comfortable stop along a path where that is free of collisions, else an emergency stop."""
    speed_mps, limits = max(ego.vx_mps, 0.0), MotionLimits.of(config, around.vehicle)
    path = path_F3 if path_F3 is not None and np.isfinite(path_F3).all() else np.zeros((len(time_s_F), 3))
    gentle = stop_along(path, speed_mps, config.comfort_decel_mps2, time_s_F, limits)
    clear_m = min(around.obstacle_clearance(gentle).min(), around.agent_clearance(gentle).min())
    if clear_m > 0.0 or speed_mps < _STANDING_MPS:
        return gentle, FallbackLevel.COMFORTABLE_STOP
    return stop_along(path, speed_mps, config.emergency_decel_mps2, time_s_F, limits), FallbackLevel.EMERGENCY_STOP
