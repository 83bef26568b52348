"""Distances between boxes, polygons and lines. M boxes of the ego, N other boxes, K segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes, gap_m
from transdiffuser_planner.metrics.pdm.geometry.polygons import pack_polygons, points_inside
from transdiffuser_planner.metrics.pdm.geometry.ring_contact import boxes_touch_ring

FloatArray = NDArray[np.float64]


def point_to_segment(point_X2: FloatArray, start_X2: FloatArray, end_X2: FloatArray) -> FloatArray:
    """Distances of points to segments; all arguments broadcast."""
    step_X2, away_X2 = end_X2 - start_X2, point_X2 - start_X2
    length_2 = (step_X2 * step_X2).sum(axis=-1)
    share_X = np.clip((away_X2 * step_X2).sum(axis=-1) / np.where(length_2 > 0.0, length_2, 1.0), 0.0, 1.0)
    rest_X2 = away_X2 - share_X[..., None] * step_X2
    return np.asarray(np.hypot(rest_X2[..., 0], rest_X2[..., 1]))


def _outlines(one_MC2: FloatArray, other_ND2: FloatArray) -> FloatArray:
    """Smallest distances (M, N) between the corners of either outline and the edges of the other."""
    one_MC, other_ND = one_MC2[:, None, :, None], other_ND2[None, :, None, :]
    one_next, other_next = np.roll(one_MC, -1, axis=2), np.roll(other_ND, -1, axis=3)
    here = point_to_segment(one_MC, other_ND, other_next).min(axis=(2, 3))
    there = point_to_segment(other_ND, one_MC, one_next).min(axis=(2, 3))
    return np.asarray(np.minimum(here, there))


def between_boxes(ego: Boxes, others: Boxes) -> FloatArray:
    """Distances (M, N) between boxes (M,) and (N,); 0 where they touch."""
    num, count = len(ego.center_X2), len(others.center_X2)
    m, n = (index.ravel() for index in np.indices((num, count)))
    gap_K = gap_m(
        others.center_X2[n] - ego.center_X2[m], ego.axis_X2[m], ego.half_X2, others.axis_X2[n], others.half_X2[n]
    )
    outline_MN = _outlines(ego.corners(), others.corners())
    return np.where(gap_K.reshape(num, count) <= 0.0, 0.0, outline_MN)


def boxes_to_ring(ego: Boxes, ring_C2: FloatArray) -> FloatArray:
    """Distances (M,) between boxes and a polygon; 0 where they touch or one contains the other."""
    touch_M = boxes_touch_ring(ego, ring_C2)
    _, inside_RM = points_inside(pack_polygons([ring_C2]), ego.center_X2)
    touch_M |= inside_RM.any(axis=0)
    return np.where(touch_M, 0.0, _outlines(ego.corners(), ring_C2[None])[:, 0])


def rings_near_line(ring_NC2: FloatArray, line_K2: FloatArray, reach_m: float) -> NDArray[np.bool_]:
    """Find which of N polygons of C corners touch a line widened by reach_m to both sides, with square ends."""
    start_K2, end_K2 = line_K2[:-1], line_K2[1:]
    caps = []
    for tip, back in ((line_K2[0], line_K2[1]), (line_K2[-1], line_K2[-2])):
        ahead = (tip - back) / max(float(np.hypot(*(tip - back))), 1e-12) * reach_m
        aside = np.asarray([-ahead[1], ahead[0]])
        caps.append(np.stack([tip + aside, tip + ahead + aside, tip + ahead - aside, tip - aside]))
    next_NC2 = np.roll(ring_NC2, -1, axis=1)
    corner_NCK = point_to_segment(ring_NC2[:, :, None], start_K2, end_K2)
    tip_NCK = point_to_segment(line_K2, ring_NC2[:, :, None], next_NC2[:, :, None])
    near_N = (corner_NCK.min(axis=(1, 2)) <= reach_m) | (tip_NCK.min(axis=(1, 2)) <= reach_m)
    near_N |= _edges_cross(ring_NC2, next_NC2, start_K2, end_K2)
    for cap_42 in caps:
        near_N |= _edges_cross(ring_NC2, next_NC2, cap_42, np.roll(cap_42, -1, axis=0))
        near_N |= _corners_in(ring_NC2, cap_42)
    return np.asarray(near_N | _holds_point(ring_NC2, next_NC2, line_K2[0]))


def _holds_point(start_NC2: FloatArray, end_NC2: FloatArray, point_2: FloatArray) -> NDArray[np.bool_]:
    """Find which rings, given by their edges, contain the point: an odd number of edges is to its right."""
    x, y = point_2
    spans_NC = (start_NC2[..., 1] > y) != (end_NC2[..., 1] > y)
    rise_NC = np.where(spans_NC, end_NC2[..., 1] - start_NC2[..., 1], 1.0)
    share_NC = (y - start_NC2[..., 1]) / rise_NC
    crossing_NC = start_NC2[..., 0] + share_NC * (end_NC2[..., 0] - start_NC2[..., 0])
    return np.asarray((spans_NC & (crossing_NC > x)).sum(axis=1) % 2 == 1)


def _edges_cross(
    start_NC2: FloatArray, end_NC2: FloatArray, start_K2: FloatArray, end_K2: FloatArray
) -> NDArray[np.bool_]:
    def side(from_2: FloatArray, to_2: FloatArray, point_2: FloatArray) -> FloatArray:
        step, away = to_2 - from_2, point_2 - from_2
        return np.asarray(step[..., 0] * away[..., 1] - step[..., 1] * away[..., 0])

    start_1, end_1 = start_NC2[:, :, None], end_NC2[:, :, None]
    splits = side(start_1, end_1, start_K2) * side(start_1, end_1, end_K2) <= 0.0
    splits &= side(start_K2, end_K2, start_1) * side(start_K2, end_K2, end_1) <= 0.0
    # Segments on one line are apart unless their extents meet.
    splits &= (np.minimum(start_1, end_1) <= np.maximum(start_K2, end_K2)).all(axis=-1)
    splits &= (np.maximum(start_1, end_1) >= np.minimum(start_K2, end_K2)).all(axis=-1)
    return np.asarray(splits.any(axis=(1, 2)))


def _corners_in(ring_NC2: FloatArray, cap_42: FloatArray) -> NDArray[np.bool_]:
    _, inside = points_inside(pack_polygons([cap_42]), ring_NC2.reshape(-1, 2))
    return np.asarray(inside.any(axis=0).reshape(ring_NC2.shape[:2]).any(axis=1))
