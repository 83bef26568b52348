"""NC, no at-fault collision: 0 after hitting a road user, 0.5 after hitting an object, 1 otherwise.

Only the first touch of each agent matters: if the ego is to blame the score falls, if not the agent is forgotten.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather
from transdiffuser_planner.metrics.pdm.ego_area import EgoArea
from transdiffuser_planner.metrics.pdm.first_contact import BEHIND_RAD, centroid, first_touches, relative_angle_rad
from transdiffuser_planner.metrics.pdm.geometry.boxes import FRONT_LEFT, FRONT_RIGHT, Boxes
from transdiffuser_planner.metrics.pdm.geometry.exact_predicates import convex_touch
from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedAgents

FloatArray = NDArray[np.float64]

STOPPED_MPS = 5e-2
ROAD_USER_SCORE, OBJECT_SCORE = 0.0, 0.5
METRIC = "no_at_fault_collision"


class CollisionKind(Enum):
    """How two boxes met."""

    STOPPED_EGO = "ego stands"
    STOPPED_AGENT = "agent stands"
    REAR = "hit from behind"
    FRONT = "front bumper"
    SIDE = "side"


def collision_kind(
    pose_3: FloatArray, speed_mps: float, ego_corner_42: FloatArray, agent_speed_mps: float, agent_corner_42: FloatArray
) -> CollisionKind:
    """How the ego and an agent, touching each other, met."""
    if speed_mps <= STOPPED_MPS:
        return CollisionKind.STOPPED_EGO
    if agent_speed_mps <= STOPPED_MPS:
        return CollisionKind.STOPPED_AGENT
    if relative_angle_rad(pose_3, centroid(agent_corner_42)) > BEHIND_RAD:
        return CollisionKind.REAR
    bumper = [ego_corner_42[FRONT_LEFT].tolist(), ego_corner_42[FRONT_RIGHT].tolist()]
    return CollisionKind.FRONT if convex_touch(bumper, agent_corner_42.tolist()) else CollisionKind.SIDE


def score_collisions(motion: Motion, ego: Boxes, area: EgoArea, agents: PreparedAgents) -> tuple[FloatArray, Reasons]:
    """Score M simulated plans: 0, 0.5 or 1, and each collision the ego is to blame for.

    Args:
        motion: The simulated plans.
        ego: Their boxes (M, S).
        area: Where they are.
        agents: The others.
    """
    num_plans, num_steps = motion.pose_MS3.shape[:2]
    score_M = np.ones(num_plans)
    found: list[tuple[int, Reason]] = []
    everywhere = np.ones((num_plans, num_steps), dtype=bool)
    touches = first_touches(ego, None, agents, np.arange(num_steps), everywhere)
    if len(touches.plan_K) == 0:
        return score_M, gather(num_plans, found)

    speed_MS, blamed_MS = motion.speed_MS, area.blamed_MS
    ego_corner_K42 = ego.at(touches.plan_K, touches.moment_K).corners()
    agent_corner_K42 = agents.boxes.at(touches.agent_K, touches.moment_K).corners()
    for k, (plan, step, agent) in enumerate(zip(touches.plan_K, touches.moment_K, touches.agent_K, strict=True)):
        moves = agents.moves_N[agent]
        kind = collision_kind(
            motion.pose_MS3[plan, step],
            float(speed_MS[plan, step]),
            ego_corner_K42[k],
            float(agents.speed_N[agent]) if moves else 0.0,
            agent_corner_K42[k],
        )
        to_blame = kind in (CollisionKind.STOPPED_AGENT, CollisionKind.FRONT)
        if to_blame or (kind is CollisionKind.SIDE and blamed_MS[plan, step]):
            score_M[plan] = min(score_M[plan], ROAD_USER_SCORE if moves else OBJECT_SCORE)
            reason = Reason(metric=METRIC, step=int(step), agent=agents.token_N[agent], detail=kind.value)
            found.append((int(plan), reason))
    return score_M, gather(num_plans, found)
