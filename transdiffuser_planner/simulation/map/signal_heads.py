"""Positions of traffic light heads at the junctions of a SUMO network."""

from __future__ import annotations

from typing import Any

import numpy as np

from transdiffuser_planner.simulation.map.polylines import without_repeats
from transdiffuser_planner.simulation.map.road_elements import SignalHead

FAR_HEAD_M = 13.0


def place_signal_heads(network: Any) -> list[SignalHead]:
    """Place a head above the far side of the junction for each incoming lane, and one on a pole next to the rightmost.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
    """
    heads = []
    for signal in network.getTrafficLights():
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
            heads += _heads_of_lane(signal.getID(), link, lane, with_pole=is_right)
    return heads


def _heads_of_lane(signal_id: str, link: int, lane: Any, *, with_pole: bool) -> list[SignalHead]:
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
        near = end + 0.5 * ahead + (lane.getWidth() / 2.0 + 0.8) * right
        heads.append(
            SignalHead(
                signal_id=signal_id, link=link, x_m=float(near[0]), y_m=float(near[1]), z_m=3.0,
                facing_rad=heading + np.pi, lamp_m=0.4, pole=True,
            )
        )  # fmt: skip
    return heads
