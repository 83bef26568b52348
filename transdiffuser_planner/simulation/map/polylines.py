"""Polylines of the map: parallel lines, repeated points removed, points at equal distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def offset_line(xy_N2: FloatArray, left_m: float) -> FloatArray:
    """Return a polyline moved sideways by left_m (positive to the left), mitered at its corners.

    Args:
        xy_N2: Polyline, m.
        left_m: Offset, positive to the left.
    """
    edge = np.diff(xy_N2, axis=0)
    normal = np.stack([-edge[:, 1], edge[:, 0]], axis=-1) / np.maximum(np.hypot(*edge.T), 1e-9)[:, None]
    before, after = np.vstack([normal[:1], normal]), np.vstack([normal, normal[-1:]])
    bisector = before + after
    scale = 2.0 / np.maximum((bisector**2).sum(axis=1), 0.5)
    return np.asarray(xy_N2 + left_m * bisector * scale[:, None])


def without_repeats(shape: Any) -> FloatArray:
    """Return the points (N, 2) of a SUMO shape without repeated ones; fewer than 2 when degenerate.

    Args:
        shape: Points of a SUMO element, map frame, m.
    """
    xy = np.asarray([point[:2] for point in shape], dtype=np.float64).reshape(-1, 2)
    if len(xy) < 2:
        return xy
    step = np.hypot(*np.diff(xy, axis=0).T)
    return np.asarray(xy[np.concatenate([[True], step > 0.02])])


def densify(xy_N2: FloatArray, step_m: float = 3.0) -> FloatArray:
    """Return points (N, 2) every step_m along a polyline, ends included.

    Args:
        xy_N2: Polyline, m.
        step_m: Distance of the points along the line.
    """
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy_N2, axis=0).T))])
    at = np.append(np.arange(0.0, s[-1], step_m), s[-1])
    return np.stack([np.interp(at, s, xy_N2[:, 0]), np.interp(at, s, xy_N2[:, 1])], axis=-1)
