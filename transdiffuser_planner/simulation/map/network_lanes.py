"""Lanes and junction areas of a SUMO network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.polylines import offset_line, without_repeats
from transdiffuser_planner.simulation.map.road_elements import OPENDRIVE_TYPE, Lane, LaneKind

FloatArray = NDArray[np.float64]


def lane_polygon(lane: Lane) -> FloatArray:
    """Return the lane's area as a polygon (2N, 2) in the map frame.

    Args:
        lane: In the map frame.
    """
    half = lane.width_m / 2.0
    return np.vstack([offset_line(lane.center_N2, half), offset_line(lane.center_N2, -half)[::-1]])


def stop_line(lane: Lane) -> FloatArray:
    """Return both ends (2, 2) of the stop line at the lane's end, in the map frame.

    Args:
        lane: In the map frame.
    """
    half = lane.width_m / 2.0
    return np.stack([offset_line(lane.center_N2, -half)[-1], offset_line(lane.center_N2, half)[-1]])


def read_lanes(network: Any) -> list[Lane]:
    """Read all lanes for cars, bicycles and pedestrians, crossings included.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
    """
    lanes = []
    for edge in network.getEdges(withInternal=True):
        function = edge.getFunction()
        if function == "walkingarea":
            continue
        row = edge.getLanes()
        for index, lane in enumerate(row):
            center = without_repeats(lane.getShape())
            if len(center) < 2:
                continue
            kind = _lane_kind(lane, function)
            if kind is None:
                continue
            left = index + 1 < len(row) and row[index + 1].allows("passenger")
            signal = any(link.getTLLinkIndex() >= 0 for link in lane.getOutgoing())
            lanes.append(
                Lane(
                    lane_id=lane.getID(),
                    kind=kind,
                    center_N2=center,
                    width_m=float(lane.getWidth()),
                    internal=function == "internal",
                    has_left_neighbor=bool(left),
                    has_signal=bool(signal and lane.allows("passenger")),
                    at_right_edge=_is_at_right_edge(edge, row, index),
                    verge_m=sum(float(r.getWidth()) for r in row[:index]) if edge.getType() == OPENDRIVE_TYPE else 0.0,
                )
            )
    return lanes


def _is_at_right_edge(edge: Any, row: Any, index: int) -> bool:
    """Return whether a lane is the rightmost for cars; in networks that are not from OpenDRIVE one of the first two."""
    if edge.getType() == OPENDRIVE_TYPE:
        return not any(lane.allows("passenger") for lane in row[:index])
    return index in (0, 1)


def _lane_kind(lane: Any, function: str) -> LaneKind | None:
    if function == "crossing":
        return LaneKind.CROSSING
    if lane.allows("passenger"):
        return LaneKind.DRIVING
    if lane.allows("bicycle"):
        return LaneKind.BICYCLE
    if lane.allows("pedestrian") and function != "internal":
        return LaneKind.SIDEWALK
    if lane.getEdge().getType() == OPENDRIVE_TYPE and function != "internal":
        return LaneKind.PAVED
    return None


def junction_polygons(network: Any) -> list[FloatArray]:
    """Return the outlines (N, 2) of all junctions, in the map frame.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
    """
    shapes = [without_repeats(node.getShape()) for node in network.getNodes() if node.getType() != "internal"]
    return [shape for shape in shapes if len(shape) >= 3]


def walking_areas(network: Any) -> list[FloatArray]:
    """Return the outlines (N, 2) of the pedestrian areas at junctions, in the map frame.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
    """
    shapes = [
        without_repeats(lane.getShape())
        for edge in network.getEdges(withInternal=True)
        if edge.getFunction() == "walkingarea"
        for lane in edge.getLanes()
    ]
    return [shape for shape in shapes if len(shape) >= 3]
