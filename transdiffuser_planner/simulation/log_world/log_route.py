"""The route of a log world: the lanes that the human drove along, continued beyond the end of the log. P points.

The human's path is moved sideways onto the center of the lane that it runs along, so that the route holds which way the
human went, and neither where in the lane nor how fast. A route that was recorded is used as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline, resample_polyline, wrap_angle
from transdiffuser_planner.core.smoothing import gaussian_smoothed
from transdiffuser_planner.data.logs.map_elements import MapLane, PieceKind
from transdiffuser_planner.metrics.pdm.geometry.polygons import pack_polygons, points_inside
from transdiffuser_planner.planning.observation.route_rules import RouteTurn, turn_command
from transdiffuser_planner.simulation.log_world.log_lanes import DEFAULT_WIDTH_M, follow, heading_at, lane_width_m
from transdiffuser_planner.simulation.log_world.recorded_world import RecordedWorld, Stretch
from transdiffuser_planner.simulation.map.route import SPACING_M, GlobalRoute, RouteSignal
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]

AHEAD_M: Final = 160.0
"""Length of the route beyond the human's last position."""
BEHIND_M: Final = 30.0
FINE_M: Final = 1.0
LANE_REACH_M: Final = 2.2
"""A path farther from every center line than this is not moved onto one."""
ALONG: Final = 0.85
OFFSET_SMOOTHING_M: Final = 6.0
LINE_SMOOTHING_M: Final = 1.5
RECORDED_WITHIN_M: Final = 4.0
"""A recorded route that the human left by more than this was not driven."""
DEFAULT_LIMIT_MPS: Final = 13.4
"""30 mph, the usual limit of towns, where neither log nor map states one."""
LIMIT_STEP_MPS: Final = 2.235
"""5 mph: the assumed limit is the next one above the human's fastest."""
JUNCTION_GAP_M: Final = 6.0


def log_route(world: RecordedWorld, stretch: Stretch, signals: Sequence[RouteSignal] = ()) -> GlobalRoute:
    """Build the route through a stretch of a log.

    Args:
        world: The log.
        stretch: Which the route is for.
        signals: Traffic signals on it, in driving order, as ``log_signals`` finds them.
    """
    line_P2 = route_line(world, stretch)
    s_P = arc_length(line_P2)
    return GlobalRoute(
        xy_N2=line_P2,
        s_N=s_P,
        speed_limit_mps_N=_limits(world, stretch, line_P2),
        lane_width_m_N=_widths(world.lanes, line_P2),
        signals=tuple(signals),
        turns=route_turns(world, line_P2),
        lanes=(),
    )


def route_line(world: RecordedWorld, stretch: Stretch) -> FloatArray:
    """Return the route's line (P, 2) with a point every 2 m, local frame.

    Args:
        world: The log.
        stretch: Which the route is for.
    """
    recorded = _recorded_line(world, stretch)
    if recorded is not None:
        return _resampled(recorded, SPACING_M)
    first, last = stretch.poses[0], stretch.poses[-1]
    path_P2 = _driven(stretch.poses)
    ahead_P2 = follow(np.asarray([last.x_m, last.y_m, last.heading_rad]), world.lanes, AHEAD_M)
    if len(ahead_P2):
        # The lane begins next to the last position; a few meters later the path has come onto it.
        path_P2 = np.concatenate([path_P2, ahead_P2[arc_length(ahead_P2) > 4.0]])
    path_P2 = np.concatenate([_straight(first, -BEHIND_M), path_P2])
    path_P2 = _onto_lanes(_resampled(path_P2, FINE_M), world.lanes)
    missing_m = AHEAD_M - (float(arc_length(ahead_P2)[-1]) if len(ahead_P2) else 0.0)
    if missing_m > 0.0:
        end_2, heading = path_P2[-1], heading_at(path_P2, float(arc_length(path_P2)[-1]))
        steps = np.arange(FINE_M, missing_m + FINE_M, FINE_M)[:, None]
        path_P2 = np.concatenate([path_P2, end_2 + steps * [np.cos(heading), np.sin(heading)]])
    return _resampled(_smooth(_resampled(path_P2, FINE_M), LINE_SMOOTHING_M), SPACING_M)


