"""Elements of an OpenDRIVE file that a road network needs: roads with lanes and links, signals, crosswalks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.reference_line import Geometry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneRecord:
    """One lane of a lane section.

    Attributes:
        number: Negative right of the reference line, positive left of it.
        kind: OpenDRIVE's type: driving, sidewalk, shoulder and so on.
        width_K5: Cubic pieces (start along the road, a, b, c, d), m.
        predecessor, successor: Numbers of the linked lanes; None without a link.
        speed_mps: Limit of the lane itself, if any.
    """

    number: int
    kind: str
    width_K5: FloatArray
    predecessor: int | None
    successor: int | None
    speed_mps: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSection:
    """Part of a road with a constant number of lanes.

    Attributes:
        start_m, end_m: Along the road.
        lanes: By number; the center lane 0 is left out.
    """

    start_m: float
    end_m: float
    lanes: dict[int, LaneRecord]


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """Neighbor of a road.

    Attributes:
        kind: "road" or "junction".
        element: Id of the road or junction.
        at_start: Whether the neighbor is met at its start; for roads only.
    """

    kind: str
    element: str
    at_start: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalRecord:
    """Traffic light or sign, or the reference of a road to one.

    Attributes:
        signal: Its id.
        s_m, t_m: Along the road and to the left of its reference line.
        is_reference: Whether another road has the position.
        is_dynamic: Whether it is a traffic light; unknown for references.
        orientation: "+" for traffic along the road, "-" for traffic against it, else both.
        from_lane, to_lane: Range of lanes for which it is valid; 0, 0 for none.
    """

    signal: str
    s_m: float
    t_m: float
    is_reference: bool
    is_dynamic: bool
    orientation: str
    from_lane: int
    to_lane: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectRecord:
    """Crosswalk or stop line.

    Attributes:
        kind: "crosswalk" or "stop line".
        s_m, t_m: Along the road and to the left of its reference line.
        heading_rad: Of its length axis relative to the road.
        length_m, width_m: Of the box.
    """

    kind: str
    s_m: float
    t_m: float
    heading_rad: float
    length_m: float
    width_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Road:
    """One road.

    Attributes:
        road: Its id.
        junction: Id of the junction that it is inside of; "" for none.
        length_m: Along the reference line.
        line: Its reference line.
        offset_K5: Lateral offset of the lanes, cubic pieces, m.
        elevation_K5: Height, cubic pieces, m.
        sections: Ascending.
        predecessor, successor: Neighbors at start and end.
        speed_mps: Limit of the road's first type record; None without one.
        signals, objects: On the road.
    """

    road: str
    junction: str
    length_m: float
    line: tuple[Geometry, ...]
    offset_K5: FloatArray
    elevation_K5: FloatArray
    sections: tuple[LaneSection, ...]
    predecessor: Link | None
    successor: Link | None
    speed_mps: float | None
    signals: tuple[SignalRecord, ...]
    objects: tuple[ObjectRecord, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RoadFile:
    """An OpenDRIVE file.

    Attributes:
        roads: By id.
        controllers: Ids of the controllers of each junction, in order of their sequence.
        controller_of: Controller by signal.
    """

    roads: dict[str, Road]
    controllers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    controller_of: dict[str, str] = field(default_factory=dict)


def is_driving(lane: LaneRecord) -> bool:
    """Return whether cars drive on a lane.

    Args:
        lane: Of any kind.
    """
    return lane.kind in ("driving", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "slipLane")


def has_driving_lane(road: Road) -> bool:
    """Return whether cars drive anywhere on a road.

    Args:
        road: Of the file.
    """
    return any(is_driving(lane) for section in road.sections for lane in section.lanes.values())
