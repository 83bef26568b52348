"""Inputs of the planner that a data set does not record itself: route, driving command, speed limit and next signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline, resample_polyline, wrap_angle
from transdiffuser_planner.core.types import EgoState, Route, SignalState, TrafficSignal
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.drive_route import DriveRoute, route_of
from transdiffuser_planner.planning.observation.route_rules import (
    RouteTurn,
    command_at,
    is_next_signal,
    turn_command,
)

FloatArray = NDArray[np.float64]

INTERVAL_NS: Final = 100_000_000
STOP_LINE_OFFSET_M: Final = 5.0
SIGNAL_AGE_NS: Final = 1_000_000_000
"""States of lights that are older than this are unknown."""
_BACK_M, _AHEAD_M = 5.0, 40.0


def derive_inputs(log: DriveLog) -> DriveLog:
    """Add route, driving commands, speed limits and the next signal to a log, each where it can be known.

    Args:
        log: Odometry, lanes and lights count; names of the added inputs join ``inputs``.

    Returns:
        The same log.
    """
    states = _thinned(log.ego.states)
    if len(states) < 2:
        return log
    route = route_of(states, log.lanes)
    first = states[0]
    log.routes = [
        (first.stamp_ns, Route(stamp_ns=first.stamp_ns, frame_id=first.frame_id, xy_N2=route.xy_N2)),
    ]
    if route.is_straight_beyond:
        log.notes.append("route: no lane of the map goes on from the last pose, it continues straight ahead")
    added = {"route"}
    place_m_E = _places(route.xy_N2, states)
    stamps_ns = [state.stamp_ns for state in states]
    if any(lane.is_in_junction for lane in log.lanes):
        turns = _turns(route)
        log.commands = [(at_ns, command_at(turns, s_m)) for at_ns, s_m in zip(stamps_ns, place_m_E, strict=True)]
        added.add("command")
    log.speed_limits = _speed_limits(route, stamps_ns, place_m_E)
    if log.speed_limits:
        added.add("speed_limit")
    if log.lights:
        log.signals = _signals(log, route, stamps_ns, place_m_E)
        added.add("traffic_signal")
    log.inputs = log.inputs | added
    return log


def _thinned(states: Sequence[EgoState]) -> list[EgoState]:
    """States about every 0.1 s, and the last one."""
    found: list[EgoState] = []
    for state in states:
        if not found or state.stamp_ns - found[-1].stamp_ns >= 0.9 * INTERVAL_NS:
            found.append(state)
    return found if not found or found[-1] is states[-1] else [*found, states[-1]]


def _places(xy_N2: FloatArray, states: Sequence[EgoState]) -> list[float]:
    """Arc length of each state along the route; loops are passed in order, and none is left by standing."""
    s_N = arc_length(xy_N2)
    found, place_m = [], 0.0
    for state in states:
        near = np.flatnonzero((s_N >= place_m - _BACK_M) & (s_N <= place_m + _AHEAD_M))
        if len(near) >= 2:
            along_m, _ = project_onto_polyline(xy_N2[near], np.asarray([state.x_m, state.y_m]))
            place_m = float(s_N[near[0]] + along_m[0])
        found.append(place_m)
    return found


def _turns(route: DriveRoute) -> list[RouteTurn]:
    """Begin, end and command of each junction on the route."""
    stretches: list[list[float]] = []
    for lane, begin_m, end_m in route.lanes:
        if not lane.is_in_junction:
            continue
        if stretches and begin_m - stretches[-1][1] < 2.0:
            stretches[-1][1] = end_m
        else:
            stretches.append([begin_m, end_m])
    found = []
    for begin_m, end_m in stretches:
        ends_4 = resample_polyline(route.xy_N2, [begin_m - 2.0, begin_m, end_m, end_m + 2.0])
        before_2, after_2 = ends_4[1] - ends_4[0], ends_4[3] - ends_4[2]
        turn_rad = float(wrap_angle(np.arctan2(after_2[1], after_2[0]) - np.arctan2(before_2[1], before_2[0])))
        found.append(RouteTurn(start_m=begin_m, end_m=end_m, command=turn_command(turn_rad)))
    return found


def _speed_limits(route: DriveRoute, stamps_ns: Sequence[int], place_m_E: Sequence[float]) -> list[tuple[int, float]]:
    """The limit of the lane at each stamp; on lanes without one the limit before it holds."""
    limits = [(begin_m, lane.speed_limit_mps) for lane, begin_m, _ in route.lanes if lane.speed_limit_mps is not None]
    found = []
    for stamp_ns, s_m in zip(stamps_ns, place_m_E, strict=True):
        passed = [limit for begin_m, limit in limits if begin_m <= s_m]
        if passed:
            found.append((stamp_ns, passed[-1]))
    return found


def _signals(
    log: DriveLog, route: DriveRoute, stamps_ns: Sequence[int], place_m_E: Sequence[float]
) -> list[TrafficSignal]:
    """State and distance of the next light on the route at each stamp; UNKNOWN without one."""
    front_m = (EGO_VEHICLE if log.rig is None else log.rig.vehicle).front_offset_m
    on_route = {lane.number for lane, _, _ in route.lanes}
    stops: list[tuple[float, int]] = []
    for light in log.lights:
        if light.lane in on_route:
            point_2 = np.asarray([light.x_m, light.y_m])
            s_m, _ = project_onto_polyline(route.xy_N2, point_2)
            if np.hypot(*(resample_polyline(route.xy_N2, s_m)[0] - point_2)) < STOP_LINE_OFFSET_M:
                stops.append((float(s_m[0]), light.number))
    stops.sort()
    known_ns = np.asarray([stamp_ns for stamp_ns, _ in log.light_states], dtype=np.int64)
    found = []
    for stamp_ns, place_m in zip(stamps_ns, place_m_E, strict=True):
        index = int(np.searchsorted(known_ns, stamp_ns, side="right")) - 1
        is_known = index >= 0 and stamp_ns - int(known_ns[index]) <= SIGNAL_AGE_NS
        states = log.light_states[index][1] if is_known else {}
        ahead = [(stop_m - place_m - front_m, number) for stop_m, number in stops]
        ahead = [item for item in ahead if is_next_signal(item[0])]
        state, distance_m = SignalState.UNKNOWN, 0.0
        if ahead and ahead[0][1] in states:
            state, distance_m = states[ahead[0][1]], max(0.0, ahead[0][0])
        found.append(TrafficSignal(stamp_ns=stamp_ns, state=state, distance_m=distance_m))
    return found
