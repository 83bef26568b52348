"""A network from OpenDRIVE as SUMO's plain XML: nodes, edges with the file's lane lines, connections, signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.crosswalks import Crosswalk, network_crosswalks
from transdiffuser_planner.simulation.map.opendrive.level_crossings import roads_of_other_levels
from transdiffuser_planner.simulation.map.opendrive.network_edges import (
    BICYCLE,
    CAR,
    PAVED,
    WALK,
    NetEdge,
    NetEdges,
    network_edges,
)
from transdiffuser_planner.simulation.map.opendrive.network_links import NetLink, network_links
from transdiffuser_planner.simulation.map.opendrive.network_signals import NetSignal, network_signals, signals_xml
from transdiffuser_planner.simulation.map.opendrive.road_records import RoadFile
from transdiffuser_planner.simulation.map.road_elements import OPENDRIVE_TYPE

FloatArray = NDArray[np.float64]

_USERS = {
    CAR: 'disallow="pedestrian"',
    WALK: 'allow="pedestrian"',
    BICYCLE: 'allow="bicycle"',
    PAVED: 'allow="emergency"',
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainNetwork:
    """A network before netconvert.

    Attributes:
        edges: Streets.
        links: Connections.
        signals: By node.
        crosswalks: At nodes.
        left_out: Ids of roads that cross others on another level.
    """

    edges: NetEdges
    links: tuple[NetLink, ...]
    signals: dict[str, NetSignal]
    crosswalks: tuple[Crosswalk, ...]
    left_out: frozenset[str]

    def texts(self) -> dict[str, str]:
        """Return the texts of the .nod, .edg, .con and .tll files by these names."""
        return {
            "nod": _nodes_xml(self.edges, self.signals),
            "edg": "\n".join(["<edges>", *map(_edge_xml, self.edges.edges.values()), "</edges>\n"]),
            "con": _connections_xml(self.edges, self.links, self.signals, self.crosswalks),
            "tll": signals_xml(self.signals, self.links),
        }


def plain_network(roads: RoadFile, speed_cap_mps: float | None) -> PlainNetwork:
    """Convert a file.

    Args:
        roads: The file.
        speed_cap_mps: Largest speed limit; None keeps the file's.
    """
    left_out = roads_of_other_levels(roads)
    edges = network_edges(roads, left_out, speed_cap_mps)
    links = tuple(network_links(roads, edges, left_out))
    return PlainNetwork(
        edges=edges,
        links=links,
        signals=network_signals(roads, edges, links),
        crosswalks=tuple(network_crosswalks(roads, edges)),
        left_out=left_out,
    )


def _nodes_xml(edges: NetEdges, signals: dict[str, NetSignal]) -> str:
    ends: dict[str, list[FloatArray]] = {}
    for edge in edges.edges.values():
        ways = edge.car_lines()
        ends.setdefault(edge.start, []).append(np.mean([line[0] for line in ways], axis=0))
        ends.setdefault(edge.end, []).append(np.mean([line[-1] for line in ways], axis=0))
    lines = ["<nodes>"]
    for node, points in ends.items():
        x, y = np.mean(points, axis=0)
        kind = "traffic_light" if node in signals else "priority"
        lines.append(f'  <node id={quoteattr(node)} x="{x:.3f}" y="{y:.3f}" type="{kind}" radius="0.1"/>')
    return "\n".join([*lines, "</nodes>\n"])


def _edge_xml(edge: NetEdge) -> str:
    lines = edge.car_lines()
    num_car = sum(lane.use == CAR for lane in edge.lanes)
    speed = max(lane.speed_mps for lane in edge.lanes)
    priority = num_car * 2 + int(speed > 10.0)
    head = (
        f'  <edge id={quoteattr(edge.edge)} from={quoteattr(edge.start)} to={quoteattr(edge.end)} type="{OPENDRIVE_TYPE}" '
        f'numLanes="{len(edge.lanes)}" speed="{speed:.2f}" priority="{priority}" spreadType="center" '
        f'shape="{shape_text(lines[len(lines) // 2])}">'
    )
    lanes = [
        f'    <lane index="{index}" {_USERS[lane.use]} width="{lane.width_m:.2f}" speed="{lane.speed_mps:.2f}" '
        f'shape="{shape_text(lane.line_N2)}"/>'
        for index, lane in enumerate(edge.lanes)
    ]
    return "\n".join([head, *lanes, "  </edge>"])


def _connections_xml(
    edges: NetEdges, links: Sequence[NetLink], signals: dict[str, NetSignal], crosswalks: Sequence[Crosswalk]
) -> str:
    lines = ["<connections>"]
    connected = {link.start[0] for link in links}
    for name, edge in edges.edges.items():
        if name not in connected and any(lane.use == CAR for lane in edge.lanes):
            lines.append(f"  <connection from={quoteattr(name)}/>")
    for link in links:
        signal = signals.get(link.node)
        free = ' uncontrolled="true"' if signal is not None and link.start + link.end not in signal.group_of else ""
        shape = f' shape="{shape_text(link.line_N2)}"' if len(link.line_N2) > 1 else ""
        lines.append(f"  <connection {link_text(link)}{shape}{free}/>")
    for crosswalk in crosswalks:
        lines.append(
            f"  <crossing node={quoteattr(crosswalk.node)} edges={quoteattr(' '.join(crosswalk.edges))} "
            f'width="{crosswalk.width_m:.2f}" shape="{shape_text(crosswalk.line_22)}"/>'
        )
    return "\n".join([*lines, "</connections>\n"])


def link_text(link: NetLink) -> str:
    """Return the attributes that name a connection in SUMO's XML.

    Args:
        link: The connection.
    """
    return (
        f'from={quoteattr(link.start[0])} to={quoteattr(link.end[0])} fromLane="{link.start[1]}" toLane="{link.end[1]}"'
    )


def shape_text(line_N2: FloatArray) -> str:
    """Return a polyline in SUMO's form.

    Args:
        line_N2: Polyline, m.
    """
    return " ".join(f"{x:.3f},{y:.3f}" for x, y in line_N2)
