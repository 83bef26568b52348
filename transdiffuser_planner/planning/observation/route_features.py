"""The part of the route ahead of the ego, in base_link.

A route may come to one place several times: a lap that ends where it begins, laps driven twice, crossings. A vehicle that
has come along keeps its place on such a route; otherwise the piece with more route ahead counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline
from transdiffuser_planner.core.types import EgoState, Route

MAX_LATERAL_M = 10.0
HEADING_WEIGHT_M2 = 50.0
_SAME_DIRECTION = 0.9
_EQUAL_GAP_M, _EQUAL_ALONG = 1.0, 0.02
_END_GAP_M = 5.0
_KEPT_GAP_M = 2.0
_PASS_M = 10.0
_SLACK_M, _SLACK_SHARE = 5.0, 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutePlace:
    """Place of the ego on a route.

    Attributes:
        s_m: Arc length of the nearest point of its piece.
        lateral_m: Distance from it, positive left of the route.
    """

    s_m: float
    lateral_m: float


@dataclass(frozen=True, slots=True)
class RouteGeometry:
    """What of a route does not depend on the ego; N pieces.

    Attributes:
        xy: Polyline (N + 1, 2), m.
        edge_N2: Vectors of its pieces.
        length_N: Their lengths.
        begin_s: Arc lengths of its points (N + 1,).
    """

    xy: NDArray[np.float64]
    edge_N2: NDArray[np.float64]
    length_N: NDArray[np.float64]
    begin_s: NDArray[np.float64]

    @staticmethod
    def of(route_xy_N2: ArrayLike) -> RouteGeometry:
        """Compute it.

        Args:
            route_xy_N2: Polyline, at least two points, m.
        """
        xy = np.asarray(route_xy_N2, dtype=np.float64)
        edge = np.diff(xy, axis=0)
        length = np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-9)
        return RouteGeometry(xy=xy, edge_N2=edge, length_N=length, begin_s=arc_length(xy))


@dataclass(frozen=True, slots=True)
class _Pieces:
    """All pieces of a route as the ego sees them; N pieces."""

    s_N: NDArray[np.float64]
    gap_N2: NDArray[np.float64]
    distance_N: NDArray[np.float64]
    along_N: NDArray[np.float64]
    cost_N: NDArray[np.float64]
    edge_N2: NDArray[np.float64]
    length_m: float


def _pieces(line: RouteGeometry, ego: EgoState) -> _Pieces:
    """Projection of the ego onto every piece."""
    edge, length, begin = line.edge_N2, line.length_N, line.begin_s
    relative = np.asarray([ego.x_m, ego.y_m]) - line.xy[:-1]
    fraction = np.clip((relative * edge).sum(axis=1) / length**2, 0.0, 1.0)
    gap = relative - fraction[:, None] * edge
    along = (edge[:, 0] * np.cos(ego.heading_rad) + edge[:, 1] * np.sin(ego.heading_rad)) / length
    return _Pieces(
        s_N=begin[:-1] + fraction * length,
        gap_N2=gap,
        distance_N=np.hypot(gap[:, 0], gap[:, 1]),
        along_N=along,
        cost_N=(gap**2).sum(axis=1) + HEADING_WEIGHT_M2 * (1.0 - along),
        edge_N2=edge,
        length_m=float(begin[-1]),
    )


def locate(
    route: ArrayLike | RouteGeometry, ego: EgoState, horizon_m: float = 0.0, expected_s_m: float | None = None
) -> RoutePlace | None:
    """Locate the ego on a route, preferring pieces in the ego's direction.

    Args:
        route: Polyline (N, 2) in the ego's frame_id, at least two points, or its geometry where it is asked for often.
        ego: State in the same frame.
        horizon_m: Length of route that is used ahead: where less is left, a piece up to 5 m away that has more counts.
        expected_s_m: Arc length where a vehicle that has come along is; None without one.

    Returns:
        The place, or None when the ego is more than 10 m away from every piece of the route.
    """
    pieces = _pieces(route if isinstance(route, RouteGeometry) else RouteGeometry.of(route), ego)
    best = int(np.argmin(pieces.cost_N))
    if pieces.distance_N[best] > MAX_LATERAL_M:
        return None
    chosen = _choose(pieces, best, horizon_m, expected_s_m)
    edge, gap = pieces.edge_N2[chosen], pieces.gap_N2[chosen]
    side = np.sign(edge[0] * gap[1] - edge[1] * gap[0])
    return RoutePlace(s_m=float(pieces.s_N[chosen]), lateral_m=float(side * pieces.distance_N[chosen]))


def along_route(route_xy_N2: ArrayLike, pose_3: ArrayLike, horizon_m: float) -> float:
    """Return the arc length of the nearest point of a route; where it comes by twice, of the pass that ``locate`` finds.

    Args:
        route_xy_N2: Polyline, at least two points, meters.
        pose_3: x, y, heading in the same frame.
        horizon_m: Length of route that is used ahead.
    """
    x_m, y_m, heading_rad = np.asarray(pose_3, dtype=np.float64)
    nearest_m = float(project_onto_polyline(route_xy_N2, [[x_m, y_m]])[0][0])
    ego = EgoState(stamp_ns=0, frame_id="", x_m=x_m, y_m=y_m, heading_rad=heading_rad, vx_mps=0.0)
    place = locate(route_xy_N2, ego, horizon_m)
    return nearest_m if place is None or abs(place.s_m - nearest_m) <= _PASS_M else place.s_m


def _choose(pieces: _Pieces, best: int, horizon_m: float, expected_s_m: float | None) -> int:
    """The piece that counts of all that fit nearly as well as the best."""
    is_ending = pieces.length_m - pieces.s_N[best] < horizon_m
    reach_m = max(_KEPT_GAP_M, _END_GAP_M if is_ending else 0.0)
    fits = pieces.distance_N <= min(pieces.distance_N[best] + reach_m, MAX_LATERAL_M)
    fits &= pieces.along_N >= min(_SAME_DIRECTION, pieces.along_N[best] - _EQUAL_ALONG)
    passes = _passes(pieces, np.flatnonzero(fits))
    if len(passes) < 2:
        return best
    if expected_s_m is not None:
        near_m = np.abs(pieces.s_N[passes] - expected_s_m)
        if (
            near_m.min() <= _PASS_M
            and pieces.distance_N[passes[near_m.argmin()]] <= pieces.distance_N[best] + _KEPT_GAP_M
        ):
            return int(passes[near_m.argmin()])
    if not is_ending:
        passes = passes[pieces.distance_N[passes] <= pieces.distance_N[best] + _EQUAL_GAP_M]
    return int(passes[0])


def _passes(pieces: _Pieces, fits_K: NDArray[np.intp]) -> NDArray[np.intp]:
    """The best piece of every time the route comes by, in the order of the route."""
    if not len(fits_K):
        return fits_K
    breaks = np.flatnonzero(np.diff(pieces.s_N[fits_K]) > _PASS_M) + 1
    groups = np.split(fits_K, breaks)
    return np.asarray([group[pieces.cost_N[group].argmin()] for group in groups], dtype=np.intp)


class RouteMemory:
    """Where on its route the ego was last, so that it keeps its place on one that comes by twice. Not thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the place, as after a clock jump."""
        self._last: tuple[Route, EgoState, float] | None = None
        self._line: tuple[Route, RouteGeometry] | None = None

    def line(self, route: Route) -> RouteGeometry:
        """Return what is known of a route, computed once."""
        if self._line is None or self._line[0] is not route:
            self._line = (route, RouteGeometry.of(route.xy_N2))
        return self._line[1]

    def expected_s_m(self, route: Route, ego: EgoState) -> float | None:
        """Return the arc length at which the ego has arrived since the last cycle; None without a place on this route.

        Args:
            route: Of this cycle.
            ego: Of this cycle.
        """
        if self._last is None:
            return None
        before, then, s_m = self._last
        seconds = (ego.stamp_ns - then.stamp_ns) * 1e-9
        moved_m = math.hypot(ego.x_m - then.x_m, ego.y_m - then.y_m)
        allowed_m = _SLACK_M + (1.0 + _SLACK_SHARE) * max(abs(ego.vx_mps), abs(then.vx_mps)) * max(seconds, 0.0)
        is_same = before is route or (before.frame_id == route.frame_id and np.array_equal(before.xy_N2, route.xy_N2))
        return s_m + moved_m if is_same and seconds >= 0.0 and moved_m <= allowed_m else None

    def keep(self, route: Route, ego: EgoState, place: RoutePlace | None) -> None:
        """Remember the place of this cycle.

        Args:
            route: Of this cycle.
            ego: Of this cycle.
            place: Result of ``locate``.
        """
        self._last = None if place is None else (route, ego, place.s_m)


def route_tensor(
    route: Route | None, ego: EgoState, contract: ModelContract, memory: RouteMemory | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the route points ahead in base_link.

    Args:
        route: The whole route, or None.
        ego: Current state; a route in another frame is treated as absent.
        contract: Number and spacing of the points.
        memory: The ego's last place; updated. None without one.

    Returns:
        Points (R, 2) starting at the ego's projection, zeros where absent; validity (R,), 1.0 or 0.0.
    """
    points = np.zeros((contract.num_route_points, 2), dtype=np.float32)
    valid = np.zeros(contract.num_route_points, dtype=np.float32)
    if route is None or route.frame_id != ego.frame_id:
        return points, valid
    ahead = contract.route_spacing_m * np.arange(contract.num_route_points)
    line = RouteGeometry.of(route.xy_N2) if memory is None else memory.line(route)
    place = locate(line, ego, float(ahead[-1]), None if memory is None else memory.expected_s_m(route, ego))
    if memory is not None:
        memory.keep(route, ego, place)
    if place is None:
        return points, valid
    s = place.s_m + ahead
    inside = s <= line.begin_s[-1] + 1e-6
    x, y = (np.interp(s[inside], line.begin_s, line.xy[:, axis]) for axis in (0, 1))
    xy = np.stack([x, y], axis=-1) - [ego.x_m, ego.y_m]
    cos, sin = np.cos(ego.heading_rad), np.sin(ego.heading_rad)
    points[inside] = np.stack([cos * xy[:, 0] + sin * xy[:, 1], cos * xy[:, 1] - sin * xy[:, 0]], axis=-1)
    valid[inside] = 1.0
    return points, valid
