"""Streets of a network from OpenDRIVE: one edge per direction of a lane section, lanes from the right, and its nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.lane_lines import LanePlace, lane_line, simplified
from transdiffuser_planner.simulation.map.opendrive.road_records import (
    LaneRecord,
    Link,
    Road,
    RoadFile,
    has_driving_lane,
    is_driving,
)

FloatArray = NDArray[np.float64]

CAR, WALK, BICYCLE, PAVED = "car", "walk", "bicycle", "paved"
MIN_WIDTH_M = {CAR: 1.5, WALK: 0.8, BICYCLE: 0.8, PAVED: 0.3}
MAX_SIDEWALK_M = 6.0
"""Of wider ones, such as squares, the strip along the road is kept."""
DEFAULT_SPEED_MPS = 50.0 / 3.6


@dataclass(frozen=True, kw_only=True, slots=True)
class NetLane:
    """One lane of an edge.

    Attributes:
        place: In the file.
        use: CAR, WALK, BICYCLE, or PAVED: shoulders, parking and medians, for emergency vehicles only.
        line_N2: Center line in driving order, m.
        width_m: Median along the lane.
        speed_mps: Limit.
    """

    place: LanePlace
    use: str
    line_N2: FloatArray
    width_m: float
    speed_mps: float


@dataclass(frozen=True, kw_only=True, slots=True)
class NetEdge:
    """One direction of a lane section.

    Attributes:
        edge: Its id; the other direction's begins with "-".
        start, end: Ids of its nodes.
        lanes: From the right.
    """

    edge: str
    start: str
    end: str
    lanes: tuple[NetLane, ...]

    def car_lines(self) -> list[FloatArray]:
        """Return the center lines of its lanes for cars; of all lanes where it has none."""
        return [lane.line_N2 for lane in self.lanes if lane.use == CAR] or [lane.line_N2 for lane in self.lanes]


@dataclass(kw_only=True, slots=True)
class NetEdges:
    """All edges of a network.

    Attributes:
        edges: By id.
        at: Edge and lane index of each lane for cars, by its place in the file.
    """

    edges: dict[str, NetEdge] = field(default_factory=dict)
    at: dict[LanePlace, tuple[str, int]] = field(default_factory=dict)

    def add(self, edge: NetEdge) -> None:
        """Append an edge.

        Args:
            edge: With an id that is new.
        """
        self.edges[edge.edge] = edge
        for index, lane in enumerate(edge.lanes):
            if lane.use == CAR:
                self.at[lane.place] = (edge.edge, index)


def network_edges(roads: RoadFile, left_out: frozenset[str], speed_cap_mps: float | None) -> NetEdges:
    """Convert all roads outside of junctions.

    Args:
        roads: The file.
        left_out: Ids of roads to skip.
        speed_cap_mps: Largest limit; None keeps the file's.
    """
    found = NetEdges()
    for road in roads.roads.values():
        if road.junction or road.road in left_out or not has_driving_lane(road):
            continue
        for section in range(len(road.sections)):
            if road.sections[section].end_m - road.sections[section].start_m < 0.01:
                continue
            for side in (-1, 1):
                lanes = _lanes(roads, road, section, side, speed_cap_mps)
                if lanes:
                    nodes = [_node(roads, road, section, at_start=at_start) for at_start in (side < 0, side > 0)]
                    name = f"{'-' if side > 0 else ''}r{road.road}.{section}"
                    found.add(NetEdge(edge=name, start=nodes[0], end=nodes[1], lanes=lanes))
    return found


def use_of(lane: LaneRecord) -> str | None:
    """Return the users of a lane, or None when it is no part of the network.

    Args:
        lane: Of the file.
    """
    if is_driving(lane):
        return CAR
    uses = {"sidewalk": WALK, "walking": WALK, "biking": BICYCLE}
    paved = ("shoulder", "parking", "bidirectional", "stop", "border", "restricted", "bus", "taxi", "HOV")
    return uses.get(lane.kind, PAVED if lane.kind in paved else None)


def _lanes(roads: RoadFile, road: Road, section: int, side: int, cap_mps: float | None) -> tuple[NetLane, ...]:
    """Return the lanes of one direction from the right; empty without traffic in it."""
    records = road.sections[section].lanes
    own = [number for number in sorted(records, key=abs, reverse=True) if number * side > 0]
    lanes = [lane for number in own if (lane := _lane(roads, road, section, number, cap_mps))]
    uses = [lane.use for lane in lanes]
    if not set(uses) & {CAR, WALK}:
        return ()
    # Pavement outside of the sidewalk is cut off: pedestrians need the rightmost lane.
    outside = uses.index(WALK) if WALK in uses else 0
    lanes = lanes[outside:] if set(uses[:outside]) <= {PAVED} else lanes
    lanes = [lane for index, lane in enumerate(lanes) if lane.use != WALK or index == 0]
    if CAR not in uses:
        return tuple(lanes[:1])
    other = [number for number in sorted(records, key=abs) if number * side < 0]
    if not any(use_of(records[number]) in (CAR, WALK) for number in other):
        # On a one-way road the pavement left of the reference line belongs to the only direction.
        for number in other:
            beyond = _lane(roads, road, section, number, cap_mps)
            if beyond is None or beyond.use != PAVED:
                break
            lanes.append(_reversed(beyond))
    return tuple(lanes)


def _reversed(lane: NetLane) -> NetLane:
    return NetLane(
        place=lane.place, use=lane.use, line_N2=lane.line_N2[::-1], width_m=lane.width_m, speed_mps=lane.speed_mps
    )


def _lane(roads: RoadFile, road: Road, section: int, number: int, cap_mps: float | None) -> NetLane | None:
    record = road.sections[section].lanes[number]
    use = use_of(record)
    if use is None:
        return None
    place = LanePlace(road.road, section, number)
    line, width = lane_line(roads, place, max_width_m=MAX_SIDEWALK_M if use == WALK else np.inf)
    speed = record.speed_mps or road.speed_mps or DEFAULT_SPEED_MPS
    if float(width.max()) < MIN_WIDTH_M[use] or float(np.hypot(*np.diff(line, axis=0).T).sum()) < 0.01:
        return None
    return NetLane(
        place=place,
        use=use,
        line_N2=simplified(line),
        width_m=max(float(np.median(width)), MIN_WIDTH_M[use]),
        speed_mps=speed if cap_mps is None else min(speed, cap_mps),
    )


def _node(roads: RoadFile, road: Road, section: int, *, at_start: bool) -> str:
    """Return the id of the node at a section's start or end."""
    boundary = section if at_start else section + 1
    if 0 < boundary < len(road.sections):
        return f"s{road.road}.{boundary}"
    link = road.predecessor if at_start else road.successor
    own = (road.road, at_start)
    if link is None:
        return f"e{own[0]}.{int(own[1])}"
    if link.kind == "junction":
        return f"j{link.element}"
    return _road_node(roads, own, link)


def _road_node(roads: RoadFile, own: tuple[str, bool], link: Link) -> str:
    """Return the id of the node between two roads, equal from both of them."""
    other = roads.roads.get(link.element)
    if other is None:
        return f"e{own[0]}.{int(own[1])}"
    if other.junction:
        return f"j{other.junction}"
    (first, start), _ = sorted([own, (link.element, link.at_start)])
    return f"e{first}.{int(start)}"
