"""Plans next to a model's own at one time: other speeds along its path and along the route, and shifts to the side.

M plans, T plan steps, F fine steps of 0.1 s, R route points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, resample_polyline

FloatArray = NDArray[np.float64]

ACCELERATIONS_MPS2 = (-5.0, -3.0, -1.5, -0.7, 0.0, 0.4, 0.8, 1.4)
SHIFTS_M = (-1.0, -0.5, 0.5, 1.0)
MERGE_M, MERGE_S = 10.0, 3.0
"""Length over which a plan joins the route: the larger of a distance and a time of driving."""
STRAIGHT_ON_M = 60.0
MIN_PATH_M = 2.0


def alternative_plans(
    own_T3: FloatArray, route_R2: FloatArray, speed_mps: float, limit_mps: float, times_s_T: FloatArray
) -> FloatArray:
    """Return alternatives (M, T, 3) in base_link to one of a model's plans.

    Args:
        own_T3: The model's typical plan in base_link.
        route_R2: Route in base_link from the ego on, at least two points.
        speed_mps: Present speed.
        limit_mps: Legal speed limit; faster profiles end at it.
        times_s_T: Times of the plan steps.
    """
    plans = []
    for path_K2 in (own_path(own_T3), route_path(route_R2, speed_mps)):
        for acceleration in ACCELERATIONS_MPS2:
            plans.append(along(path_K2, _distances(speed_mps, acceleration, limit_mps, times_s_T)))
    traveled_T = arc_length(np.concatenate([np.zeros((1, 2)), own_T3[:, :2]]))[1:]
    for shift_m in SHIFTS_M:
        plans.append(along(_shifted(own_path(own_T3), shift_m, speed_mps), traveled_T))
    return np.stack(plans)


def own_path(own_T3: FloatArray) -> FloatArray:
    """Return the path (K, 2) of a plan from base_link on, continued straight."""
    points = np.concatenate([np.zeros((1, 2)), own_T3[:, :2]])
    points = points[np.append(True, np.hypot(*np.diff(points, axis=0).T) > 0.05)]
    if len(points) < 2 or arc_length(points)[-1] < MIN_PATH_M:
        return np.asarray([[0.0, 0.0], [STRAIGHT_ON_M, 0.0]])
    end = points[-1] - points[-2]
    return np.concatenate([points, points[-1:] + STRAIGHT_ON_M * end / np.hypot(*end)])


def route_path(route_R2: FloatArray, speed_mps: float) -> FloatArray:
    """Return a path (K, 2) from base_link onto the route, which it joins smoothly.

    Args:
        route_R2: Route in base_link from the ego on.
        speed_mps: Present speed.
    """
    at = np.arange(0.0, max(arc_length(route_R2)[-1], 1.0), 0.5)
    xy = resample_polyline(route_R2, at)
    path = xy - (1.0 - _merged(at, speed_mps))[:, None] * xy[:1]
    end = path[-1] - path[-2] if len(path) > 1 else np.asarray([1.0, 0.0])
    return np.concatenate([path, path[-1:] + STRAIGHT_ON_M * end / max(float(np.hypot(*end)), 1e-9)])


def along(path_K2: FloatArray, distance_m_T: FloatArray) -> FloatArray:
    """Return poses (T, 3) at distances along a path, heading along it."""
    xy = resample_polyline(path_K2, distance_m_T)
    ahead, behind = (resample_polyline(path_K2, distance_m_T + offset_m) for offset_m in (0.5, -0.5))
    heading = np.unwrap(np.arctan2(*(ahead - behind).T[::-1]))
    return np.concatenate([xy, heading[:, None]], axis=1)


def _distances(speed_mps: float, acceleration_mps2: float, limit_mps: float, times_s_T: FloatArray) -> FloatArray:
    """Distances (T,) at constant acceleration between standstill and the limit."""
    fine_s = np.linspace(0.0, float(times_s_T[-1]), 401)
    highest = max(limit_mps, speed_mps)
    speed = np.clip(speed_mps + acceleration_mps2 * fine_s, 0.0, highest)
    distance = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(fine_s))])
    return np.asarray(np.interp(times_s_T, fine_s, distance))


def _shifted(path_K2: FloatArray, shift_m: float, speed_mps: float) -> FloatArray:
    """A path moved to the left, smoothly from its start on."""
    at = np.arange(0.0, arc_length(path_K2)[-1], 0.5)
    xy = resample_polyline(path_K2, at)
    tangent = np.gradient(xy, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)
    return np.asarray(xy + shift_m * _merged(at, speed_mps)[:, None] * normal)


def _merged(s_m_K: FloatArray, speed_mps: float) -> FloatArray:
    """Share (K,) of a change to another path that is made at distances along it, smooth up to the second derivative."""
    share = np.clip(s_m_K / max(MERGE_M, MERGE_S * speed_mps), 0.0, 1.0)
    return np.asarray(share**3 * (10.0 - 15.0 * share + 6.0 * share**2))
