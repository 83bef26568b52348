"""Roads that cross others on another level. Networks are flat, so vehicles on bridges would meet those below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.simulation.map.opendrive.lane_lines import points_at
from transdiffuser_planner.simulation.map.opendrive.reference_line import polynomial
from transdiffuser_planner.simulation.map.opendrive.road_records import Road, RoadFile, has_driving_lane

FloatArray = NDArray[np.float64]

STEP_M = 3.0
CLEARANCE_M = 3.5
"""Difference of heights from which roads are on different levels."""
NEAR_M = 9.0


def roads_of_other_levels(roads: RoadFile) -> frozenset[str]:
    """Return the roads to leave out so that no two roads cross on different levels.

    Of each pair the road with more such crossings goes, then the higher one; a junction keeps its other roads.

    Args:
        roads: The file.
    """
    names = [road.road for road in roads.roads.values() if has_driving_lane(road)]
    points = [_points(roads.roads[name]) for name in names]
    owner = np.concatenate([np.full(len(p), i) for i, p in enumerate(points)])
    xyz = np.concatenate(points)
    pairs = cKDTree(xyz[:, :2]).query_pairs(NEAR_M, output_type="ndarray")
    pairs = pairs[np.abs(xyz[pairs[:, 0], 2] - xyz[pairs[:, 1], 2]) > CLEARANCE_M]
    # A point above another: the higher road first.
    higher = xyz[pairs[:, 0], 2] >= xyz[pairs[:, 1], 2]
    first, second = np.where(higher, pairs[:, 0], pairs[:, 1]), np.where(higher, pairs[:, 1], pairs[:, 0])
    conflicts = {(names[a], names[b]) for a, b in zip(owner[first], owner[second], strict=True) if a != b}
    gone: set[str] = set()
    while conflicts:
        count: dict[str, tuple[int, int]] = {}
        for upper, lower in conflicts:
            for name, is_upper in ((upper, 1), (lower, 0)):
                num, high = count.get(name, (0, 0))
                count[name] = (num + 1, high + is_upper)
        worst = max(count, key=lambda name: (count[name], name))
        gone.add(worst)
        conflicts = {pair for pair in conflicts if worst not in pair}
    return frozenset(gone)


def _points(road: Road) -> FloatArray:
    """Return points (N, 3) of a road's middle, m."""
    s = np.linspace(0.0, road.length_m, max(2, int(road.length_m / STEP_M) + 1))
    xy = points_at(road, s, polynomial(road.offset_K5, s))
    return np.column_stack([xy, polynomial(road.elevation_K5, s)])
