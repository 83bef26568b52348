"""Route through a CARLA map as the planner's simulator describes one: center line, widths, limits, turns and stop lines.

All queries along it (command, limit, next signal) are those of ``simulation.map.route.GlobalRoute``, so that they mean in CARLA
what the model has learned.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.geometry import arc_length, resample_polyline, wrapped
from transdiffuser_planner.integrations.carla import frames
from transdiffuser_planner.integrations.carla.route.lane_graph import (
    SPACING_M,
    LaneGraph,
    LaneStep,
    key_of,
    until_lane_end,
)
from transdiffuser_planner.planning.observation.route_rules import RouteTurn, turn_command
from transdiffuser_planner.simulation.map.route import GlobalRoute, RouteSignal

FloatArray = NDArray[np.float64]
LimitOf = Callable[[Any], float]
"""Speed limit in m/s at a carla.Waypoint."""
CHANGE_LENGTH_M = 40.0
_SIGNAL_TYPE = "1000001"
_DETOUR, _DETOUR_M = 2.0, 60.0
"""Times and meters by which a way on lanes may be longer than the straight line."""
_REPEAT_M = 0.2
_JOINT_M = 2.0 * SPACING_M
"""Points this near may overlap at the joint of two lanes or of two pieces of the route."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Point of a route and the waypoint it belongs to."""

    xy_2: FloatArray
    waypoint: Any


def route_through(graph: LaneGraph, waypoints: Sequence[Any], limit_of: LimitOf) -> GlobalRoute:
    """Build the route that passes waypoints in order.

    Args:
        graph: Lanes of the map.
        waypoints: carla.Waypoint, at least two.
        limit_of: Speed limit at a waypoint.

    Returns:
        The route in the map frame.

    Raises:
        SimulationError: There is no way between two of them, or the route is shorter than 4 m.
    """
    places: list[_Place] = []
    for start, goal in itertools.pairwise(_without_detours(graph, waypoints)):
        for place in _between(graph.way(start, goal), start, goal):
            if not places or _is_ahead(places, place):
                places.append(place)
    if len(places) < 3:
        raise SimulationError("route: it is shorter than 4 m; choose a goal farther from the start")
    raw = np.stack([place.xy_2 for place in places])
    raw_s = arc_length(raw)
    s_N = np.arange(0.0, raw_s[-1], SPACING_M)
    of_N = [places[int(index)].waypoint for index in np.searchsorted(raw_s, s_N + 1e-6, side="right") - 1]
    turns = _turns(s_N, of_N)
    return GlobalRoute(
        xy_N2=resample_polyline(raw, s_N),
        s_N=s_N,
        speed_limit_mps_N=np.asarray([limit_of(waypoint) for waypoint in of_N], dtype=np.float64),
        lane_width_m_N=np.asarray([waypoint.lane_width for waypoint in of_N], dtype=np.float64),
        signals=_signals(graph, s_N, of_N, turns),
        turns=turns,
        lanes=(),
    )


def _without_detours(graph: LaneGraph, waypoints: Sequence[Any]) -> list[Any]:
    """Leave out points between first and last that a route would have to make a detour for.

    A position within a junction, or near a lane change, may have been found on a lane that crosses the one that was meant.
    """
    kept = [waypoints[0]]
    for waypoint in waypoints[1:-1]:
        if waypoint.is_junction:
            continue
        direct_m = float(waypoint.transform.location.distance(kept[-1].transform.location))
        try:
            points = _between(graph.way(kept[-1], waypoint), kept[-1], waypoint)
        except SimulationError:
            continue
        if SPACING_M * len(points) <= _DETOUR * direct_m + _DETOUR_M:
            kept.append(waypoint)
    return [*kept, waypoints[-1]]


def _is_ahead(places: list[_Place], place: _Place) -> bool:
    """Whether a point continues the route: no repeat of the last, and not behind it."""
    step = place.xy_2 - places[-1].xy_2
    gap_m = float(np.hypot(*step))
    if gap_m < _REPEAT_M or gap_m > _JOINT_M:
        return gap_m > _JOINT_M
    ahead = place.waypoint.transform.get_forward_vector()
    return bool(step @ np.asarray([ahead.x, -ahead.y]) > 0.0)


def _between(way: list[LaneStep], start: Any, goal: Any) -> list[_Place]:
    """Points from start to goal; lanes that are changed between are driven side by side."""
    groups: list[list[LaneStep]] = []
    for step in way:
        if step.is_changed_into:
            groups[-1].append(step)
        else:
            groups.append([step])
    places = []
    for number, group in enumerate(groups):
        begin = _share(group[0], start) if number == 0 else 0.0
        end = _share(group[-1], goal) if number == len(groups) - 1 else 1.0
        places += _abreast(group, begin, end)
    return places


