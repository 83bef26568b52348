"""Whether pieces of a lanelet's center line, and the connections they come from, cross its boundaries.

S segments of both boundaries, P pieces. Points are (..., 2), m.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_TOUCH = 1e-9


class Borders:
    """Segments of both boundaries, and the entry and exit.

    Args:
        left_L2: Left boundary in driving order.
        right_R2: Right boundary in driving order.
    """

    def __init__(self, left_L2: FloatArray, right_R2: FloatArray) -> None:
        self._begin_S2 = np.concatenate([left_L2[:-1], right_R2[:-1]])
        self._end_S2 = np.concatenate([left_L2[1:], right_R2[1:]])
        self._low_S2 = np.minimum(self._begin_S2, self._end_S2)
        self._high_S2 = np.maximum(self._begin_S2, self._end_S2)
        self._gates = ((right_R2[0], left_L2[0]), (left_L2[-1], right_R2[-1]))

    def are_free(
        self, last_P2: FloatArray, middle_P2: FloatArray, other_P2: FloatArray, point_P2: FloatArray
    ) -> BoolArray:
        """Whether steps along the center line stay within the lanelet (P,).

        Args:
            last_P2: Points of the center line that the steps begin at.
            middle_P2: Points that they lead to, the middles of connections.
            other_P2: Points of one boundary that the connections begin at.
            point_P2: Points of the other boundary that they lead to.
        """
        free_P = np.ones(len(last_P2), dtype=np.bool_)
        piece, segment = self._crossed(last_P2, middle_P2)
        free_P[piece[~are_equal(self._begin_S2[segment], last_P2[piece])]] = False
        for begin_2, end_2 in self._gates:
            leaves_P = do_cross(begin_2, end_2, last_P2, middle_P2) & (_side(begin_2, end_2, middle_P2) > 0.0)
            free_P &= ~leaves_P
        piece, segment = self._crossed(other_P2, point_P2)
        is_own = np.zeros(len(piece), dtype=np.bool_)
        for corner_S2 in (self._begin_S2, self._end_S2):
            for end_P2 in (other_P2, point_P2):
                is_own |= are_equal(corner_S2[segment], end_P2[piece])
        free_P[piece[~is_own]] = False
        return free_P

    def _crossed(self, begin_P2: FloatArray, end_P2: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of a piece and a segment of the boundaries that cross or touch."""
        low_P2, high_P2 = np.minimum(begin_P2, end_P2) - _TOUCH, np.maximum(begin_P2, end_P2) + _TOUCH
        is_near_PS = np.ones((len(begin_P2), len(self._low_S2)), dtype=np.bool_)
        for axis in (0, 1):
            is_near_PS &= self._low_S2[:, axis] <= high_P2[:, axis, None]
            is_near_PS &= self._high_S2[:, axis] >= low_P2[:, axis, None]
        piece, segment = np.nonzero(is_near_PS)
        cross = do_cross(self._begin_S2[segment], self._end_S2[segment], begin_P2[piece], end_P2[piece])
        return piece[cross], segment[cross]


def do_cross(one_begin_X2: FloatArray, one_end_X2: FloatArray, begin_X2: FloatArray, end_X2: FloatArray) -> BoolArray:
    """Whether two segments each have a point in common; touching counts, lying on one line does not.

    Args:
        one_begin_X2: Begins of the one.
        one_end_X2: Ends of the one.
        begin_X2: Begins of the other; nothing crosses a segment without length.
        end_X2: Ends of the other.
    """
    side_a, side_b = _side(begin_X2, end_X2, one_begin_X2), _side(begin_X2, end_X2, one_end_X2)
    side_p, side_q = _side(one_begin_X2, one_end_X2, begin_X2), _side(one_begin_X2, one_end_X2, end_X2)
    is_collinear = (side_a == 0.0) & (side_b == 0.0)
    meet = (side_a * side_b <= _TOUCH) & (side_p * side_q <= _TOUCH)
    return np.asarray(meet & ~is_collinear & ~are_equal(begin_X2, end_X2))


def are_equal(a_X2: FloatArray, b_X2: FloatArray) -> BoolArray:
    """Whether points are the same.

    Args:
        a_X2: Points.
        b_X2: Other points.
    """
    return np.asarray((np.abs(a_X2 - b_X2) < _TOUCH).all(axis=-1))


def _side(begin_X2: FloatArray, end_X2: FloatArray, point_X2: FloatArray) -> FloatArray:
    """Positive where points lie left of lines."""
    along_X2, away_X2 = end_X2 - begin_X2, point_X2 - begin_X2
    return np.asarray(along_X2[..., 0] * away_X2[..., 1] - along_X2[..., 1] * away_X2[..., 0])
