"""Static elements of a road map: lanes, traffic light heads and buildings, in the map frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


OPENDRIVE_TYPE = "opendrive"
"""Type of the edges of networks from OpenDRIVE; their lanes are drawn by neighbor and not by index."""
OPENDRIVE_HEAD = "opendrive_head_"
"""Start of the parameter of a traffic light that holds the position of the head of a link in the file: "x y", m."""


class LaneKind(IntEnum):
    """Users of a lane."""

    DRIVING = 0
    BICYCLE = 1
    SIDEWALK = 2
    CROSSING = 3
    PAVED = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """One lane.

    Attributes:
        lane_id: SUMO's id of the lane.
        kind: Users of the lane.
        center_N2: Center line in driving order, map frame, m.
        width_m: Constant along the lane.
        internal: Whether the lane is inside a junction.
        has_left_neighbor: Whether a lane for cars is to the left in the same direction.
        has_signal: Whether a traffic light controls the lane's end.
        at_right_edge: Whether the right edge of the road is marked along the lane, and buildings stand along it.
        verge_m: Width of shoulders, parking and sidewalks on its right, which buildings keep free.
    """

    lane_id: str
    kind: LaneKind
    center_N2: FloatArray
    width_m: float
    internal: bool
    has_left_neighbor: bool
    has_signal: bool
    at_right_edge: bool = False
    verge_m: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Marking:
    """A painted line that does not follow from a lane's center and width.

    Attributes:
        line_K2: Map frame, m.
        half_width_m: Of the paint.
        is_broken: Whether it is a row of dashes.
    """

    line_K2: FloatArray
    half_width_m: float
    is_broken: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalHead:
    """Traffic light head for one incoming lane: three lamps in a column.

    Attributes:
        signal_id, link: SUMO's traffic light and link whose state it shows.
        x_m, y_m, z_m: Center of the middle lamp in the map frame.
        facing_rad: Direction in which the lamps shine, towards the waiting traffic.
        lamp_m: Edge length of a lamp.
        pole: Whether the head is mounted on a pole at the roadside; otherwise it hangs above the road.
    """

    signal_id: str
    link: int
    x_m: float
    y_m: float
    z_m: float
    facing_rad: float
    lamp_m: float
    pole: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Building:
    """A box-shaped building.

    Attributes:
        corners_42: Counter-clockwise, map frame, m.
        height_m: Above the ground.
        style: Number that selects the colors.
    """

    corners_42: FloatArray
    height_m: float
    style: int
