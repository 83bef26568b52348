"""Placement of things next to the streets, clear of lanes and of parked vehicles. Nothing of it is labeled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.geometry import box_corners
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.roadside.clutter_meshes import (
    add_barrier,
    add_bush,
    add_front,
    add_pole,
    add_thing,
    add_tree,
)
from transdiffuser_planner.simulation.roadside.street_sides import FreeSpace, StreetSide
from transdiffuser_planner.simulation.sensors.mesh import MeshBuilder

FloatArray = NDArray[np.float64]

REACH_M = 50.0
_LANE_GAP_M, _VEHICLE_GAP_M = 0.25, 0.3
_BARRIERS = ("wall", "fence", "rail", "hedge", "hedge")


@dataclass(frozen=True, kw_only=True, slots=True)
class ClutterDensity:
    """How much stands next to the streets; see the recipe for the meanings."""

    poles_per_100m: float
    trees_per_100m: float
    bushes_per_100m: float
    things_per_100m: float
    fronts: float
    barriers: float


class Clutter:
    """Things next to the streets of one drive.

    Args:
        free: Distances to lanes, sidewalks as moved by parking included.
        parked: Vehicles that stay clear.
        density: How much.
        random: Of the drive.
    """

    def __init__(
        self, free: FreeSpace, parked: AgentStates, density: ClutterDensity, random: np.random.Generator
    ) -> None:
        self._free, self._density, self._random = free, density, random
        corners = box_corners(parked.x_m_N, parked.y_m_N, parked.heading_rad_N, parked.length_m_N, parked.width_m_N)
        share = np.linspace(0.0, 1.0, 5)[:, None]
        ends = [corners[:, n, None] * (1.0 - share) + corners[:, (n + 1) % 4, None] * share for n in range(4)]
        self._parked = cKDTree(np.concatenate(ends, axis=1).reshape(-1, 2)) if len(parked) else None
        self.builder = MeshBuilder()

    def add_along(self, side: StreetSide, outer_m: float, curb_m: float) -> None:
        """Place things along one side.

        Args:
            side: Of a street.
            outer_m: Distance from the road's edge to the end of the sidewalk.
            curb_m: Distance from the road's edge to the curb, beyond the parking lane.
        """
        random, density, edge = self._random, self._density, side.road_edge
        if self._free.to_path(edge.xy_N2).min() > REACH_M:
            return
        front_m = outer_m + float(random.uniform(0.6, 6.0))
        if random.random() < density.fronts:
            self._along(side, front_m, lambda line, out: add_front(self.builder, line, out, random), 2)
        if random.random() < density.barriers:
            kind = str(random.choice(_BARRIERS))
            off = outer_m + float(random.uniform(0.3, max(0.4, front_m - outer_m - 0.3)))
            self._along(side, off, lambda line, _: add_barrier(self.builder, line, kind, random), 3)
        inner = curb_m + 0.3 if curb_m < outer_m else outer_m + 0.4
        spots: tuple[
            tuple[float, tuple[float, float], float, Callable[[MeshBuilder, FloatArray, np.random.Generator], None]],
            ...,
        ]
        spots = (
            (density.poles_per_100m, (inner, inner + 0.5), 0.1, add_pole),
            (0.4 * density.poles_per_100m, (outer_m + 0.3, outer_m + 8.0), 0.1, add_pole),
            (0.5 * density.trees_per_100m, (inner + 0.2, inner + 0.6), 0.2, add_tree),
            (0.5 * density.trees_per_100m, (outer_m + 0.5, outer_m + 12.0), 0.2, add_tree),
            (density.bushes_per_100m, (outer_m + 0.8, outer_m + 9.0), 1.0, add_bush),
            (density.things_per_100m, (outer_m - 0.4, outer_m + 2.5), 0.5, add_thing),
        )  # fmt: skip
        for per_100m, (near, far), radius, add in spots:
            for _ in range(random.poisson(per_100m * edge.length_m / 100.0)):
                place, _ = edge.at(float(random.uniform(0.0, edge.length_m)), float(random.uniform(near, far)))
                if self._is_free(place[None], radius):
                    add(self.builder, place, random)

    def _along(
        self, side: StreetSide, off_m: float, add: Callable[[FloatArray, FloatArray], None], min_points: int
    ) -> None:
        """Add pieces of something long, wherever its line is free, with gaps."""
        edge, random = side.road_edge, self._random
        line = edge.xy_N2 + off_m * edge.right_N2
        is_free = self._free_points(line, 0.4)
        first = 0
        while first < len(line) - 1:
            last = first + int(random.integers(5, 40))
            while first < len(line) and not is_free[first]:
                first += 1
            end = first
            while end < min(last, len(line)) and is_free[end]:
                end += 1
            if end - first >= min_points:
                add(line[first:end], edge.right_N2[first:end])
            first = max(end, first + 1) + int(random.integers(0, 5))

    def _is_free(self, xy_N2: FloatArray, radius_m: float) -> bool:
        return bool(self._free_points(xy_N2, radius_m).all())

    def _free_points(self, xy_N2: FloatArray, radius_m: float) -> NDArray[np.bool_]:
        ok = self._free.to_lanes(xy_N2) > radius_m + _LANE_GAP_M
        ok &= self._free.to_path(xy_N2) < REACH_M
        if self._parked is not None:
            ok &= self._parked.query(xy_N2)[0] > radius_m + _VEHICLE_GAP_M
        return np.asarray(ok)


def clear_of_buildings(road_map: RoadMap) -> Callable[[FloatArray], bool]:
    """Return a test of whether points (N, 2) are outside all buildings, by their circles.

    Args:
        road_map: Static elements.
    """
    if not road_map.buildings:
        return lambda points: True
    centers = np.asarray([building.corners_42.mean(axis=0) for building in road_map.buildings])
    radius = np.asarray([np.hypot(*(b.corners_42[0] - b.corners_42.mean(axis=0))) for b in road_map.buildings])
    return lambda points: bool((np.hypot(*(points[:, None] - centers).transpose(2, 0, 1)) > radius).all())
