"""Center line of a lanelet between two boundaries, as Lanelet2 derives it.

From the first points on, the shorter of two connections comes next: from the present right point to a later left point, or the
other way round; the center line goes through the middle of every connection (rule of ``LaneletData::centerline``,
``lanelet2_core/src/Lanelet.cpp``). Connections and center pieces that cross a boundary are not taken. Distances are horizontal.

Hardly any of the nearest connections crosses a boundary: several steps are taken at once, then checked together, and only
where one is not allowed its alternatives are looked for.

L points of the left boundary, R of the right one, S segments of both, P pieces. Points are (..., 2), m.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.integrations.autoware.lanelets.crossings import Borders, are_equal

FloatArray = NDArray[np.float64]
Place = tuple[int, int]
"""Index of a left and of a right point: a connection."""

_STEPS, _STEPS_AFTER_DETOUR = 64, 4
_ALTERNATIVES = 4


class _Walk:
    """The way along both boundaries.

    Args:
        left_L2: Left boundary.
        right_R2: Right boundary.
    """

    def __init__(self, left_L2: FloatArray, right_R2: FloatArray) -> None:
        self._left_L2, self._right_R2 = left_L2, right_R2
        self._borders = Borders(left_L2, right_R2)
        begins_in_a_point = bool(are_equal(left_L2[0], right_R2[0]))
        self._at: Place = (1 if begins_in_a_point else 0, 0)
        self.taken: list[Place] = [(0, 0)]

    def run(self) -> None:
        """Take all steps; ``taken`` holds the connections in driving order."""
        count = _STEPS
        while steps := self._nearest_steps(count):
            allowed_P = self._are_allowed([self.taken[-1], *(place for place, _ in steps[:-1])], steps)
            num = len(steps) if allowed_P.all() else int(np.argmin(allowed_P))
            self.taken += [place for place, _ in steps[:num]]
            self._at = self.taken[-1] if num else self._at
            count = min(2 * count, _STEPS)
            if num < len(steps):
                detour = self._detour()
                if detour is None:
                    break
                self._at, count = detour, _STEPS_AFTER_DETOUR
                self.taken.append(detour)
        ends = len(self._left_L2) - 1, len(self._right_R2) - 1
        if self._at != ends:
            self.taken.append(ends)

    def _nearest_steps(self, count: int) -> list[tuple[Place, bool]]:
        """The next connections without regard to crossings, each with whether it goes on to the left."""
        left, right = self._at
        to_right_L = _distances(self._left_L2, self._right_R2[right])
        to_left_R = _distances(self._right_R2, self._left_L2[left])
        found: list[tuple[Place, bool]] = []
        while len(found) < count:
            next_left, next_right = _nearest(to_right_L, left + 1), _nearest(to_left_R, right + 1)
            if next_left is None and next_right is None:
                break
            is_left = next_left is not None and (next_right is None or to_right_L[next_left] <= to_left_R[next_right])
            if is_left and next_left is not None:
                left = next_left
                to_left_R = _distances(self._right_R2, self._left_L2[left])
            elif next_right is not None:
                right = next_right
                to_right_L = _distances(self._left_L2, self._right_R2[right])
            found.append(((left, right), is_left))
        return found

    def _detour(self) -> Place | None:
        """The next connection where the nearest one is not allowed; None without an allowed one."""
        left, right = self._at
        next_left = self._nearest_allowed(
            [((index, right), True) for index in range(left + 1, len(self._left_L2))],
            _distances(self._left_L2, self._right_R2[right])[left + 1 :],
        )
        next_right = self._nearest_allowed(
            [((left, index), False) for index in range(right + 1, len(self._right_R2))],
            _distances(self._right_R2, self._left_L2[left])[right + 1 :],
        )
        if next_left is None or next_right is None:
            found = next_left or next_right
            return None if found is None else found[0]
        return next_left[0] if next_left[1] <= next_right[1] else next_right[0]

    def _nearest_allowed(
        self, choices: Sequence[tuple[Place, bool]], distance_P: FloatArray
    ) -> tuple[Place, float] | None:
        """The shortest of some connections that is allowed, and its length."""
        order_P = np.argsort(distance_P, kind="stable")
        begin, num = 0, _ALTERNATIVES
        while begin < len(order_P):
            some = order_P[begin : begin + num]
            allowed_P = self._are_allowed([self.taken[-1]] * len(some), [choices[index] for index in some])
            if allowed_P.any():
                first = int(some[np.argmax(allowed_P)])
                return choices[first][0], float(distance_P[first])
            begin, num = begin + num, 2 * num
        return None

    def _are_allowed(self, before: Sequence[Place], steps: Sequence[tuple[Place, bool]]) -> NDArray[np.bool_]:
        """Whether neither a connection nor the piece of the center line to its middle crosses a boundary (P,)."""
        left_P2, right_P2 = self._ends(place for place, _ in steps)
        is_left_P1 = np.asarray([is_left for _, is_left in steps], dtype=np.bool_)[:, None]
        other_P2, point_P2 = np.where(is_left_P1, right_P2, left_P2), np.where(is_left_P1, left_P2, right_P2)
        last_left_P2, last_right_P2 = self._ends(before)
        last_P2 = (last_left_P2 + last_right_P2) / 2.0
        return self._borders.are_free(last_P2, (point_P2 + other_P2) / 2.0, other_P2, point_P2)

    def _ends(self, places: Iterable[Place]) -> tuple[FloatArray, FloatArray]:
        left_P, right_P = np.asarray(list(places)).T
        return self._left_L2[left_P], self._right_R2[right_P]


def centerline(left_L3: FloatArray, right_R3: FloatArray) -> FloatArray:
    """Derive the center line.

    Args:
        left_L3: Left boundary in driving order, m.
        right_R3: Right boundary in driving order, m.

    Returns:
        Points (N, 3), from the middle of the first points to the middle of the last.
    """
    walk = _Walk(left_L3[:, :2], right_R3[:, :2])
    walk.run()
    left_N, right_N = np.asarray(walk.taken).T
    return np.asarray((left_L3[left_N] + right_R3[right_N]) / 2.0, dtype=np.float64)


def _distances(line_N2: FloatArray, point_2: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(line_N2[:, 0] - point_2[0], line_N2[:, 1] - point_2[1]))


def _nearest(distance_N: FloatArray, first: int) -> int | None:
    """Index of the smallest distance from an index on."""
    return None if first >= len(distance_N) else first + int(distance_N[first:].argmin())