def _share(step: LaneStep, waypoint: Any) -> float:
    """Share of a lane's length at the place of a waypoint, 0 to 1."""
    place = frames.xyz(waypoint.transform.location)[:2]
    gaps = np.hypot(*(frames.xy_of([w.transform.location for w in step.waypoints]) - place).T)
    return float(gaps.argmin()) / max(1, len(step.waypoints) - 1)


def _abreast(group: list[LaneStep], begin: float, end: float) -> list[_Place]:
    """Points along lanes side by side from a share of their length to another, changing from the first to the last."""
    lines = [frames.xy_of([w.transform.location for w in step.waypoints]) for step in group]
    length_m = SPACING_M * max(1, len(group[0].waypoints) - 1)
    num_changes = len(group) - 1
    if end <= begin and num_changes:
        end = min(1.0, begin + num_changes * SPACING_M / length_m)
    shares = np.linspace(begin, end, max(2, math.ceil((end - begin) * length_m / SPACING_M) + 1))
    over_m = min(CHANGE_LENGTH_M * num_changes, (end - begin) * length_m)
    places = []
    for share in shares:
        progress = min(1.0, (share - begin) * length_m / max(over_m, 1e-6)) * num_changes
        lower = min(int(progress), max(0, num_changes - 1))
        part = progress - lower
        blend = part * part * (3.0 - 2.0 * part)
        xy = _at(lines[lower], share)
        if num_changes:
            xy = (1.0 - blend) * xy + blend * _at(lines[lower + 1], share)
        step = group[min(lower + round(blend), num_changes)]
        places.append(_Place(xy, step.waypoints[round(share * (len(step.waypoints) - 1))]))
    return places


def _at(line_N2: FloatArray, share: float) -> FloatArray:
    """Point (2,) of a line at a share of its length."""
    index = share * (len(line_N2) - 1)
    return np.asarray([np.interp(index, np.arange(len(line_N2)), line_N2[:, axis]) for axis in (0, 1)])


def _turns(s_N: FloatArray, of_N: Sequence[Any]) -> tuple[RouteTurn, ...]:
    """Junctions along a route with the command that their change of heading means."""
    inside = np.asarray([False, *(bool(waypoint.is_junction) for waypoint in of_N), False])
    begins, ends = np.flatnonzero(~inside[:-1] & inside[1:]), np.flatnonzero(inside[:-1] & ~inside[1:]) - 1
    turns = []
    for first, last in zip(begins, ends, strict=True):
        entry, leave = (of_N[max(0, first - 1)], of_N[min(len(of_N) - 1, last + 1)])
        before, after = (frames.heading_of_yaw(w.transform.rotation.yaw) for w in (entry, leave))
        command = turn_command(wrapped(after - before))
        turns.append(RouteTurn(start_m=float(s_N[first]), end_m=float(s_N[last]), command=command))
    return tuple(turns)


def _signals(
    graph: LaneGraph, s_N: FloatArray, of_N: Sequence[Any], turns: tuple[RouteTurn, ...]
) -> tuple[RouteSignal, ...]:
    """Stop lines of the traffic lights along a route: a light within a junction stops vehicles at its entry."""
    found: dict[str, float] = {}
    before = None
    for s_m, waypoint in zip(s_N, of_N, strict=True):
        key = key_of(waypoint)
        if key == before:
            continue
        before = key
        for landmark in _lights_on_lane(graph.begin_of(waypoint)):
            if landmark.road_id != waypoint.road_id or landmark.waypoint.lane_id != waypoint.lane_id:
                continue
            stop_m = _stop_m(float(s_m), landmark, waypoint, turns)
            if stop_m is not None:
                found.setdefault(landmark.id, stop_m)
    return tuple(
        RouteSignal(s_m=stop_m, tls_id=name, link_index=0)
        for name, stop_m in sorted(found.items(), key=lambda item: item[1])
    )


def _lights_on_lane(waypoint: Any) -> list[Any]:
    """carla.Landmark of the traffic lights between a waypoint and the end of its lane, and some beyond."""
    try:
        reach_m = SPACING_M * (1 + len(until_lane_end(waypoint)))
        return list(waypoint.get_landmarks_of_type(reach_m, _SIGNAL_TYPE, False))
    except RuntimeError:  # at the very end of a lane the library has no distance left to search
        return []


def _stop_m(s_m: float, landmark: Any, waypoint: Any, turns: tuple[RouteTurn, ...]) -> float | None:
    """Arc length of a light's stop line; None for one behind the point where the route enters the lane."""
    if waypoint.is_junction:
        return next((turn.start_m for turn in turns if turn.start_m <= s_m <= turn.end_m), s_m)
    ahead_m = float(landmark.waypoint.s - waypoint.s)
    if waypoint.lane_id > 0:  # driven against the road's direction
        ahead_m = -ahead_m
    return s_m + ahead_m if ahead_m >= -SPACING_M else None
