"""Validation of plans: clearances to LiDAR obstacles and agents, and the result of all checks.

M plans, A agents, F fine steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.safety.clearance import FAR_M, ObstacleField, agent_clearance
from transdiffuser_planner.planning.safety.motion_limits import MotionLimits
from transdiffuser_planner.planning.safety.safety_checks import (
    collision_violations,
    combine_violations,
    kinematic_violations,
)
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class CollisionContext:
    """Obstacles and relevant agents in base_link, and the vehicle.

    Attributes:
        vehicle: Its footprint and limits.
        obstacles: From LiDAR.
        path_MAF3: Each agent's box center and heading at the plans' times, per plan; M may be 1 for all plans.
        length_m_A, width_m_A: Boxes.
    """

    vehicle: VehicleModel
    obstacles: ObstacleField
    path_MAF3: FloatArray
    length_m_A: FloatArray
    width_m_A: FloatArray

    def obstacle_clearance(self, plans: SmoothPlans) -> FloatArray:
        """Clearance (M, F) in meters to the nearest obstacle; <= 0 is a hit."""
        return self.obstacles.clearance(plans.pose_MF3, self.vehicle)

    def agent_clearance(self, plans: SmoothPlans) -> FloatArray:
        """Smallest clearance (M, F) in meters to any agent; <= 0 is a hit."""
        if not len(self.length_m_A):
            return np.full(plans.speed_MF.shape, FAR_M)
        boxes = (self.path_MAF3, self.length_m_A, self.width_m_A)
        return np.asarray(agent_clearance(plans.pose_MF3, *boxes, self.vehicle).min(axis=1))


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidatedPlans:
    """Plans with their clearances and validation result.

    Attributes:
        plans: Smooth plans.
        obstacle_clearance_MF, agent_clearance_MF: Meters.
        accepted_M: Passed every check.
        feasible_M: Passed the kinematic checks.
        reason_M: The first violation of each, or "".
    """

    plans: SmoothPlans
    obstacle_clearance_MF: FloatArray
    agent_clearance_MF: FloatArray
    accepted_M: NDArray[np.bool_]
    feasible_M: NDArray[np.bool_]
    reason_M: tuple[str, ...]


def validate_plans(
    plans: SmoothPlans, around: CollisionContext, ego: EgoState, config: PlannerConfig
) -> ValidatedPlans:
    """Validate smooth plans that start at the ego.

    Args:
        plans: M plans in base_link.
        around: Obstacles, agents and the vehicle.
        ego: Current state.
        config: Limits, margin and horizon.
    """
    speed_mps = max(ego.vx_mps, 0.0)
    limits = MotionLimits.of(config, around.vehicle)
    obstacle, agents = around.obstacle_clearance(plans), around.agent_clearance(plans)
    violations = kinematic_violations(plans, limits)
    infeasible_M = np.any(np.stack(list(violations.values())), axis=0)
    violations |= collision_violations(plans, obstacle, agents, speed_mps, config=config, limits=limits)
    result = combine_violations(violations)
    return ValidatedPlans(
        plans=plans,
        obstacle_clearance_MF=obstacle,
        agent_clearance_MF=agents,
        accepted_M=result.accepted_M,
        feasible_M=~infeasible_M,
        reason_M=result.reason_M,
    )


def at_fine_times(path_MAT3: FloatArray, pose_A3: FloatArray, time_s_F: FloatArray, interval_s: float) -> FloatArray:
    """Interpolate agent paths at the plans' times, starting at the present pose.

    Args:
        path_MAT3: Paths at 1, 2, ... intervals.
        pose_A3: Present poses.
        time_s_F: Times of the result.
        interval_s: Interval of the paths.

    Returns:
        Paths (M, A, F, 3).
    """
    start = np.broadcast_to(pose_A3[:, None], (len(path_MAT3), len(pose_A3), 1, 3))
    knots = np.concatenate([start, path_MAT3], axis=2)
    position = time_s_F / interval_s
    left = np.minimum(position.astype(np.intp), knots.shape[2] - 2)
    part = (position - left)[:, None]
    return np.asarray(knots[:, :, left] * (1.0 - part) + knots[:, :, left + 1] * part)


def standing(pose_A3: FloatArray, num_fine: int) -> FloatArray:
    """Build the paths (1, A, F, 3) of stationary agents."""
    return np.repeat(pose_A3[None, :, None, :], num_fine, axis=2)
