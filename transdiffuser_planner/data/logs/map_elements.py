"""The road of a recorded drive: lanes with their neighbors, and the pieces that messages hold. K points, C corners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.geometry import arc_length, resample_polyline, wrap_angle

FloatArray = NDArray[np.float64]
MapPiece = tuple[int, FloatArray]
"""Kind as in transdiffuser_msgs/MapPolygon, and vertices (x, y) (C, 2)."""

CENTER_SPACING_M: Final = 2.0
SAME_WAY: Final = 0.5
"""Cosine between the directions of two lanes above which they run the same way."""


class PieceKind(IntEnum):
    """Kinds of pieces; numbers as in transdiffuser_msgs/MapPolygon."""

    DRIVING_LANE = 0
    JUNCTION = 1
    LANE_CENTER = 2
    SIDEWALK = 3
    CROSSING = 4
    STOP_LINE = 5
    BUILDING = 6
    DRIVABLE_AREA = 7


class LaneUse(IntEnum):
    """Users of a lane."""

    CARS = 0
    BUSES = 1
    BICYCLES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class MapLane:
    """One lane of a recorded map, in the odometry's frame, m; lines run in driving order.

    Attributes:
        number: Its number, unique in the drive.
        use: Users of the lane.
        center_K2: Center line.
        left_B2, right_B2: Borders as seen in driving order; None where the map has none.
        area_C2: Its area, where the map states it; else it lies between the borders.
        is_in_junction: Whether it leads through a junction.
        successors, predecessors: Lanes it leads to and comes from; they need not be part of the map.
        left, right: The lane next to it that runs the same way, if any.
        speed_limit_mps: None if the map states none.
    """

    number: int
    use: LaneUse
    center_K2: FloatArray
    left_B2: FloatArray | None = None
    right_B2: FloatArray | None = None
    area_C2: FloatArray | None = None
    is_in_junction: bool = False
    successors: tuple[int, ...] = ()
    predecessors: tuple[int, ...] = ()
    left: int | None = None
    right: int | None = None
    speed_limit_mps: float | None = None

    @property
    def outline_C2(self) -> FloatArray | None:
        """The area; None where the map states neither area nor borders."""
        if self.area_C2 is not None:
            return self.area_C2
        if self.left_B2 is None or self.right_B2 is None:
            return None
        return np.concatenate([self.left_B2, self.right_B2[::-1]])


def center_line(left_B2: FloatArray, right_B2: FloatArray) -> FloatArray:
    """Return the line halfway between two borders: points at equal shares of their lengths.

    Args:
        left_B2: Left border, m.
        right_B2: Right border, in the same order.

    Returns:
        Center line (K, 2), about every 2 m, at least 10 points.
    """
    length_m = max(arc_length(left_B2)[-1], arc_length(right_B2)[-1])
    share_K = np.linspace(0.0, 1.0, max(10, round(float(length_m) / CENTER_SPACING_M) + 1))
    sides = [resample_polyline(line, share_K * arc_length(line)[-1]) for line in (left_B2, right_B2)]
    return np.asarray((sides[0] + sides[1]) / 2.0)


def borders_of(center_K2: FloatArray, left_m_K: ArrayLike, right_m_K: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return left and right border (K, 2) of a lane by their distances from its center line.

    Args:
        center_K2: Center line in driving order, m, without repeated points.
        left_m_K: Distance of the left border at each point, m, or one for all.
        right_m_K: Distance of the right border.
    """
    step_K2 = np.gradient(center_K2, axis=0)
    across_K2 = np.stack([-step_K2[:, 1], step_K2[:, 0]], axis=-1)
    across_K2 /= np.maximum(np.hypot(*step_K2.T), 1e-9)[:, None]
    left_m, right_m = (np.broadcast_to(np.asarray(m, dtype=np.float64), len(center_K2)) for m in (left_m_K, right_m_K))
    return np.asarray(center_K2 + left_m[:, None] * across_K2), np.asarray(center_K2 - right_m[:, None] * across_K2)


def connected_by_ends(lanes: Sequence[MapLane], gap_m: float, turn_rad: float) -> dict[int, tuple[int, ...]]:
    """Return the lanes that begin where a lane ends and run on in its direction, for maps that do not state successors.

    Args:
        lanes: All lanes of a map.
        gap_m: Largest distance between end and begin, m.
        turn_rad: Largest change of direction there, rad.
    """
    if not lanes:
        return {}
    begin_L2 = np.stack([lane.center_K2[0] for lane in lanes])
    begin_rad_L = np.asarray([_direction_rad(lane.center_K2[:2]) for lane in lanes])
    found = {}
    for lane in lanes:
        near_L = np.hypot(*(begin_L2 - lane.center_K2[-1]).T) < gap_m
        near_L &= np.abs(wrap_angle(begin_rad_L - _direction_rad(lane.center_K2[-2:]))) < turn_rad
        numbers = (lanes[index].number for index in np.flatnonzero(near_L).tolist())
        found[lane.number] = tuple(number for number in numbers if number != lane.number)
    return found


def _direction_rad(line_22: FloatArray) -> float:
    return float(np.arctan2(*(line_22[-1] - line_22[0])[::-1]))


def run_the_same_way(one_K2: FloatArray, other_K2: FloatArray) -> bool:
    """Whether two lines run roughly the same way, by the directions from their begin to their end.

    Args:
        one_K2: A line, m.
        other_K2: Another line.
    """
    first_2, second_2 = one_K2[-1] - one_K2[0], other_K2[-1] - other_K2[0]
    size = max(float(np.hypot(*first_2) * np.hypot(*second_2)), 1e-9)
    return bool(first_2 @ second_2 / size > SAME_WAY)


def lane_pieces(lanes: Iterable[MapLane]) -> Iterator[MapPiece]:
    """Yield what messages hold of lanes: areas of lanes outside and inside of junctions, and center lines.

    Args:
        lanes: All lanes of a map; bicycle lanes are left out, as cars do not drive there.

    Yields:
        Pieces in the order of the lanes.
    """
    for lane in lanes:
        if lane.use is LaneUse.BICYCLES:
            continue
        outline_C2 = lane.outline_C2
        if outline_C2 is not None:
            yield int(PieceKind.JUNCTION if lane.is_in_junction else PieceKind.DRIVING_LANE), outline_C2
        yield int(PieceKind.LANE_CENTER), lane.center_K2


def same_way_neighbors(lanes: Sequence[MapLane]) -> dict[int, tuple[int | None, int | None]]:
    """Left and right neighbor of each lane, without those that run the other way or are not part of the map.

    Args:
        lanes: All lanes of a map, with any neighbors.
    """
    by_number = {lane.number: lane for lane in lanes}

    def kept(lane: MapLane, other: int | None) -> int | None:
        near = None if other is None else by_number.get(other)
        return other if near is not None and run_the_same_way(lane.center_K2, near.center_K2) else None

    return {lane.number: (kept(lane, lane.left), kept(lane, lane.right)) for lane in lanes}
