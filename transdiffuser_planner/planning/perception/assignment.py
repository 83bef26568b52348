"""Pairs tracks with detections at the least total distance.

Shortest augmenting paths (Crouse 2016), as in SciPy, whose module takes longer to import than all of the planner: a node
would plan half a second later for a matrix of ten by ten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def nearest_pairs(distance_TD: FloatArray, gate_m: float) -> dict[int, int]:
    """Pair each of T tracks with at most one of D detections.

    The sum of distances is least, where a track or detection without a partner counts as two gates.

    Args:
        distance_TD: Distances in meters.
        gate_m: No pair is farther apart.

    Returns:
        Track -> detection.
    """
    limit_m = 2.0 * gate_m
    near_TD = distance_TD < limit_m
    # Most tracks are near one detection, which is near no other track: nothing is to be decided there.
    alone_TD = near_TD & (near_TD.sum(axis=1) == 1)[:, None] & (near_TD.sum(axis=0) == 1)
    pairs = list(zip(*(index.tolist() for index in np.nonzero(alone_TD)), strict=True))
    near_TD &= ~alone_TD
    tracks, detections = np.flatnonzero(near_TD.any(axis=1)), np.flatnonzero(near_TD.any(axis=0))
    if len(tracks):
        cost = np.minimum(distance_TD[tracks[:, None], detections], limit_m)
        is_wide = len(tracks) <= len(detections)
        columns = assign(cost if is_wide else cost.T)
        rows = np.arange(len(columns))
        chosen = (tracks[rows], detections[columns]) if is_wide else (tracks[columns], detections[rows])
        pairs += zip(*(index.tolist() for index in chosen), strict=True)
    return {track: detection for track, detection in sorted(pairs) if distance_TD[track, detection] <= gate_m}


def assign(cost_RC: FloatArray) -> NDArray[np.intp]:
    """Solve the linear assignment problem.

    Args:
        cost_RC: Finite costs of R rows and C columns, R at most C.

    Returns:
        A column of its own for every row, with the least sum of costs.
    """
    rows, columns = cost_RC.shape
    row_dual, column_dual = np.zeros(rows), np.zeros(columns)
    row_of, column_of = np.full(columns, -1, dtype=np.intp), np.full(rows, -1, dtype=np.intp)
    for start in range(rows):
        shortest, before = np.full(columns, np.inf), np.full(columns, -1, dtype=np.intp)
        is_open = np.ones(columns, dtype=np.bool_)
        reached, row, length = [start], start, 0.0
        while True:
            via = length + cost_RC[row] - row_dual[row] - column_dual
            better = is_open & (via < shortest)
            shortest[better], before[better] = via[better], row
            column = int(np.where(is_open, shortest, np.inf).argmin())
            length, is_open[column] = float(shortest[column]), False
            if row_of[column] < 0:
                break
            row = int(row_of[column])
            reached.append(row)
        row_dual[start] += length
        row_dual[reached[1:]] += length - shortest[column_of[reached[1:]]]
        column_dual[~is_open] -= length - shortest[~is_open]
        row = -1
        while row != start:
            row = int(before[column])
            row_of[column] = row
            column, column_of[row] = int(column_of[row]), column
    return column_of
