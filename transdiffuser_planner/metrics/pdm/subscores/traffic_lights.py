"""TLC, traffic light compliance: 0 if the ego's box touches a lane connector of the route while its light is red."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather
from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes
from transdiffuser_planner.metrics.pdm.geometry.polygons import points_inside
from transdiffuser_planner.metrics.pdm.geometry.ring_contact import boxes_touch_ring
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedScene

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

METRIC = "traffic_light"


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
