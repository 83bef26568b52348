"""Traffic lights of an OpenDRIVE file: connections by controller, and a program that serves one controller after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.lane_lines import LanePlace, points_at
from transdiffuser_planner.simulation.map.opendrive.network_edges import NetEdges
from transdiffuser_planner.simulation.map.opendrive.network_links import NetLink
from transdiffuser_planner.simulation.map.opendrive.road_records import RoadFile
from transdiffuser_planner.simulation.map.road_elements import OPENDRIVE_HEAD

FloatArray = NDArray[np.float64]

LinkKey = tuple[str, int, str, int]

GREEN_S, AMBER_S, RED_S = 10, 3, 2
"""CARLA's default times; red between two controllers."""
LEFT_RAD = 0.6
BEFORE_END_M = 30.0
"""Lights on a street that are nearer to its end belong to the junction there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetSignal:
    """Traffic light of a node.

    Attributes:
        groups: Names of what is green together, in order.
        group_of: Index of the group of each controlled connection (edge, lane, edge, lane).
        head_of: Position (2,) of the head that the file has for a connection, m.
    """

    groups: tuple[str, ...]
    group_of: dict[LinkKey, int]
    head_of: dict[LinkKey, FloatArray] = field(default_factory=dict)


def network_signals(roads: RoadFile, edges: NetEdges, links: Sequence[NetLink]) -> dict[str, NetSignal]:
    """Return the traffic lights by node.

    A connection is controlled by the light that is valid for its lane inside the junction, else for its lane before it.

    Args:
        roads: The file.
        edges: Its streets.
        links: Its connections.
    """
    positions = signal_positions(roads)
    names: dict[str, dict[LinkKey, str]] = {}
    for link in links:
        before = edges.edges[link.start[0]].lanes[link.start[1]].place
        lights = [name for place in link.inside for name in _lights(roads, place, positions)]
        lights += _lights_before(roads, before, positions) if link.inside else []
        light = next(iter(lights), None)
        if light is not None:
            names.setdefault(link.node, {})[link.start + link.end] = light
    found = {}
    for node, light_of in names.items():
        sequence = {name: index for index, name in enumerate(roads.controllers.get(node[1:], ()))}
        group = {name: roads.controller_of.get(name, name) for name in light_of.values()}
        groups = tuple(sorted(set(group.values()), key=lambda name: (sequence.get(name, len(sequence)), name)))
        found[node] = NetSignal(
            groups=groups,
            group_of={key: groups.index(group[name]) for key, name in light_of.items()},
            head_of={key: positions[name] for key, name in light_of.items()},
        )
    return found


def signal_positions(roads: RoadFile) -> dict[str, FloatArray]:
    """Return the position (2,) of each traffic light of a file.

    Args:
        roads: The file.
    """
    return {
        item.signal: points_at(road, np.asarray([item.s_m]), np.asarray([item.t_m]))[0]
        for road in roads.roads.values()
        for item in road.signals
        if item.is_dynamic and not item.is_reference
    }


def _lights(roads: RoadFile, place: LanePlace, positions: dict[str, FloatArray]) -> list[str]:
    """Return the traffic lights that are valid for a lane."""
    return [
        item.signal
        for item in roads.roads[place.road].signals
        if item.signal in positions and item.from_lane <= place.lane <= item.to_lane
    ]


def _lights_before(roads: RoadFile, place: LanePlace, positions: dict[str, FloatArray]) -> list[str]:
    """Return the traffic lights at the end of a street that are valid for one of its lanes, the last first."""
    road = roads.roads[place.road]
    end_m, wrong_way = (road.length_m, "-") if place.lane < 0 else (0.0, "+")
    near = [
        (abs(item.s_m - end_m), item.signal)
        for item in road.signals
        if item.signal in positions
        and item.orientation != wrong_way
        and item.from_lane <= place.lane <= item.to_lane
        and abs(item.s_m - end_m) < BEFORE_END_M
    ]
    return [name for _, name in sorted(near)]


def signals_xml(signals: dict[str, NetSignal], links: Sequence[NetLink]) -> str:
    """Return SUMO's plain XML of all traffic lights.

    Args:
        signals: By node.
        links: All connections.
    """
    lines = ["<tlLogics>"]
    for node, signal in signals.items():
        controlled = [link for link in links if link.start + link.end in signal.group_of and link.node == node]
        lines.append(f'  <tlLogic id={quoteattr(node)} type="static" programID="0" offset="0">')
        for group in range(len(signal.groups)):
            green = "".join(
                _letter(signal, link, controlled) if _group(signal, link) == group else "r" for link in controlled
            )
            amber = "".join("y" if letter != "r" else "r" for letter in green)
            for seconds, state in ((GREEN_S, green), (AMBER_S, amber), (RED_S, "r" * len(controlled))):
                lines.append(f'    <phase duration="{seconds}" state="{state}"/>')
        for index, link in enumerate(controlled):
            x, y = signal.head_of[link.start + link.end]
            lines.append(f'    <param key="{OPENDRIVE_HEAD}{index}" value="{x:.2f} {y:.2f}"/>')
        lines.append("  </tlLogic>")
        lines += [
            f'  <connection from={quoteattr(link.start[0])} to={quoteattr(link.end[0])} fromLane="{link.start[1]}" '
            f'toLane="{link.end[1]}" tl={quoteattr(node)} linkIndex="{index}"/>'
            for index, link in enumerate(controlled)
        ]
    return "\n".join([*lines, "</tlLogics>\n"])


def _group(signal: NetSignal, link: NetLink) -> int:
    return signal.group_of[link.start + link.end]


def _letter(signal: NetSignal, link: NetLink, controlled: Sequence[NetLink]) -> str:
    """Return green with right of way, or green that yields for left turns against other streets of the same group."""
    streets = {other.start[0] for other in controlled if _group(signal, other) == _group(signal, link)}
    if len(streets) == 1 or len(link.line_N2) < 2:
        return "G"
    edge = np.diff(link.line_N2, axis=0)
    first, last = (np.arctan2(*edge[k][::-1]) for k in (0, -1))
    turn = (last - first + np.pi) % (2.0 * np.pi) - np.pi
    return "g" if turn > LEFT_RAD else "G"
