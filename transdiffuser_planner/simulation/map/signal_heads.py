"""Positions of traffic light heads at the junctions of a SUMO network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.simulation.map.polylines import densify, without_repeats
from transdiffuser_planner.simulation.map.road_elements import OPENDRIVE_HEAD, SignalHead

FloatArray = NDArray[np.float64]

FAR_HEAD_M = 13.0
ROAD_MARGIN_M = 0.4
"""Poles of OpenDRIVE's signals keep this distance from lanes, or stand where those of other networks do."""


def place_signal_heads(network: Any) -> list[SignalHead]:
    """Place a head above the far side of the junction for each incoming lane, and one on a pole next to the rightmost.

    In networks from OpenDRIVE the pole stands where the file has the signal, unless that is on the road.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
    """
    heads = []
    road: _Road | None = None
    for signal in network.getTrafficLights():
        known = _file_positions(signal)
        if known and road is None:
            road = _Road(network)
        links: dict[str, tuple[Any, list[tuple[int, str]]]] = {}
        for incoming, outgoing, link in signal.getConnections():
            if not incoming.allows("passenger"):
                continue
            direction = next((c.getDirection() for c in incoming.getOutgoing() if c.getToLane() == outgoing), "s")
            links.setdefault(incoming.getID(), (incoming, []))[1].append((int(link), direction))
        rightmost = {
            lane.getEdge().getID(): min(
                other.getIndex() for other, _ in links.values() if other.getEdge() is lane.getEdge()
            )
            for lane, _ in links.values()
        }
        for lane, choices in links.values():
            link = min(choices, key=lambda item: ("sSlLrR".find(item[1]) % 99, item[0]))[0]
            is_right = rightmost[lane.getEdge().getID()] == lane.getIndex()
            pole = known.get(link)
            if pole is not None and road is not None and road.contains(pole):
                pole = None
            heads += _heads_of_lane(signal.getID(), link, lane, with_pole=is_right, pole_2=pole)
    return heads


class _Road:
    """Lanes for cars, inside junctions too."""

    def __init__(self, network: Any) -> None:
        lanes = [lane for edge in network.getEdges(withInternal=True) for lane in edge.getLanes()]
        lanes = [lane for lane in lanes if lane.allows("passenger") and len(without_repeats(lane.getShape())) > 1]
        lines = [densify(without_repeats(lane.getShape()), 1.0) for lane in lanes]
        widths = [np.full(len(line), lane.getWidth()) for line, lane in zip(lines, lanes, strict=True)]
        self._half_m = np.concatenate(widths) / 2.0
        self._tree = cKDTree(np.concatenate(lines))

    def contains(self, point_2: FloatArray) -> bool:
        """Return whether a point is on a lane or next to it."""
        gap, index = self._tree.query(point_2, k=min(8, len(self._half_m)))
        return bool((np.atleast_1d(gap) < self._half_m[index] + ROAD_MARGIN_M).any())


def _file_positions(signal: Any) -> dict[int, FloatArray]:
    """Return positions (2,) of an OpenDRIVE file's signals by link; empty in other networks."""
    found = {}
    for program in signal.getPrograms().values():
        for key, text in program.getParams().items():
            if key.startswith(OPENDRIVE_HEAD):
                found[int(key.removeprefix(OPENDRIVE_HEAD))] = np.asarray([float(word) for word in text.split()])
    return found


def _heads_of_lane(
    signal_id: str, link: int, lane: Any, *, with_pole: bool, pole_2: FloatArray | None
) -> list[SignalHead]:
    center = without_repeats(lane.getShape())
    if len(center) < 2:
        return []
    end, heading = center[-1], float(np.arctan2(*(center[-1] - center[-2])[::-1]))
    ahead = np.asarray([np.cos(heading), np.sin(heading)])
    right = np.asarray([ahead[1], -ahead[0]])
    far = end + FAR_HEAD_M * ahead
    heads = [
        SignalHead(
            signal_id=signal_id, link=link, x_m=float(far[0]), y_m=float(far[1]), z_m=5.4,
            facing_rad=heading + np.pi, lamp_m=0.55, pole=False,
        )
    ]  # fmt: skip
    if with_pole:
        near = end + 0.5 * ahead + (lane.getWidth() / 2.0 + 0.8) * right if pole_2 is None else pole_2
        heads.append(
            SignalHead(
                signal_id=signal_id, link=link, x_m=float(near[0]), y_m=float(near[1]), z_m=3.0,
                facing_rad=heading + np.pi, lamp_m=0.4, pole=True,
            )
        )  # fmt: skip
    return heads
