"""A SUMO network as geometry: lanes, junctions, markings, traffic light heads and buildings, in the map frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.simulation.map.buildings import place_buildings
from transdiffuser_planner.simulation.map.network_lanes import (
    junction_polygons,
    lane_polygon,
    read_lanes,
    stop_line,
    walking_areas,
)
from transdiffuser_planner.simulation.map.road_elements import (
    Building,
    Lane,
    LaneKind,
    Marking,
    SignalHead,
)
from transdiffuser_planner.simulation.map.signal_heads import place_signal_heads
from transdiffuser_planner.simulation.map.sumo_networks import read_network

FloatArray = NDArray[np.float64]

REGION_MARGIN_M = 150.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RoadMap:
    """Static elements of a map within the loaded region.

    Attributes:
        name: Of the network.
        lanes: For all users.
        junctions: Outlines (N, 2) in the map frame, m.
        walking_areas: Outlines (N, 2) of pedestrian areas at junctions.
        stop_lines: Both ends (2, 2) of each line.
        heads: Traffic light heads.
        buildings: Generated from the map.
        markings: Painted lines of maps that state them; others are painted along their lanes.
        curbs: Lines (K, 2) along which walking areas end in a curb; those of sidewalks follow from their lanes.
    """

    name: str
    lanes: tuple[Lane, ...]
    junctions: tuple[FloatArray, ...]
    walking_areas: tuple[FloatArray, ...]
    stop_lines: tuple[FloatArray, ...]
    heads: tuple[SignalHead, ...]
    buildings: tuple[Building, ...]
    markings: tuple[Marking, ...] = ()
    curbs: tuple[FloatArray, ...] = ()

    @staticmethod
    def load(net_file: str | Path, around_N2: FloatArray | None = None) -> RoadMap:
        """Read a network.

        Args:
            net_file: A .net.xml file.
            around_N2: Points in the map frame, for example a route; elements farther than 150 m from all of them are
                skipped. None keeps the whole network.

        Raises:
            SimulationError: The file cannot be read as a network or holds no lane for cars.
        """
        network = read_network(Path(net_file))
        region = _Region(around_N2)
        lanes = tuple(lane for lane in read_lanes(network) if region.contains_any(lane.center_N2))
        if not any(lane.kind == LaneKind.DRIVING for lane in lanes):
            raise SimulationError(f"network {net_file}: no lane for cars near the route; give another map")
        junctions = tuple(p for p in junction_polygons(network) if region.contains_any(p))
        walking = tuple(p for p in walking_areas(network) if region.contains_any(p))
        heads = tuple(h for h in place_signal_heads(network) if region.contains_any(np.asarray([[h.x_m, h.y_m]])))
        stop_lines = tuple(stop_line(lane) for lane in lanes if lane.has_signal and not lane.internal)
        return RoadMap(
            name=Path(net_file).name.removesuffix(".net.xml"),
            lanes=lanes,
            junctions=junctions,
            walking_areas=walking,
            stop_lines=stop_lines,
            heads=heads,
            buildings=place_buildings(lanes, junctions, region.contains_any),
        )

    def map_polygons(self) -> list[tuple[PieceKind, FloatArray]]:
        """Return ground truth for labels and reports: (kind, vertices (N, 2) in the map frame)."""
        pieces: list[tuple[PieceKind, FloatArray]] = []
        for lane in self.lanes:
            if lane.kind == LaneKind.DRIVING:
                if not lane.internal:
                    pieces.append((PieceKind.DRIVING_LANE, lane_polygon(lane)))
                pieces.append((PieceKind.LANE_CENTER, lane.center_N2))
            elif lane.kind == LaneKind.SIDEWALK:
                pieces.append((PieceKind.SIDEWALK, lane_polygon(lane)))
            elif lane.kind == LaneKind.CROSSING:
                pieces.append((PieceKind.CROSSING, lane_polygon(lane)))
        pieces += [(PieceKind.JUNCTION, polygon) for polygon in self.junctions]
        pieces += [(PieceKind.SIDEWALK, polygon) for polygon in self.walking_areas]
        pieces += [(PieceKind.STOP_LINE, line) for line in self.stop_lines]
        pieces += [(PieceKind.BUILDING, building.corners_42) for building in self.buildings]
        return pieces


class _Region:
    """Area within 150 m of the given points; unbounded without points."""

    def __init__(self, around_N2: FloatArray | None) -> None:
        self._points = None if around_N2 is None else np.asarray(around_N2, dtype=np.float64)[::5]

    def contains_any(self, xy_N2: FloatArray) -> bool:
        if self._points is None:
            return True
        gap = self._points[:, None] - xy_N2[None]
        return bool(((gap**2).sum(axis=-1) < REGION_MARGIN_M**2).any())
