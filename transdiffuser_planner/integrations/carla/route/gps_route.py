"""The leaderboard's GPS route: points far apart, first in a local map frame, then a polyline to follow.

With the map (track MAP) the way between the points is found on its lanes (``map_route``). Without it (track SENSORS) a centripetal
Catmull-Rom spline passes through them (Yuksel et al., 2011), which needs points at entries and exits of junctions, where the
leaderboard has them, and is wrong in bends between points 200 m apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.integrations.carla.geodesy import LocalMap

FloatArray = NDArray[np.float64]
GpsPlan = Sequence[tuple[Mapping[str, float], Any]]
"""({"lat", "lon", "z"}, RoadOption) per point."""
SPACING_M = 2.0
_REPEAT_M = 0.5


def gps_points(plan: GpsPlan) -> FloatArray:
    """Return latitudes and longitudes (N, 2) of a plan in degrees.

    Args:
        plan: At least two points.

    Raises:
        InputError: Fewer than two points, or one without coordinates.
    """
    try:
        points = np.asarray([(point["lat"], point["lon"]) for point, _option in plan], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        raise InputError("route: expected (dictionary with lat, lon, z; road option) per point") from None
    if len(points) < 2 or not np.isfinite(points).all():
        raise InputError(f"route: expected at least two points with finite coordinates, got {len(points)}")
    return points


def origin_of(plan: GpsPlan) -> LocalMap:
    """Return a local map frame with its origin at the first point of a plan.

    Args:
        plan: At least two points.

    Raises:
        InputError: The plan has no coordinates.
    """
    latitude, longitude = gps_points(plan)[0]
    return LocalMap(latitude_deg=float(latitude), longitude_deg=float(longitude))


def positions(plan: GpsPlan, local: LocalMap) -> FloatArray:
    """Return the points (N, 2) of a plan in a map frame, m.

    Args:
        plan: At least two points.
        local: Map frame.

    Raises:
        InputError: The plan has no coordinates.
    """
    points = gps_points(plan)
    return local.xy(points[:, 0], points[:, 1])


def smooth_line(xy_N2: FloatArray) -> FloatArray:
    """Return a polyline (M, 2) with points about every 2 m through sparse points.

    Args:
        xy_N2: In driving order, m.

    Raises:
        InputError: All points are one place.
    """
    steps = np.hypot(*np.diff(xy_N2, axis=0).T)
    xy = xy_N2[np.append(True, steps > _REPEAT_M)]
    if len(xy) < 2:
        raise InputError("route: all its points are one place; give a route of some meters")
    padded = np.concatenate([[2.0 * xy[0] - xy[1]], xy, [2.0 * xy[-1] - xy[-2]]])
    pieces = [_piece(padded[i : i + 4]) for i in range(len(xy) - 1)]
    return np.concatenate([*pieces, xy[-1:]])


def _piece(corners_42: FloatArray) -> FloatArray:
    """Points of the spline between the second and the third of four points, the third left out."""
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(np.hypot(*np.diff(corners_42, axis=0).T)))])
    num = max(1, round(float(np.hypot(*(corners_42[2] - corners_42[1]))) / SPACING_M))
    level = [np.repeat(corners_42[i][None], num, axis=0) for i in range(4)]
    t = np.linspace(knots[1], knots[2], num, endpoint=False)[:, None]
    for width in (1, 2, 2):  # Barry and Goldman's pyramid: spans of one knot interval, then two, then the middle one
        spans = [(i, i + width) for i in range(len(level) - 1)] if len(level) > 2 else [(1, 2)]
        level = [
            ((knots[b] - t) * level[i] + (t - knots[a]) * level[i + 1]) / (knots[b] - knots[a])
            for i, (a, b) in enumerate(spans)
        ]
    return level[0]
