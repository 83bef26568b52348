"""Center line of a lanelet between two boundaries, as Lanelet2 derives it.

From the first points on, the shorter of two connections comes next: from the present right point to a later left point, or the
other way round; the center line goes through the middle of every connection (rule of ``LaneletData::centerline``,
``lanelet2_core/src/Lanelet.cpp``). Connections and center pieces that cross a boundary are not taken. Distances are horizontal.

L points of the left boundary, R of the right one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Point = tuple[float, float]

_TOUCH = 1e-9


class _Borders:
    """Segments of both boundaries, and the entry and exit, for the question whether a piece crosses them."""

    def __init__(self, left_L2: FloatArray, right_R2: FloatArray) -> None:
        self._begin_N2 = np.concatenate([left_L2[:-1], right_R2[:-1]])
        self._end_N2 = np.concatenate([left_L2[1:], right_R2[1:]])
        self._low_N2 = np.minimum(self._begin_N2, self._end_N2)
        self._high_N2 = np.maximum(self._begin_N2, self._end_N2)
        self._gates = ((right_R2[0], left_L2[0]), (left_L2[-1], right_R2[-1]))

    def _near(self, a_2: FloatArray, b_2: FloatArray) -> Iterator[tuple[Point, Point]]:
        """Yield the segments of the boundaries that cross a piece or touch it."""
        low_2, high_2 = np.minimum(a_2, b_2) - _TOUCH, np.maximum(a_2, b_2) + _TOUCH
        is_near_N = ((self._low_N2 <= high_2) & (self._high_N2 >= low_2)).all(axis=1)
        piece = _point(a_2), _point(b_2)
        for index in np.flatnonzero(is_near_N):
            segment = _point(self._begin_N2[index]), _point(self._end_N2[index])
            if crosses(segment, piece):
                yield segment

    def center_crosses(self, a_2: FloatArray, b_2: FloatArray) -> bool:
        """Whether a piece of the center line leaves the lanelet."""
        begin, end = _point(a_2), _point(b_2)
        if any(not _equal(segment[0], begin) for segment in self._near(a_2, b_2)):
            return True
        gates = [(_point(a), _point(b)) for a, b in self._gates]
        return any(crosses(gate, (begin, end)) and _side(gate, end) > 0.0 for gate in gates)

    def connection_crosses(self, a_2: FloatArray, b_2: FloatArray) -> bool:
        """Whether a connection of the boundaries passes through one of them elsewhere than at its own ends."""
        ends = _point(a_2), _point(b_2)
        return any(not any(_equal(p, q) for p in segment for q in ends) for segment in self._near(a_2, b_2))


def centerline(left_L3: FloatArray, right_R3: FloatArray) -> FloatArray:
    """Derive the center line.

    Args:
        left_L3: Left boundary in driving order, m.
        right_R3: Right boundary in driving order, m.

    Returns:
        Points (N, 3), from the middle of the first points to the middle of the last.
    """
    left_L2, right_R2 = left_L3[:, :2], right_R3[:, :2]
    borders = _Borders(left_L2, right_R2)
    left = 1 if _equal(_point(left_L2[0]), _point(right_R2[0])) else 0
    right = 0
    pairs = [(0, 0)]
    while True:
        last_2 = (left_L2[pairs[-1][0]] + right_R2[pairs[-1][1]]) / 2.0
        next_left = _nearest(left_L2, left + 1, right_R2[right], last_2, borders)
        next_right = _nearest(right_R2, right + 1, left_L2[left], last_2, borders)
        if next_left is None and next_right is None:
            break
        if next_right is None or (next_left is not None and next_left[1] <= next_right[1]):
            assert next_left is not None
            left = next_left[0]
        else:
            right = next_right[0]
        pairs.append((left, right))
    if (left, right) != (len(left_L3) - 1, len(right_R3) - 1):
        pairs.append((len(left_L3) - 1, len(right_R3) - 1))
    return np.asarray([(left_L3[i] + right_R3[j]) / 2.0 for i, j in pairs], dtype=np.float64)


def _nearest(
    line_N2: FloatArray, first: int, other_2: FloatArray, last_2: FloatArray, borders: _Borders
) -> tuple[int, float] | None:
    """Index and distance of the nearest later point of a line whose connection is allowed; None without one."""
    if first >= len(line_N2):
        return None
    distance_N = np.hypot(*(line_N2[first:] - other_2).T)
    for index in np.argsort(distance_N, kind="stable"):
        point_2 = line_N2[first + int(index)]
        middle_2 = (point_2 + other_2) / 2.0
        if not borders.center_crosses(last_2, middle_2) and not borders.connection_crosses(other_2, point_2):
            return first + int(index), float(distance_N[index])
    return None


def crosses(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two segments have a point in common; touching counts, lying on one line does not.

    Args:
        one: Ends of a segment, m.
        other: Ends of the other one, m.
    """
    if _equal(*other):
        return False
    side_a, side_b = _side(other, one[0]), _side(other, one[1])
    side_p, side_q = _side(one, other[0]), _side(one, other[1])
    is_collinear = side_a == 0.0 and side_b == 0.0
    return not is_collinear and side_a * side_b <= _TOUCH and side_p * side_q <= _TOUCH


def _point(xy_2: FloatArray) -> Point:
    return float(xy_2[0]), float(xy_2[1])


def _side(line: tuple[Point, Point], point: Point) -> float:
    """Positive if a point lies left of a line."""
    (ax, ay), (bx, by) = line
    return (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax)


def _equal(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < _TOUCH and abs(a[1] - b[1]) < _TOUCH
