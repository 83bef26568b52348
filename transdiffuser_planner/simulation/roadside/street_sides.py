"""Right-hand sides of the streets of a map, and what is free next to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.simulation.map.polylines import densify, offset_line
from transdiffuser_planner.simulation.map.road_elements import Lane, LaneKind
from transdiffuser_planner.simulation.map.road_map import RoadMap

FloatArray = NDArray[np.float64]

_NEAREST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A polyline with points every meter.

    Attributes:
        xy_N2: Points, map frame, m.
        right_N2: Unit vectors to the right.
    """

    xy_N2: FloatArray
    right_N2: FloatArray

    @staticmethod
    def of(xy_N2: FloatArray) -> Line:
        """Return the line through the given points.

        Args:
            xy_N2: Polyline, m.
        """
        points = densify(xy_N2, 1.0)
        ahead = np.gradient(points, axis=0)
        ahead /= np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)[:, None]
        return Line(xy_N2=points, right_N2=np.stack([ahead[:, 1], -ahead[:, 0]], axis=-1))

    @property
    def length_m(self) -> float:
        """Length, to a meter."""
        return float(len(self.xy_N2) - 1)

    def at(self, s_m: float, right_m: float) -> tuple[FloatArray, float]:
        """Return a place next to the line and the line's heading there.

        Args:
            s_m: Along the line.
            right_m: To the right of it.
        """
        row = int(np.clip(round(s_m), 0, len(self.xy_N2) - 1))
        right = self.right_N2[row]
        return self.xy_N2[row] + right_m * right, float(np.arctan2(right[0], -right[1]))


@dataclass(frozen=True, kw_only=True, slots=True)
class StreetSide:
    """Right-hand side of one edge.

    Attributes:
        edge: SUMO's edge.
        road_edge: Right border of the outermost lane for cars or bicycles.
        sidewalk: Lane next to it; None without.
    """

    edge: str
    road_edge: Line
    sidewalk: Lane | None

    @property
    def width_m(self) -> float:
        """Distance from the road's edge to the end of the sidewalk."""
        return 0.0 if self.sidewalk is None else self.sidewalk.width_m


def street_sides(road_map: RoadMap) -> list[StreetSide]:
    """Find the sides of all edges with lanes for cars.

    Args:
        road_map: Static elements.
    """
    edges: dict[str, list[tuple[int, Lane]]] = {}
    for lane in road_map.lanes:
        edge, _, index = lane.lane_id.rpartition("_")
        if not lane.internal and lane.kind != LaneKind.CROSSING and index.isdigit():
            edges.setdefault(edge, []).append((int(index), lane))
    sides = []
    for edge, numbered in sorted(edges.items()):
        row = [lane for _, lane in sorted(numbered, key=lambda item: item[0])]
        riding = [lane for lane in row if lane.kind != LaneKind.SIDEWALK]
        if not any(lane.kind == LaneKind.DRIVING for lane in riding):
            continue
        sidewalk = row[0] if row[0].kind == LaneKind.SIDEWALK else None
        border = Line.of(offset_line(riding[0].center_N2, -riding[0].width_m / 2.0))
        sides.append(StreetSide(edge=edge, road_edge=border, sidewalk=sidewalk))
    return sides


class FreeSpace:
    """Distances to lanes, and to the ego's route.

    Args:
        road_map: Its lanes for cars, bicycles and pedestrians, crossings and junctions included.
        path_N2: Of the ego, m, map frame.
    """

    def __init__(self, road_map: RoadMap, path_N2: FloatArray) -> None:
        riding = [lane for lane in road_map.lanes if lane.kind != LaneKind.SIDEWALK]
        walking = [lane for lane in road_map.lanes if lane.kind == LaneKind.SIDEWALK]
        self._riding, self._riding_half_N = _tree(riding)
        self._walking: cKDTree | None = None
        if walking:
            self._walking, self._walking_half_N = _tree(walking)
        self._path = cKDTree(path_N2)

    def to_lanes(self, xy_N2: FloatArray) -> FloatArray:
        """Return the distance (N,) to the border of the nearest lane that is not a sidewalk; negative inside.

        Args:
            xy_N2: Map frame, m.
        """
        return _border_distance(self._riding, self._riding_half_N, xy_N2)

    def to_sidewalks(self, xy_N2: FloatArray) -> FloatArray:
        """Return the distance (N,) to the border of the nearest sidewalk; negative inside.

        Args:
            xy_N2: Map frame, m.
        """
        if self._walking is None:
            return np.full(len(xy_N2), np.inf)
        return _border_distance(self._walking, self._walking_half_N, xy_N2)

    def to_path(self, xy_N2: FloatArray) -> FloatArray:
        """Return the distance (N,) to the ego's route.

        Args:
            xy_N2: Map frame, m.
        """
        return np.asarray(self._path.query(xy_N2)[0])


def _tree(lanes: list[Lane]) -> tuple[cKDTree, FloatArray]:
    lines = [densify(lane.center_N2, 0.5) for lane in lanes]
    half = np.concatenate([np.full(len(line), lane.width_m / 2.0) for line, lane in zip(lines, lanes, strict=True)])
    return cKDTree(np.vstack(lines)), half


def _border_distance(tree: cKDTree, half_N: FloatArray, xy_N2: FloatArray) -> FloatArray:
    gap, index = tree.query(xy_N2, k=min(_NEAREST, len(half_N)))
    gap, index = gap.reshape(len(xy_N2), -1), index.reshape(len(xy_N2), -1)
    return np.asarray((gap - half_N[index]).min(axis=1))
