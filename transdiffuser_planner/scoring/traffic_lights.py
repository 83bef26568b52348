"""TLC, traffic light compliance: 0 if the ego's box ever touches a lane connector of the route whose light is red."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.scoring.boxes import UNSURE_M, Boxes
from transdiffuser_planner.scoring.exact import convex_touch
from transdiffuser_planner.scoring.polygons import points_inside
from transdiffuser_planner.scoring.prepared import PreparedScene
from transdiffuser_planner.scoring.reasons import Reason, Reasons, gather

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

METRIC = "traffic_light"


def boxes_touch_ring(
    boxes: Boxes,
    ring_C2: FloatArray,
    *,
    meet: Callable[[Sequence[Sequence[float]], Sequence[Sequence[float]]], bool] = convex_touch,
) -> BoolArray:
    """Which of K boxes of one size meet an edge of the ring. A box wholly inside the ring meets none.

    Args:
        boxes: Boxes (K,).
        ring_C2: The ring.
        meet: What decides close calls: `convex_touch` with borders, `convex_cross` without.
    """
    center_K2, axis_K2, half_2 = boxes.center_X2, boxes.axis_X2, boxes.half_X2
    away_KC2 = ring_C2 - center_K2[:, None]
    start_KC2 = np.stack(
        [
            away_KC2[..., 0] * axis_K2[:, None, 0] + away_KC2[..., 1] * axis_K2[:, None, 1],
            away_KC2[..., 1] * axis_K2[:, None, 0] - away_KC2[..., 0] * axis_K2[:, None, 1],
        ],
        axis=-1,
    )
    end_KC2 = np.roll(start_KC2, -1, axis=1)
    middle_KC2, step_KC2 = (start_KC2 + end_KC2) / 2.0, end_KC2 - start_KC2
    size_KC2 = np.abs(step_KC2)
    length_KC = np.hypot(step_KC2[..., 0], step_KC2[..., 1])
    across_KC = np.abs(middle_KC2[..., 0] * step_KC2[..., 1] - middle_KC2[..., 1] * step_KC2[..., 0])
    across_KC -= half_2[0] * size_KC2[..., 1] + half_2[1] * size_KC2[..., 0]
    gap_KC = np.maximum(
        (np.abs(middle_KC2) - size_KC2 / 2.0 - half_2).max(axis=-1),
        across_KC / np.where(length_KC > 0.0, length_KC, 1.0),
    )
    touch_KC = gap_KC < 0.0
    for box, edge in np.argwhere(np.abs(gap_KC) < UNSURE_M):
        ends = [ring_C2[edge].tolist(), ring_C2[(edge + 1) % len(ring_C2)].tolist()]
        touch_KC[box, edge] = meet(boxes.at(box).corners().tolist(), ends)
    return np.asarray(touch_KC.any(axis=1))


def score_traffic_lights(prepared: PreparedScene, ego: Boxes) -> tuple[FloatArray, Reasons]:
    """Score the boxes (M, S) of M simulated plans."""
    num_plans, num_steps = ego.center_X2.shape[:2]
    found: list[tuple[int, Reason]] = []
    ran_M = np.zeros(num_plans, dtype=bool)
    radius = float(np.hypot(*ego.half_X2))
    for index, light in enumerate(prepared.lights):
        low_x, low_y, high_x, high_y = prepared.light_areas.bounds_P4[index]
        x_MS, y_MS = ego.center_X2[..., 0], ego.center_X2[..., 1]
        near_MS = (x_MS >= low_x - radius) & (x_MS <= high_x + radius) & (y_MS >= low_y - radius)
        near_MS &= (y_MS <= high_y + radius) & np.broadcast_to(light.red_S[:num_steps], num_steps)
        plan_K, step_K = np.nonzero(near_MS)
        if len(plan_K) == 0:
            continue
        boxes = ego.at(plan_K, step_K)
        touch_K = boxes_touch_ring(boxes, light.ring_C2)
        near_R, inside_RK = points_inside(prepared.light_areas, boxes.center_X2)
        touch_K |= inside_RK[near_R == index].any(axis=0)
        touched, first = np.unique(plan_K[touch_K], return_index=True)
        ran_M[touched] = True
        for plan, step in zip(touched, step_K[touch_K][first], strict=True):
            found.append((int(plan), Reason(metric=METRIC, step=int(step), agent=light.token, detail="red light")))
    return np.where(ran_M, 0.0, 1.0), gather(num_plans, found)
