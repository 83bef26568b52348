"""Generated buildings along the streets of a map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.polylines import densify
from transdiffuser_planner.simulation.map.road_elements import Building, Lane, LaneKind

FloatArray = NDArray[np.float64]


def place_buildings(
    lanes: tuple[Lane, ...], junctions: tuple[FloatArray, ...], is_kept: Callable[[FloatArray], bool]
) -> tuple[Building, ...]:
    """Place boxes along the streets, clear of every road; the result depends on the map alone.

    Args:
        lanes: Of the map.
        junctions: Outlines (N, 2) in the map frame, m.
        is_kept: Whether points (N, 2) are in the region to build.
    """
    road = np.vstack([densify(lane.center_N2) for lane in lanes if not lane.internal] + [densify(j) for j in junctions])
    buildings: list[Building] = []
    centers: list[tuple[float, float, float]] = []
    for lane in lanes:
        if lane.kind != LaneKind.DRIVING or lane.internal or not lane.at_right_edge:
            continue
        rng = np.random.default_rng([int(v) & 0x7FFFFFFF for v in np.rint(lane.center_N2[0] * 10.0)])
        line = densify(lane.center_N2, 1.0)
        position = float(rng.uniform(4.0, 12.0))
        while position < len(line) - 6:
            width, depth = float(rng.uniform(8.0, 18.0)), float(rng.uniform(8.0, 14.0))
            at = int(min(position + width / 2.0, len(line) - 2))
            tangent = line[at + 1] - line[at]
            tangent = tangent / max(float(np.hypot(*tangent)), 1e-6)
            right = np.asarray([tangent[1], -tangent[0]])
            setback = lane.width_m / 2.0 + lane.verge_m + float(rng.uniform(5.0, 11.0)) + depth / 2.0
            middle = line[at] + setback * right
            radius = float(np.hypot(width, depth)) / 2.0
            free = ((road - middle) ** 2).sum(axis=1).min() > (radius + 2.5) ** 2
            apart = all((middle[0] - x) ** 2 + (middle[1] - y) ** 2 > (radius + r) ** 2 * 0.8 for x, y, r in centers)
            height, style = float(rng.uniform(5.0, 17.0)), int(rng.integers(0, 1 << 16))
            if free and apart and is_kept(middle[None]):
                corners = [
                    middle + a * width / 2.0 * tangent + b * depth / 2.0 * right
                    for a, b in ((-1, 1), (1, 1), (1, -1), (-1, -1))
                ]
                buildings.append(Building(corners_42=np.asarray(corners), height_m=height, style=style))
                centers.append((float(middle[0]), float(middle[1]), radius))
            position += width + float(rng.uniform(2.0, 14.0))
    return tuple(buildings)
