"""Connections of a network from OpenDRIVE: exact ways through junctions, and from street to street."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.lane_lines import (
    LanePlace,
    lane_line,
    next_lane,
    previous_lane,
    simplified,
)
from transdiffuser_planner.simulation.map.opendrive.network_edges import NetEdges
from transdiffuser_planner.simulation.map.opendrive.road_records import RoadFile, is_driving

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetLink:
    """Connection of two lanes for cars.

    Attributes:
        start, end: Edge and index of the lanes.
        node: Id of the node that it passes.
        line_N2: Way through the junction in driving order, m; empty where lanes meet.
        inside: Lanes of the file inside the junction, in driving order.
    """

    start: tuple[str, int]
    end: tuple[str, int]
    node: str
    line_N2: FloatArray
    inside: tuple[LanePlace, ...] = ()


def network_links(roads: RoadFile, edges: NetEdges, left_out: frozenset[str]) -> list[NetLink]:
    """Connect the lanes for cars.

    Args:
        roads: The file.
        edges: Its streets.
        left_out: Ids of roads to skip.
    """
    links: dict[tuple[tuple[str, int], tuple[str, int]], NetLink] = {}
    for place, start in edges.at.items():
        following = next_lane(roads, place)
        end = edges.at.get(following) if following is not None else None
        if end is not None:
            node = edges.edges[start[0]].end
            links[start, end] = NetLink(start=start, end=end, node=node, line_N2=np.zeros((0, 2)))
    for road in roads.roads.values():
        if not road.junction or road.road in left_out:
            continue
        for number, lane in road.sections[0].lanes.items():
            if is_driving(lane):
                first = LanePlace(road.road, 0, number)
                first = first if number < 0 else _entry(roads, first)
                link = _through(roads, edges, first)
                if link is not None:
                    links.setdefault((link.start, link.end), link)
    return [links[key] for key in sorted(links)]


def _entry(roads: RoadFile, place: LanePlace) -> LanePlace:
    """Return the lane of the same road from which a vehicle reaches a lane of positive number."""
    while (before := previous_lane(roads, place)) is not None and before.road == place.road:
        place = before
    return place


def _through(roads: RoadFile, edges: NetEdges, first: LanePlace) -> NetLink | None:
    """Return the connection that begins with a lane inside a junction; None where an end is not connected."""
    before = previous_lane(roads, first)
    start = edges.at.get(before) if before is not None else None
    inside = [first]
    while (following := next_lane(roads, inside[-1])) is not None and following.road == first.road:
        inside.append(following)
    end = edges.at.get(following) if following is not None else None
    if start is None or end is None or edges.edges[start[0]].end != edges.edges[end[0]].start:
        return None
    line = np.vstack([lane_line(roads, place)[0] for place in inside])
    step = np.hypot(*np.diff(line, axis=0).T)
    line = line[np.concatenate([[True], step > 0.01])]
    return NetLink(start=start, end=end, node=edges.edges[start[0]].end, line_N2=simplified(line), inside=tuple(inside))
