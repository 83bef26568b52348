"""Crosswalks of an OpenDRIVE file as SUMO's pedestrian crossings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.lane_lines import points_at
from transdiffuser_planner.simulation.map.opendrive.network_edges import CAR, NetEdge, NetEdges
from transdiffuser_planner.simulation.map.opendrive.reference_line import sample_line
from transdiffuser_planner.simulation.map.opendrive.road_records import ObjectRecord, Road, RoadFile

FloatArray = NDArray[np.float64]

INTO_JUNCTION_M = 15.0
BEFORE_JUNCTION_M = 4.0
END_TOLERANCE_M = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Crosswalk:
    """Crossing at a node.

    Attributes:
        node: Its id.
        edges: Ids of the streets that it crosses.
        line_22: Its middle from side to side, m.
        width_m: Of the stripes.
    """

    node: str
    edges: tuple[str, ...]
    line_22: FloatArray
    width_m: float


def crosswalk_line(road: Road, item: ObjectRecord) -> FloatArray:
    """Return both ends (2, 2) of a crosswalk's or stop line's length axis.

    Args:
        road: That holds it.
        item: Crosswalk or stop line.
    """
    center = points_at(road, np.asarray([item.s_m]), np.asarray([item.t_m]))[0]
    heading = sample_line(road.line, np.asarray([item.s_m]))[1][0] + item.heading_rad
    half = item.length_m / 2.0 * np.asarray([np.cos(heading), np.sin(heading)])
    return np.stack([center - half, center + half])


def network_crosswalks(roads: RoadFile, edges: NetEdges) -> list[Crosswalk]:
    """Return the crosswalks inside junctions with the streets that they cross.

    Args:
        roads: The file.
        edges: Its streets.
    """
    arms: dict[str, list[tuple[NetEdge, list[FloatArray]]]] = {}
    for edge in edges.edges.values():
        lines = [lane.line_N2 for lane in edge.lanes if lane.use == CAR]
        if lines:
            arms.setdefault(edge.end, []).append((edge, [_probe(line) for line in lines]))
            arms.setdefault(edge.start, []).append((edge, [_probe(line[::-1]) for line in lines]))
    taken: set[tuple[str, str]] = set()
    found = []
    for road in roads.roads.values():
        node = f"j{road.junction}"
        for item in road.objects:
            if item.kind != "crosswalk" or not road.junction or item.length_m < 2.0:
                continue
            line = crosswalk_line(road, item)
            crossed = {
                edge.edge: probe for edge, probes in arms.get(node, []) for probe in probes if _crosses(line, probe)
            }
            if crossed and not any((node, name) in taken for name in crossed):
                taken |= {(node, name) for name in crossed}
                # SUMO expects crossings counterclockwise around their node.
                inward, axis = np.diff(next(iter(crossed.values())), axis=0)[0], line[1] - line[0]
                line = line if inward[0] * axis[1] - inward[1] * axis[0] < 0.0 else line[::-1]
                width = max(item.width_m, 1.5)
                found.append(Crosswalk(node=node, edges=tuple(crossed), line_22=line, width_m=width))
    return found


def _probe(line_N2: FloatArray) -> FloatArray:
    """Return the segment (2, 2) along a lane's end into the junction."""
    ahead = line_N2[-1] - line_N2[-2]
    ahead = ahead / max(float(np.hypot(*ahead)), 1e-9)
    return np.stack([line_N2[-1] - BEFORE_JUNCTION_M * ahead, line_N2[-1] + INTO_JUNCTION_M * ahead])


def _crosses(line_22: FloatArray, probe_22: FloatArray) -> bool:
    """Return whether a crosswalk, slightly extended, crosses a segment at more than 45 degrees."""
    axis, ahead = line_22[1] - line_22[0], probe_22[1] - probe_22[0]
    length, reach = float(np.hypot(*axis)), float(np.hypot(*ahead))
    sine = float(axis[0] * ahead[1] - axis[1] * ahead[0]) / (length * reach)
    if abs(sine) < 0.7:
        return False
    gap = probe_22[0] - line_22[0]
    along = float(gap[0] * ahead[1] - gap[1] * ahead[0]) / (reach * sine)
    into = float(gap[0] * axis[1] - gap[1] * axis[0]) / (length * sine)
    return -END_TOLERANCE_M <= along <= length + END_TOLERANCE_M and 0.0 <= into <= reach
