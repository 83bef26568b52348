"""TTC: 0 if the ego at constant velocity would collide with an agent ahead within 0.9 s from any step.

Agents are taken at their future poses. As with collisions, only the first such contact with each agent counts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather
from transdiffuser_planner.metrics.pdm.ego_area import EgoArea
from transdiffuser_planner.metrics.pdm.first_contact import (
    AHEAD_RAD,
    BEHIND_RAD,
    centroid,
    first_touches,
    relative_angle_rad,
)
from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes
from transdiffuser_planner.metrics.pdm.geometry.polygons import points_inside
from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedAgents, PreparedScene
from transdiffuser_planner.metrics.pdm.scene import NUM_STEPS, STEP_S

FloatArray = NDArray[np.float64]

LOOK_AHEAD_STEPS: Final = np.asarray([0, 3, 6, 9])
STOPPED_MPS = 5e-3
METRIC = "time_to_collision"

NUM_STEPS_V1 = NUM_STEPS + 1
NUM_STEPS_V2 = NUM_STEPS + 1 - int(LOOK_AHEAD_STEPS.max())
"""Number of steps to look ahead from: all of them in PDMS, which needs the agents for 4.9 s; EPDMS stops 0.9 s earlier."""


def _ahead(motion: Motion, step_R: NDArray[np.int64], ahead_s_R: FloatArray) -> FloatArray:
    """Displacement (M, R, 2) of the ego at constant velocity within ahead_s_R seconds of step_R, meters."""
    heading_MR, speed_MR = motion.pose_MS3[:, step_R, 2], motion.speed_MS[:, step_R]
    return np.stack([np.cos(heading_MR) * speed_MR, np.sin(heading_MR) * speed_MR], axis=-1) * ahead_s_R[:, None]


def score_time_to_collision(
    prepared: PreparedScene, motion: Motion, ego: Boxes, area: EgoArea, agents: PreparedAgents, num_steps: int
) -> tuple[FloatArray, Reasons]:
    """Score M simulated plans: 0 or 1, with each violation.

    Args:
        prepared: Scene with its intersections.
        motion: The simulated plans.
        ego: Boxes (M, S) of the ego.
        area: Map areas under the ego.
        agents: All other road users and objects.
        num_steps: Steps from which to look ahead; fewer where the agents' boxes end.
    """
    num_plans = len(motion.pose_MS3)
    score_M = np.ones(num_plans)
    found: list[tuple[int, Reason]] = []
    if len(agents):
        step_R, ahead_R = np.divmod(np.arange(num_steps * len(LOOK_AHEAD_STEPS)), len(LOOK_AHEAD_STEPS))
        agent_step_R = step_R + LOOK_AHEAD_STEPS[ahead_R]
        known_R = agent_step_R < agents.num_steps
        moving_MR = (motion.speed_MS >= STOPPED_MPS)[:, step_R] & known_R
        rows = np.where(known_R, agent_step_R, 0)
        shift_MR2 = _ahead(motion, step_R, LOOK_AHEAD_STEPS[ahead_R] * STEP_S)
        touches = first_touches(ego.at(slice(None), step_R), shift_MR2, agents, rows, moving_MR)
        if len(touches.plan_K):
            step_K = step_R[touches.step_K]
            pose_K3 = motion.pose_MS3[touches.plan_K, step_K]
            agent_corner_K42 = agents.boxes.at(touches.agent_K, agent_step_R[touches.step_K]).corners()
            in_intersection_K = _in_intersection(prepared, pose_K3[:, :2])
            blamed_K = area.blamed_MS[touches.plan_K, step_K] | in_intersection_K
            for k, (plan, row, agent) in enumerate(zip(touches.plan_K, touches.step_K, touches.agent_K, strict=True)):
                angle = relative_angle_rad(pose_K3[k], centroid(agent_corner_K42[k]))
                if angle < AHEAD_RAD or (blamed_K[k] and not angle > BEHIND_RAD):
                    score_M[plan] = 0.0
                    detail = f"would touch in {LOOK_AHEAD_STEPS[ahead_R[row]] * STEP_S:.1f} s"
                    reason = Reason(metric=METRIC, step=int(step_K[k]), agent=agents.token_N[agent], detail=detail)
                    found.append((int(plan), reason))
    return score_M, gather(num_plans, found)


def _in_intersection(prepared: PreparedScene, point_K2: FloatArray) -> NDArray[np.bool_]:
    near_R, inside_RK = points_inside(prepared.areas, point_K2)
    return np.asarray(inside_RK[prepared.intersection_P[near_R]].any(axis=0))