def _recorded_line(world: RecordedWorld, stretch: Stretch) -> FloatArray | None:
    """The recorded route that the human followed, or None; data sets do not record one, theirs is derived."""
    if world.log.data_set is not None:
        return None
    poses_K2 = np.asarray([(pose.x_m, pose.y_m) for pose in stretch.poses])
    for _, route in reversed(world.log.routes):
        line_P2 = np.asarray(route.xy_N2, dtype=np.float64) - world.origin_2
        if len(line_P2) < 2 or route.frame_id != stretch.states[0].frame_id:
            continue
        _, offset_K = project_onto_polyline(line_P2, poses_K2)
        if np.abs(offset_K).max() < RECORDED_WITHIN_M:
            return line_P2
    return None


def _driven(poses: Sequence[EgoPose]) -> FloatArray:
    """Positions of the human at least half a meter apart, and a last one ahead of where it stands."""
    kept = [poses[0]]
    for pose in poses:
        if np.hypot(pose.x_m - kept[-1].x_m, pose.y_m - kept[-1].y_m) > 0.5:
            kept.append(pose)
    return np.concatenate([np.asarray([(p.x_m, p.y_m) for p in kept]), _straight(kept[-1], 1.0)])


def _straight(pose: EgoPose, length_m: float) -> FloatArray:
    """Points every meter ahead of a pose, or behind it for a negative length, in driving order, the pose left out."""
    steps = np.arange(1.0, abs(length_m) + 0.5)[:, None] * np.sign(length_m)
    points = np.asarray([pose.x_m, pose.y_m]) + steps * [np.cos(pose.heading_rad), np.sin(pose.heading_rad)]
    return np.asarray(points if length_m > 0.0 else points[::-1])


def _onto_lanes(path_P2: FloatArray, lanes: Sequence[MapLane]) -> FloatArray:
    """Move a path (1 m spacing) sideways onto the center of the lanes along it, smoothly where it changes lanes."""
    step_P2 = np.gradient(path_P2, axis=0)
    unit_P2 = step_P2 / np.maximum(np.hypot(*step_P2.T), 1e-9)[:, None]
    best_P = np.full(len(path_P2), np.nan)
    low_2, high_2 = path_P2.min(axis=0) - 5.0, path_P2.max(axis=0) + 5.0
    for lane in lanes:
        line_K2 = lane.center_K2
        if (line_K2.max(axis=0) < low_2).any() or (line_K2.min(axis=0) > high_2).any():
            continue
        s_P, offset_P = project_onto_polyline(line_K2, path_P2)
        edge = np.clip(np.searchsorted(arc_length(line_K2), s_P), 1, len(line_K2) - 1)
        along_P2 = line_K2[edge] - line_K2[edge - 1]
        along_P2 /= np.maximum(np.hypot(*along_P2.T), 1e-9)[:, None]
        inside_P = (s_P > 0.0) & (s_P < arc_length(line_K2)[-1])
        fits_P = inside_P & (np.abs(offset_P) < LANE_REACH_M) & ((along_P2 * unit_P2).sum(axis=1) > ALONG)
        better_P = fits_P & ~(np.abs(best_P) <= np.abs(offset_P))
        best_P[better_P] = offset_P[better_P]
    known_P = np.isfinite(best_P)
    if not known_P.any():
        return path_P2
    number_P = np.arange(len(path_P2))
    whole_P = np.interp(number_P, number_P[known_P], best_P[known_P])
    shift_P = gaussian_smoothed(whole_P, OFFSET_SMOOTHING_M / FINE_M, is_mirrored=True)
    normal_P2 = np.stack([-unit_P2[:, 1], unit_P2[:, 0]], axis=-1)
    return np.asarray(path_P2 - shift_P[:, None] * normal_P2)


def _resampled(line_P2: FloatArray, spacing_m: float) -> FloatArray:
    keep = np.append(True, np.hypot(*np.diff(line_P2, axis=0).T) > 1e-3)
    line_P2 = line_P2[keep]
    return np.asarray(resample_polyline(line_P2, np.arange(0.0, arc_length(line_P2)[-1], spacing_m)))


def _smooth(line_P2: FloatArray, by_m: float) -> FloatArray:
    """Smooth over space; the ends are continued straight, so that they stay in place."""
    pad = int(4.0 * by_m / FINE_M)
    ramp = np.arange(1, pad + 1)[:, None]
    before = line_P2[0] - ramp[::-1] * (line_P2[1] - line_P2[0])
    after = line_P2[-1] + ramp * (line_P2[-1] - line_P2[-2])
    padded = np.concatenate([before, line_P2, after])
    return gaussian_smoothed(padded, by_m / FINE_M, is_mirrored=True)[pad:-pad]


