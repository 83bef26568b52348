"""NC, no at-fault collision: 0 after hitting a road user, 0.5 after hitting an object, 1 otherwise.

Only the first contact with each agent counts: at fault it lowers the score, otherwise the agent is ignored from then on.
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
    """Kind of a collision between the ego and an agent."""

    STOPPED_EGO = "ego stationary"
    STOPPED_AGENT = "agent stationary"
    REAR = "hit from behind"
    FRONT = "front bumper"
    SIDE = "side"


def collision_kind(
    pose_3: FloatArray, speed_mps: float, ego_corner_42: FloatArray, agent_speed_mps: float, agent_corner_42: FloatArray
) -> CollisionKind:
    """Classify the contact of the ego with an agent.

    Args:
        pose_3: Pose of the ego's rear axle, map frame.
        speed_mps: Speed of the ego.
        ego_corner_42: Corners of the ego.
        agent_speed_mps: Speed of the agent.
        agent_corner_42: Corners of the agent.
    """
    if speed_mps <= STOPPED_MPS:
        return CollisionKind.STOPPED_EGO
    if agent_speed_mps <= STOPPED_MPS:
        return CollisionKind.STOPPED_AGENT
    if relative_angle_rad(pose_3, centroid(agent_corner_42)) > BEHIND_RAD:
        return CollisionKind.REAR
    bumper = [ego_corner_42[FRONT_LEFT].tolist(), ego_corner_42[FRONT_RIGHT].tolist()]
    return CollisionKind.FRONT if convex_touch(bumper, agent_corner_42.tolist()) else CollisionKind.SIDE


def score_collisions(motion: Motion, ego: Boxes, area: EgoArea, agents: PreparedAgents) -> tuple[FloatArray, Reasons]:
    """Score M simulated plans: 0, 0.5 or 1, with each at-fault collision.

    Args:
        motion: The simulated plans.
        ego: Boxes (M, S) of the ego.
        area: Map areas under the ego.
        agents: All other road users and objects.
    """
    num_plans, num_steps = motion.pose_MS3.shape[:2]
    score_M = np.ones(num_plans)
    found: list[tuple[int, Reason]] = []
    everywhere = np.ones((num_plans, num_steps), dtype=bool)
    touches = first_touches(ego, None, agents, np.arange(num_steps), everywhere)
    if len(touches.plan_K) == 0:
        return score_M, gather(num_plans, found)

    speed_MS, blamed_MS = motion.speed_MS, area.blamed_MS
    ego_corner_K42 = ego.at(touches.plan_K, touches.step_K).corners()
    agent_corner_K42 = agents.boxes.at(touches.agent_K, touches.step_K).corners()
    for k, (plan, step, agent) in enumerate(zip(touches.plan_K, touches.step_K, touches.agent_K, strict=True)):
        moves = agents.moves_N[agent]
        kind = collision_kind(
            motion.pose_MS3[plan, step],
            float(speed_MS[plan, step]),
            ego_corner_K42[k],
            float(agents.speed_N[agent]) if moves else 0.0,
            agent_corner_K42[k],
        )
        at_fault = kind in (CollisionKind.STOPPED_AGENT, CollisionKind.FRONT)
        if at_fault or (kind is CollisionKind.SIDE and blamed_MS[plan, step]):
            score_M[plan] = min(score_M[plan], ROAD_USER_SCORE if moves else OBJECT_SCORE)
            reason = Reason(metric=METRIC, step=int(step), agent=agents.token_N[agent], detail=kind.value)
            found.append((int(plan), reason))
    return score_M, gather(num_plans, found)
