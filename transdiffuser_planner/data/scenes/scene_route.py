"""What scenes need of a route: the center line ahead of a place, and the stretch that a red light closes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, resample_polyline
from transdiffuser_planner.data.scenes.scene_map import strip
from transdiffuser_planner.metrics.pdm.scene import RedLight
from transdiffuser_planner.planning.observation.route_features import along_route

FloatArray = NDArray[np.float64]

BEHIND_M, AHEAD_M = 30.0, 150.0
RED_LENGTH_M, RED_HALF_M = 10.0, 1.5


def center_line(route_N2: FloatArray, pose_3: FloatArray) -> FloatArray:
    """The route (K, 3) as x, y, heading, from 30 m behind a pose to 150 m ahead of it, every meter."""
    s_m = along_route(route_N2, pose_3, AHEAD_M)
    length_m = arc_length(route_N2)[-1]
    wanted = np.arange(max(s_m - BEHIND_M, 0.0), min(s_m + AHEAD_M, length_m), 1.0)
    if len(wanted) < 2:
        wanted = np.asarray([max(length_m - 2.0, 0.0), length_m])
    line_K2 = resample_polyline(route_N2, wanted)
    heading_K = np.unwrap(np.arctan2(*np.gradient(line_K2, axis=0).T[::-1]))
    return np.concatenate([line_K2, heading_K[:, None]], axis=-1)


def red_light(route_N2: FloatArray, stop_line_m: float, red_S: NDArray[np.bool_]) -> RedLight | None:
    """The stretch of a route behind a stop line; None where the route ends.

    Args:
        route_N2: The route.
        stop_line_m: Where the line is along it.
        red_S: When it is red.
    """
    line_K2 = resample_polyline(route_N2, stop_line_m + np.arange(0.0, RED_LENGTH_M + 0.5))
    if not arc_length(line_K2)[-1] > 1.0:
        return None
    ring_C2 = strip(distinct(line_K2), RED_HALF_M)
    return RedLight(token=f"light at {stop_line_m:.0f} m", ring_C2=ring_C2, red_S=red_S)


def distinct(line_K2: FloatArray) -> FloatArray:
    """A line without points that repeat the one before; may be a single point."""
    return np.asarray(line_K2[np.concatenate([[True], np.hypot(*np.diff(line_K2, axis=0).T) > 1e-3])])
