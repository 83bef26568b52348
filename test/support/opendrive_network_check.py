"""Comparison of a built SUMO network with the OpenDRIVE file that it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.simulation.map.opendrive.crosswalks import crosswalk_line
from transdiffuser_planner.simulation.map.opendrive.lane_lines import LanePlace, lane_line
from transdiffuser_planner.simulation.map.opendrive.network_edges import CAR, NetEdge
from transdiffuser_planner.simulation.map.opendrive.network_links import NetLink
from transdiffuser_planner.simulation.map.opendrive.plain_network import PlainNetwork
from transdiffuser_planner.simulation.map.opendrive.road_records import RoadFile, is_driving
from transdiffuser_planner.simulation.map.signal_heads import place_signal_heads

FloatArray = NDArray[np.float64]

STEP_M = 0.5
SHORT_M = 1.0
"""Way through a junction below which SUMO draws its own."""


@dataclass(kw_only=True, slots=True)
class NetworkCheck:
    """Deviations of a network from its file.

    Attributes:
        num_lanes, num_links: Compared lanes for cars outside of junctions, and ways through junctions.
        missing: Lanes and ways of the file that are missing in the network, and streets with another number of lanes.
        line_m: Largest distance of each lane's center line from the file's, either way.
        link_m: The same of each way through a junction.
        width_m: Difference of each lane's width from the median of the file's.
        speed_mps: Difference of each lane's limit from that of the conversion.
        stop_m: Distance of each stop line at a signal from the end of the file's lane.
        painted_m: Distance of each painted stop line of the file from the nearest one of the network.
        head_m: Distance of each signal of the file that controls a lane from the nearest pole.
        left_out: Ids of roads that cross others on another level.
    """

    num_lanes: int = 0
    num_links: int = 0
    missing: list[str] = field(default_factory=list)
    line_m: list[float] = field(default_factory=list)
    link_m: list[float] = field(default_factory=list)
    width_m: list[float] = field(default_factory=list)
    speed_mps: list[float] = field(default_factory=list)
    stop_m: list[float] = field(default_factory=list)
    painted_m: list[float] = field(default_factory=list)
    head_m: list[float] = field(default_factory=list)
    left_out: tuple[str, ...] = ()


def check_network(roads: RoadFile, plain: PlainNetwork, network: Any) -> NetworkCheck:
    """Compare a network with its file.

    Args:
        roads: The file.
        plain: Its conversion, which knows where each lane is in the network.
        network: The result, as ``sumo_networks.read_network`` returns it.
    """
    check = NetworkCheck(left_out=tuple(sorted(plain.left_out)))
    for edge in plain.edges.edges.values():
        _check_edge(check, roads, network, edge)
    for link in plain.links:
        if link.inside:
            _check_link(check, roads, network, link)
    used = {place for link in plain.links for place in link.inside}
    for road in roads.roads.values():
        if road.junction and road.road not in plain.left_out:
            places = [LanePlace(road.road, k, n) for k, s in enumerate(road.sections) for n in s.lanes]
            driving = [p for p in places if is_driving(road.sections[p.section].lanes[p.lane])]
            check.missing += [f"way through junction {road.junction}: {p}" for p in driving if p not in used]
    _check_signals(check, roads, plain, network)
    return check


def _check_edge(check: NetworkCheck, roads: RoadFile, network: Any, edge: NetEdge) -> None:
    if not network.hasEdge(edge.edge):
        check.missing.append(f"street {edge.edge}")
        return
    built = network.getEdge(edge.edge).getLanes()
    if len(built) != len(edge.lanes):
        check.missing.append(f"street {edge.edge}: {len(edge.lanes)} lanes in the file, {len(built)} in the network")
        return
    for lane, found in zip(edge.lanes, built, strict=True):
        if lane.use == CAR:
            line, width = lane_line(roads, lane.place, STEP_M)
            check.num_lanes += 1
            check.line_m.append(line_distance(line, np.asarray(found.getShape())[:, :2]))
            check.width_m.append(abs(float(np.median(width)) - float(found.getWidth())))
            check.speed_mps.append(abs(lane.speed_mps - float(found.getSpeed())))


def _check_link(check: NetworkCheck, roads: RoadFile, network: Any, link: NetLink) -> None:
    start, end = (network.getEdge(name).getLane(index) for name, index in (link.start, link.end))
    via = [c.getViaLaneID() for c in start.getOutgoing() if c.getToLane() is end]
    if not via:
        check.missing.append(f"connection {link.start} to {link.end}")
        return
    shapes, name = [], via[0]
    while name:
        lane = network.getLane(name)
        shapes.append(np.asarray(lane.getShape())[:, :2])
        name = next((c.getViaLaneID() for c in lane.getOutgoing() if c.getViaLaneID()), "")
    expected = np.vstack([lane_line(roads, place, STEP_M)[0] for place in link.inside])
    if np.hypot(*np.diff(expected, axis=0).T).sum() >= SHORT_M:
        check.num_links += 1
        check.link_m.append(line_distance(expected, np.vstack(shapes)))


def _check_signals(check: NetworkCheck, roads: RoadFile, plain: PlainNetwork, network: Any) -> None:
    ends = [
        np.asarray(found.getShape())[-1, :2]
        for edge in plain.edges.edges.values()
        if edge.end.startswith("j") and network.hasEdge(edge.edge)
        for found in network.getEdge(edge.edge).getLanes()
        if found.allows("passenger")
    ]
    painted = [crosswalk_line(r, item) for r in roads.roads.values() for item in r.objects if item.kind == "stop line"]
    if painted and ends:
        check.painted_m += cKDTree(ends).query([line.mean(axis=0) for line in painted])[0].tolist()
    for node, signal in plain.signals.items():
        for edge, index, _, _ in signal.group_of:
            lane = network.getEdge(edge).getLane(index)
            if not any(c.getTLLinkIndex() >= 0 for c in lane.getOutgoing()):
                check.missing.append(f"signal at junction {node[1:]} for {edge}")
            line, _ = lane_line(roads, plain.edges.edges[edge].lanes[index].place, STEP_M)
            check.stop_m.append(float(np.hypot(*(np.asarray(lane.getShape())[-1, :2] - line[-1]))))
    poles = [(head.x_m, head.y_m) for head in place_signal_heads(network) if head.pole]
    valid = {tuple(position) for signal in plain.signals.values() for position in signal.head_of.values()}
    if poles and valid:
        check.head_m += cKDTree(poles).query(sorted(valid))[0].tolist()


def line_distance(first_N2: FloatArray, second_M2: FloatArray) -> float:
    """Return the largest distance of a point of one polyline from the other, either way, m.

    Args:
        first_N2: Polyline, m.
        second_M2: Polyline, m.
    """
    return max(_one_way(first_N2, second_M2), _one_way(second_M2, first_N2))


def _one_way(points_N2: FloatArray, line_M2: FloatArray) -> float:
    start, edge = line_M2[:-1], np.diff(line_M2, axis=0)
    relative = points_N2[:, None] - start[None]
    t = np.clip((relative * edge).sum(axis=-1) / np.maximum((edge**2).sum(axis=-1), 1e-12), 0.0, 1.0)
    gap = np.hypot(*(relative - t[..., None] * edge).transpose(2, 0, 1))
    return float(gap.min(axis=1).max())