def _limits(world: RecordedWorld, stretch: Stretch, line_P2: FloatArray) -> FloatArray:
    """Speed limit at each point: recorded, else the map's, else assumed."""
    assumed = assumed_limit_mps(stretch.poses)
    limits = [(stamp, value) for stamp, value in world.log.speed_limits if value > 0.1]
    if limits:
        poses = {stretch.begin_ns + 100_000_000 * k: pose for k, pose in enumerate(stretch.poses)}
        stamps = np.asarray(list(poses))
        known = [(poses[int(stamps[np.abs(stamps - stamp).argmin()])], value) for stamp, value in limits]
        s_X, _ = project_onto_polyline(line_P2, [(pose.x_m, pose.y_m) for pose, _ in known])
        order = np.argsort(s_X, kind="stable")
        at = np.clip(np.searchsorted(s_X[order], arc_length(line_P2), side="right") - 1, 0, len(order) - 1)
        return np.asarray([known[i][1] for i in order])[at]
    found_P = np.full(len(line_P2), assumed)
    for lane in world.lanes:
        if lane.speed_limit_mps is not None:
            found_P[_on_lane(lane, line_P2)] = lane.speed_limit_mps
    return found_P


def assumed_limit_mps(poses: Sequence[EgoPose]) -> float:
    """Return the limit assumed where none is known: 30 mph, or the next multiple of 5 mph above the human's fastest.

    Args:
        poses: The human's drive.
    """
    fastest = max(pose.speed_mps for pose in poses)
    return max(DEFAULT_LIMIT_MPS, float(np.ceil(fastest / LIMIT_STEP_MPS)) * LIMIT_STEP_MPS)


def _widths(lanes: Sequence[MapLane], line_P2: FloatArray) -> FloatArray:
    found_P = np.full(len(line_P2), DEFAULT_WIDTH_M)
    for lane in lanes:
        if lane.left_B2 is not None:
            found_P[_on_lane(lane, line_P2)] = lane_width_m(lane)
    return found_P


def _on_lane(lane: MapLane, line_P2: FloatArray) -> NDArray[np.bool_]:
    """The points of a line that lie on a lane and run its way."""
    line_K2 = lane.center_K2
    if (line_K2.max(axis=0) < line_P2.min(axis=0) - 2.0).any() or (
        line_K2.min(axis=0) > line_P2.max(axis=0) + 2.0
    ).any():
        return np.zeros(len(line_P2), dtype=np.bool_)
    s_P, offset_P = project_onto_polyline(line_K2, line_P2)
    edge = np.clip(np.searchsorted(arc_length(line_K2), s_P), 1, len(line_K2) - 1)
    along_P = ((line_K2[edge] - line_K2[edge - 1]) * np.gradient(line_P2, axis=0)).sum(axis=1)
    return np.asarray((s_P > 0.0) & (s_P < arc_length(line_K2)[-1]) & (np.abs(offset_P) < 1.5) & (along_P > 0.0))


def route_turns(world: RecordedWorld, line_P2: FloatArray) -> tuple[RouteTurn, ...]:
    """Return the junctions on a route with the command that their change of heading implies.

    Args:
        world: The log.
        line_P2: The route, local frame.
    """
    rings = [xy for kind, xy in world.pieces if kind == PieceKind.JUNCTION and len(xy) >= 3]
    in_P = np.zeros(len(line_P2), dtype=np.bool_)
    if rings:
        _, inside_RP = points_inside(pack_polygons(rings), line_P2)
        in_P |= inside_RP.any(axis=0) if len(inside_RP) else False
    for lane in world.lanes:
        if lane.is_in_junction:
            in_P |= _on_lane(lane, line_P2)
    s_P, turns = arc_length(line_P2), []
    bounds: list[tuple[int, int]] = []
    for index in np.flatnonzero(in_P):
        if bounds and s_P[index] - s_P[bounds[-1][1]] < JUNCTION_GAP_M:
            bounds[-1] = (bounds[-1][0], int(index))
        else:
            bounds.append((int(index), int(index)))
    for first, last in bounds:
        start_m, end_m = float(s_P[first]), float(s_P[last])
        change = float(wrap_angle(heading_at(line_P2, end_m + 2.0) - heading_at(line_P2, max(start_m - 2.0, 0.0))))
        turns.append(RouteTurn(start_m=start_m, end_m=end_m, command=turn_command(change)))
    return tuple(turns)
