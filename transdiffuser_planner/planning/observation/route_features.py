"""The part of the route ahead of the ego, in base_link."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.geometry import arc_length, resample_polyline
from transdiffuser_planner.core.types import EgoState, Route

MAX_LATERAL_M = 10.0
HEADING_WEIGHT_M2 = 50.0


def locate(route_xy_N2: ArrayLike, ego: EgoState) -> tuple[float, float] | None:
    """Locate the ego on a route, preferring pieces in the ego's direction.

    Args:
        route_xy_N2: Polyline in the ego's frame_id, at least two points.
        ego: State in the same frame.

    Returns:
        Arc length (m) and signed lateral offset (m, positive left of the route), or None when the ego is more than
        10 m away from every piece of the route.
    """
    xy = np.asarray(route_xy_N2, dtype=np.float64)
    start, edge = xy[:-1], np.diff(xy, axis=0)
    length = np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-9)
    relative = np.asarray([ego.x_m, ego.y_m]) - start
    fraction = np.clip((relative * edge).sum(axis=1) / length**2, 0.0, 1.0)
    gap = relative - fraction[:, None] * edge
    along = (edge[:, 0] * np.cos(ego.heading_rad) + edge[:, 1] * np.sin(ego.heading_rad)) / length
    best = int(np.argmin((gap**2).sum(axis=1) + HEADING_WEIGHT_M2 * (1.0 - along)))
    distance = float(np.hypot(*gap[best]))
    if distance > MAX_LATERAL_M:
        return None
    side = np.sign(edge[best, 0] * gap[best, 1] - edge[best, 1] * gap[best, 0])
    return float(arc_length(xy)[best] + fraction[best] * length[best]), float(side * distance)


def route_tensor(
    route: Route | None, ego: EgoState, contract: ModelContract
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the route points ahead in base_link.

    Args:
        route: The whole route, or None.
        ego: Current state; a route in another frame is treated as absent.
        contract: Number and spacing of the points.

    Returns:
        Points (R, 2) starting at the ego's projection, zeros where absent; validity (R,), 1.0 or 0.0.
    """
    points = np.zeros((contract.num_route_points, 2), dtype=np.float32)
    valid = np.zeros(contract.num_route_points, dtype=np.float32)
    if route is None or route.frame_id != ego.frame_id:
        return points, valid
    place = locate(route.xy_N2, ego)
    if place is None:
        return points, valid
    s = place[0] + contract.route_spacing_m * np.arange(contract.num_route_points)
    inside = s <= arc_length(route.xy_N2)[-1] + 1e-6
    xy = resample_polyline(route.xy_N2, s[inside]) - [ego.x_m, ego.y_m]
    cos, sin = np.cos(ego.heading_rad), np.sin(ego.heading_rad)
    points[inside] = np.stack([cos * xy[:, 0] + sin * xy[:, 1], cos * xy[:, 1] - sin * xy[:, 0]], axis=-1)
    valid[inside] = 1.0
    return points, valid
