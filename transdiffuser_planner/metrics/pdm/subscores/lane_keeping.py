"""LK, lane keeping: 0 after 2 continuous seconds more than 0.5 m off the center line, without steps in intersections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather
from transdiffuser_planner.metrics.pdm.subscores.progress import distances_to_segments

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MAX_OFFSET_M = 0.5
MAX_STEPS = 20
METRIC = "lane_keeping"


def far_from_line(line_K2: FloatArray, point_Q2: FloatArray, limit_m: float) -> BoolArray:
    """Points (Q,) further than the limit from the line."""
    start_K2, step_K2 = line_K2[:-1], np.diff(line_K2, axis=0)
    low, high = point_Q2.min(axis=0) - limit_m, point_Q2.max(axis=0) + limit_m
    end_K2 = line_K2[1:]
    near_K = ((np.minimum(start_K2, end_K2) <= high) & (np.maximum(start_K2, end_K2) >= low)).all(axis=1)
    if not near_K.any():
        return np.ones(len(point_Q2), dtype=bool)
    distance_QK, _ = distances_to_segments(start_K2[near_K], step_K2[near_K], point_Q2)
    return np.asarray(distance_QK.min(axis=1) > limit_m)


def score_lane_keeping(
    line_K2: FloatArray, center_MS2: FloatArray, in_intersection_MS: BoolArray
) -> tuple[FloatArray, Reasons]:
    """Score M simulated plans by the centers of the ego's boxes."""
    num_plans, num_steps = in_intersection_MS.shape
    far_MS = far_from_line(line_K2, center_MS2.reshape(-1, 2), MAX_OFFSET_M).reshape(num_plans, num_steps)
    score_M, found = np.ones(num_plans), []
    for plan in np.flatnonzero((far_MS & ~in_intersection_MS).sum(axis=1) >= MAX_STEPS):
        steps = np.flatnonzero(~in_intersection_MS[plan])
        run = 0
        for step in steps:
            run = run + 1 if far_MS[plan, step] else 0
            if run >= MAX_STEPS:
                score_M[plan] = 0.0
                detail = f"more than {MAX_OFFSET_M} m off the center line for 2 s"
                found.append((int(plan), Reason(metric=METRIC, step=int(step), detail=detail)))
                break
    return score_M, gather(num_plans, found)
