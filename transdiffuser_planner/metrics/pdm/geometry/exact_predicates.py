"""Orientation signs that are exact even when three points are almost on a line.

Touching boxes count as a collision and a corner exactly on a lane's edge is outside of it, so the sign of a cross product
decides scores. Floating point gives it with an error bound; the few cases within the bound are recomputed in fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ERROR_BOUND = 3.3306690738754716e-16
"""Error of the cross product of differences, relative to the sum of its two terms' sizes (Shewchuk 1997, (3 + 16 eps) eps)."""

Point = Sequence[float]


def orientation(start: Point, end: Point, point: Point) -> int:
    """1 if the point lies left of the line from start to end, -1 if right, 0 if exactly on it."""
    left = (start[0] - point[0]) * (end[1] - point[1])
    right = (start[1] - point[1]) * (end[0] - point[0])
    difference = left - right
    if left * right > 0.0 and abs(difference) < ERROR_BOUND * abs(left + right):
        x, y = Fraction(float(point[0])), Fraction(float(point[1]))
        exact = (Fraction(float(start[0])) - x) * (Fraction(float(end[1])) - y)
        exact -= (Fraction(float(start[1])) - y) * (Fraction(float(end[0])) - x)
        return (exact > 0) - (exact < 0)
    return (difference > 0.0) - (difference < 0.0)


def orientations(start_K2: FloatArray, end_K2: FloatArray, point_K2: FloatArray) -> IntArray:
    """`orientation` for K triples."""
    to_start, to_end = start_K2 - point_K2, end_K2 - point_K2
    left, right = to_start[:, 0] * to_end[:, 1], to_start[:, 1] * to_end[:, 0]
    difference = left - right
    sign = np.sign(difference).astype(np.int64)
    for k in np.flatnonzero((left * right > 0.0) & (np.abs(difference) < ERROR_BOUND * np.abs(left + right))):
        sign[k] = orientation(start_K2[k].tolist(), end_K2[k].tolist(), point_K2[k].tolist())
    return sign


def _separates(polygon: Sequence[Point], other: Sequence[Point], limit: int) -> bool:
    """Check whether the line through one edge of the polygon has all of the other shape outside.

    Args:
        polygon: Corners, counter-clockwise.
        other: Corners of the other shape.
        limit: 1 if points on the line count as outside, else 0.
    """
    for index, start in enumerate(polygon):
        end = polygon[(index + 1) % len(polygon)]
        if all(orientation(start, end, point) < limit for point in other):
            return True
    return False


def convex_touch(one: Sequence[Point], other: Sequence[Point]) -> bool:
    """Check whether two convex shapes have at least one point in common, borders included.

    Args:
        one: Corners, counter-clockwise; two corners are a line segment.
        other: Corners of the other shape.
    """
    return not _separates(one, other, 0) and not _separates(other, one, 0)


def convex_cross(one: Sequence[Point], other: Sequence[Point]) -> bool:
    """Check whether two convex shapes have more than their borders in common."""
    return not _separates(one, other, 1) and not _separates(other, one, 1)
