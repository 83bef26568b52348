"""EP, ego progress: distance along the center line, relative to the better of the plan and PDM-Closed's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MIN_BEST_M = 5.0
"""If the better one does not exceed this, the progress of all plans is full."""


def distances_to_segments(
    start_K2: FloatArray, step_K2: FloatArray, point_Q2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Distances of Q points to K segments, and positions of the nearest points on the segments.

    Args:
        start_K2: Start of each segment.
        step_K2: Vector from the start to the end of each segment.
        point_Q2: The points.

    Returns:
        Distances (Q, K) and shares 0 to 1 of the segments' lengths (Q, K).
    """
    step_x, step_y = step_K2[:, 0], step_K2[:, 1]
    length_2 = step_x * step_x + step_y * step_y
    safe_2 = np.where(length_2 > 0.0, length_2, 1.0)
    away_x = point_Q2[:, None, 0] - start_K2[:, 0]
    away_y = point_Q2[:, None, 1] - start_K2[:, 1]
    share_QK = (away_x * step_x + away_y * step_y) / safe_2
    # As in GEOS: exact at the ends, so that two segments are equally near to a point beyond their common corner.
    end_x = point_Q2[:, None, 0] - (start_K2[:, 0] + step_x)
    end_y = point_Q2[:, None, 1] - (start_K2[:, 1] + step_y)
    perpendicular_QK = np.abs(away_x * step_y - away_y * step_x) / safe_2 * np.sqrt(length_2)
    to_start_QK = np.sqrt(away_x * away_x + away_y * away_y)
    to_end_QK = np.sqrt(end_x * end_x + end_y * end_y)
    distance_QK = np.where(share_QK <= 0.0, to_start_QK, np.where(share_QK >= 1.0, to_end_QK, perpendicular_QK))
    return distance_QK, np.asarray(np.clip(share_QK, 0.0, 1.0))


def position_along(line_K2: FloatArray, point_Q2: FloatArray) -> FloatArray:
    """Distance along the line (Q,) of its points nearest to the given ones, meters; the first of equals."""
    step_K2 = np.diff(line_K2, axis=0)
    distance_QK, share_QK = distances_to_segments(line_K2[:-1], step_K2, point_Q2)
    length_K = np.sqrt(step_K2[:, 0] ** 2 + step_K2[:, 1] ** 2)
    before_K = np.concatenate([[0.0], np.cumsum(length_K)[:-1]])
    best_Q = distance_QK.argmin(axis=1)
    return np.asarray(before_K[best_Q] + share_QK[np.arange(len(point_Q2)), best_Q] * length_K[best_Q])


def raw_progress_m(line_K2: FloatArray, center_MS2: FloatArray) -> FloatArray:
    """Distance (M,) along the line in meters between the first and the last center of each plan's box, never negative."""
    ends = np.concatenate([center_MS2[:1, 0], center_MS2[:, -1]])
    along = position_along(line_K2, ends)
    return np.asarray(np.clip(along[1:] - along[0], 0.0, None))


def share_of_best_v1(raw_M: FloatArray, product_M: FloatArray, best_M: FloatArray) -> FloatArray:
    """EP of PDMS: 0 for a plan whose product of hard rules is 0.

    Args:
        raw_M: Progress of each plan, meters.
        product_M: Product of its hard rules.
        best_M: Largest progress times product among the compared plans, including its own.
    """
    enough_M = best_M > MIN_BEST_M
    otherwise_M = np.where(product_M == 0.0, 0.0, 1.0)
    return np.asarray(np.where(enough_M, raw_M * product_M / np.where(enough_M, best_M, 1.0), otherwise_M))


def share_of_best_v2(raw_M: FloatArray, best_M: FloatArray) -> FloatArray:
    """EP of EPDMS: as in PDMS, but without the plan's own hard rules."""
    enough_M = best_M > MIN_BEST_M
    return np.where(enough_M, np.clip(raw_M / np.where(enough_M, best_M, 1.0), 0.0, 1.0), 1.0)
