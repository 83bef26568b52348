"""Contact of boxes with one closed ring."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.boxes import UNSURE_M, Boxes
from transdiffuser_planner.metrics.pdm.geometry.exact_predicates import convex_touch

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def boxes_touch_ring(
    boxes: Boxes,
    ring_C2: FloatArray,
    *,
    meet: Callable[[Sequence[Sequence[float]], Sequence[Sequence[float]]], bool] = convex_touch,
) -> BoolArray:
    """Find which of K boxes of one size meet an edge of the ring. A box wholly inside the ring meets none.

    Args:
        boxes: Boxes (K,).
        ring_C2: Corners of the ring.
        meet: Predicate for close cases: `convex_touch` with borders, `convex_cross` without.
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
