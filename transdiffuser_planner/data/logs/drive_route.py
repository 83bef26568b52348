"""The route of a recorded drive: the driven path, continued along the lanes of the map. N route points, K lane points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline, resample_polyline, wrap_angle
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.logs.map_elements import LaneUse, MapLane

FloatArray = NDArray[np.float64]

SPACING_M: Final = 1.0
BEYOND_M: Final = 150.0
"""The route goes on for this long after the last pose."""
BEYOND_WITHOUT_MAP_M: Final = 60.0
BLEND_M: Final = 20.0
"""The driven path's distance from the center line vanishes within this length."""
MAX_OFFSET_M: Final = 3.0
MAX_TURN_RAD: Final = 0.8
"""A vehicle farther from a lane, or pointing elsewhere, does not drive on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveRoute:
    """The route of a drive.

    Attributes:
        xy_N2: Points, m, in the odometry's frame.
        lanes: Lanes along it, with the arc lengths at which it enters and leaves each.
        is_straight_beyond: Whether it goes straight on after the last pose because no lane was found there.
    """

    xy_N2: FloatArray
    lanes: tuple[tuple[MapLane, float, float], ...]
    is_straight_beyond: bool


def route_of(states: Sequence[EgoState], lanes: Sequence[MapLane]) -> DriveRoute:
    """Return the route of a drive.

    Args:
        states: Odometry in order, at least one.
        lanes: Lanes of the map; may be empty.
    """
    cars = [lane for lane in lanes if lane.use is not LaneUse.BICYCLES]
    driven_N2 = _driven(states)
    last = states[-1]
    chain = _chain(last, cars)
    if chain:
        beyond_N2 = _along(last, chain)
    else:
        ahead_N = np.arange(SPACING_M, BEYOND_WITHOUT_MAP_M + SPACING_M, SPACING_M)
        direction_2 = np.asarray([np.cos(last.heading_rad), np.sin(last.heading_rad)])
        beyond_N2 = np.asarray([last.x_m, last.y_m]) + ahead_N[:, None] * direction_2
    whole_N2 = np.concatenate([driven_N2, beyond_N2])
    keep_N = np.concatenate([[True], np.hypot(*np.diff(whole_N2, axis=0).T) > 0.05])
    xy_N2 = whole_N2[keep_N]
    return DriveRoute(xy_N2=xy_N2, lanes=tuple(_lanes_along(xy_N2, cars)), is_straight_beyond=not chain)


def _driven(states: Sequence[EgoState]) -> FloatArray:
    """The driven path with a point about every meter; standing adds none."""
    xy = [(states[0].x_m, states[0].y_m)]
    for state in states[1:]:
        if np.hypot(state.x_m - xy[-1][0], state.y_m - xy[-1][1]) >= SPACING_M:
            xy.append((state.x_m, state.y_m))
    end = (states[-1].x_m, states[-1].y_m)
    if np.hypot(end[0] - xy[-1][0], end[1] - xy[-1][1]) > 0.1 * SPACING_M:
        xy.append(end)
    return np.asarray(xy)


def lane_at(state: EgoState, lanes: Sequence[MapLane]) -> tuple[MapLane, float] | None:
    """Return the lane that a vehicle drives on and its arc length there, or None if it is on none.

    Args:
        state: Pose of the vehicle.
        lanes: Lanes to search.
    """
    best: tuple[float, MapLane, float] | None = None
    point_2 = np.asarray([state.x_m, state.y_m])
    for lane in lanes:
        line_K2 = lane.center_K2
        if (line_K2.min(axis=0) > point_2 + MAX_OFFSET_M).any() or (line_K2.max(axis=0) < point_2 - MAX_OFFSET_M).any():
            continue
        s_m, _ = project_onto_polyline(line_K2, point_2)
        gap_m = float(np.hypot(*(resample_polyline(line_K2, s_m)[0] - point_2)))
        turn_rad = abs(float(wrap_angle(_heading(line_K2, float(s_m[0])) - state.heading_rad)))
        if gap_m > MAX_OFFSET_M or turn_rad > MAX_TURN_RAD:
            continue
        cost = gap_m + 3.0 * turn_rad
        if best is None or cost < best[0]:
            best = (cost, lane, float(s_m[0]))
    return None if best is None else (best[1], best[2])


def _heading(line_K2: FloatArray, s_m: float) -> float:
    upper = int(np.clip(np.searchsorted(arc_length(line_K2), s_m, side="right"), 1, len(line_K2) - 1))
    step_2 = line_K2[upper] - line_K2[upper - 1]
    return float(np.arctan2(step_2[1], step_2[0]))


def _chain(state: EgoState, lanes: Sequence[MapLane]) -> list[tuple[MapLane, float]]:
    """The lane of a vehicle and those it leads to, each with the arc length to begin at: straightest first."""
    found = lane_at(state, lanes)
    if found is None:
        return []
    by_number: Mapping[int, MapLane] = {lane.number: lane for lane in lanes}
    chain = [found]
    length_m = arc_length(found[0].center_K2)[-1] - found[1]
    while length_m < BEYOND_M:
        last = chain[-1][0]
        known = {lane.number for lane, _ in chain}
        nexts = [by_number[number] for number in last.successors if number in by_number and number not in known]
        if not nexts:
            break
        straightest = min(nexts, key=lambda lane: abs(_turn_rad(lane)))
        chain.append((straightest, 0.0))
        length_m += arc_length(straightest.center_K2)[-1]
    return chain


def _turn_rad(lane: MapLane) -> float:
    """How far a lane turns, positive to the left."""
    line_K2 = lane.center_K2
    return float(wrap_angle(_heading(line_K2, np.inf) - _heading(line_K2, 0.0)))


def _along(state: EgoState, chain: Sequence[tuple[MapLane, float]]) -> FloatArray:
    """Points after a vehicle along a chain of lanes; its offset from their center vanishes along the way."""
    parts = []
    for lane, begin_m in chain:
        s_K = arc_length(lane.center_K2)
        wanted = np.concatenate([[begin_m], np.arange(begin_m + SPACING_M, s_K[-1], SPACING_M), [s_K[-1]]])
        parts.append(resample_polyline(lane.center_K2, wanted))
    line_N2 = np.concatenate(parts)
    line_N2 = line_N2[np.concatenate([[True], np.hypot(*np.diff(line_N2, axis=0).T) > 1e-3])]
    s_N = arc_length(line_N2)
    line_N2, s_N = line_N2[s_N <= BEYOND_M], s_N[s_N <= BEYOND_M]
    offset_2 = np.asarray([state.x_m, state.y_m]) - line_N2[0]
    left = np.clip(1.0 - s_N / BLEND_M, 0.0, 1.0)
    share_N = left * left * (3.0 - 2.0 * left)
    return np.asarray(line_N2 + share_N[:, None] * offset_2)[s_N > 0.0]


def _lanes_along(xy_N2: FloatArray, lanes: Sequence[MapLane]) -> list[tuple[MapLane, float, float]]:
    """Lanes that the route leads along, in driving order, with the arc lengths at which it enters and leaves them."""
    s_N = arc_length(xy_N2)
    heading_N = np.arctan2(*np.gradient(xy_N2, axis=0).T[::-1]) if len(xy_N2) > 1 else np.zeros(1)
    low_2, high_2 = xy_N2.min(axis=0) - MAX_OFFSET_M, xy_N2.max(axis=0) + MAX_OFFSET_M
    cost_N, best_N = np.full(len(xy_N2), np.inf), np.full(len(xy_N2), -1)
    for number, lane in enumerate(lanes):
        line_K2 = lane.center_K2
        if (line_K2.min(axis=0) > high_2).any() or (line_K2.max(axis=0) < low_2).any():
            continue
        along_N, _ = project_onto_polyline(line_K2, xy_N2)
        gap_N = np.hypot(*(resample_polyline(line_K2, along_N) - xy_N2).T)
        lane_heading_N = np.asarray([_heading(line_K2, s) for s in along_N]) if (gap_N < MAX_OFFSET_M).any() else 0.0
        turn_N = np.abs(wrap_angle(lane_heading_N - heading_N))
        value_N = np.where((gap_N < MAX_OFFSET_M) & (turn_N < MAX_TURN_RAD), gap_N + 3.0 * turn_N, np.inf)
        better_N = value_N < cost_N
        cost_N, best_N = np.where(better_N, value_N, cost_N), np.where(better_N, number, best_N)
    found = []
    for part in np.split(np.arange(len(best_N)), np.flatnonzero(np.diff(best_N)) + 1):
        if best_N[part[0]] >= 0:
            found.append((lanes[int(best_N[part[0]])], float(s_N[part[0]]), float(s_N[part[-1]])))
    return found
