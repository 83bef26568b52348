"""First contact of each plan with each agent, and the direction to the agent. M plans, S steps, N agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes, gap_m, settle
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedAgents

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

AHEAD_RAD: Final = float(np.deg2rad(30.0))
BEHIND_RAD: Final = float(np.deg2rad(150.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstTouches:
    """First contacts: one row for each pair of plan and agent that touch at any step.

    Attributes:
        plan_K: Index of the plan.
        step_K: Index of the first touching step.
        agent_K: Index of the agent.
    """

    plan_K: IntArray
    step_K: IntArray
    agent_K: IntArray


def first_touches(
    ego: Boxes, shift_MS2: FloatArray | None, agents: PreparedAgents, agent_step_S: IntArray, allowed_MS: BoolArray
) -> FirstTouches:
    """Find the first contact of each pair of plan and agent.

    Args:
        ego: Boxes (M, S) of the ego at S steps, earliest first.
        shift_MS2: Displacement added to the boxes, meters; None for none.
        agents: The agents.
        agent_step_S: Step of the agents' boxes at each step of the ego.
        allowed_MS: Steps that count.
    """
    none = np.zeros(0, dtype=np.int64)
    center_MS2 = ego.center_X2 if shift_MS2 is None else ego.center_X2 + shift_MS2
    radius = float(np.hypot(*ego.half_X2))
    low, high = center_MS2.min(axis=(0, 1)) - radius, center_MS2.max(axis=(0, 1)) + radius
    all_NS2, reach_N11 = agents.boxes.center_X2, agents.radius_N[:, None, None]
    near_NS = ((all_NS2 >= low - reach_N11) & (all_NS2 <= high + reach_N11)).all(axis=-1) & agents.valid_NS
    near_N = np.flatnonzero(near_NS.any(axis=1))
    if len(near_N) == 0:
        return FirstTouches(plan_K=none, step_K=none, agent_K=none)

    reach_N = (agents.radius_N[near_N] + radius + 1e-3) ** 2
    agent_NS2, present_NS = all_NS2[near_N][:, agent_step_S], near_NS[near_N][:, agent_step_S]
    x_MNS = center_MS2[:, None, :, 0] - agent_NS2[..., 0]
    y_MNS = center_MS2[:, None, :, 1] - agent_NS2[..., 1]
    close_MNS = (x_MNS * x_MNS + y_MNS * y_MNS <= reach_N[:, None]) & present_NS & allowed_MS[:, None]
    plan_K, place_K, step_K = np.nonzero(close_MNS)
    if len(plan_K) == 0:
        return FirstTouches(plan_K=none, step_K=none, agent_K=none)
    agent_K = near_N[place_K]
    agent_step_K = agent_step_S[step_K]

    def corners(k: int) -> tuple[FloatArray, FloatArray]:
        moved = 0.0 if shift_MS2 is None else shift_MS2[plan_K[k], step_K[k]]
        return ego.at(plan_K[k], step_K[k]).corners() + moved, boxes.at(agent_K[k], agent_step_K[k]).corners()

    boxes = agents.boxes
    gap_K = gap_m(
        boxes.center_X2[agent_K, agent_step_K] - center_MS2[plan_K, step_K],
        ego.axis_X2[plan_K, step_K],
        ego.half_X2,
        boxes.axis_X2[agent_K, agent_step_K],
        boxes.half_X2[agent_K, 0],
    )
    touch_K = settle(gap_K, corners)
    plan_K, agent_K, step_K = plan_K[touch_K], agent_K[touch_K], step_K[touch_K]
    # Rows of one pair are consecutive, earliest first.
    new_K = np.ones(len(plan_K), dtype=bool)
    new_K[1:] = (plan_K[1:] != plan_K[:-1]) | (agent_K[1:] != agent_K[:-1])
    return FirstTouches(plan_K=plan_K[new_K], step_K=step_K[new_K], agent_K=agent_K[new_K])


def centroid(corner_42: FloatArray) -> tuple[float, float]:
    """Center of mass of a box's corners, by triangles from the first corner, in the order in which GEOS sums them.

    The mean of the corners would suffice, but for an agent exactly ahead the last digit decides whether it counts at all:
    see `relative_angle_rad`.
    """
    points = corner_42.tolist()
    (x0, y0), total, sum_x, sum_y = points[0], 0.0, 0.0, 0.0
    for (x1, y1), (x2, y2) in zip([*points], [*points[1:], points[0]], strict=True):
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        sum_x += area * (x0 + x1 + x2)
        sum_y += area * (y0 + y1 + y2)
        total += area
    return sum_x / 3.0 / total, sum_y / 3.0 / total


def relative_angle_rad(ego_pose_3: FloatArray, point: tuple[float, float]) -> float:
    """Angle between the ego's heading and the direction to a point, 0 straight ahead, pi behind.

    As in the devkit, rounding may put the cosine of a point exactly ahead a digit above one; the angle is then NaN, which
    counts neither as ahead nor as behind.
    """
    toward = np.asarray([point[0] - ego_pose_3[0], point[1] - ego_pose_3[1]])
    heading = np.asarray([np.cos(ego_pose_3[2]), np.sin(ego_pose_3[2])])
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.arccos(np.dot(heading, toward / np.linalg.norm(toward))))
