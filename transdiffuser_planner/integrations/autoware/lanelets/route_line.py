"""A LaneletRoute as a polyline on the map, with what its lanelets state: speed limits, turn directions, lane changes, stop lines.

The polyline follows the center lines of the preferred lanelets. Where the preferred lanelets of two segments lie side by side
the route changes lanes: over up to 60 m of the segment, not sideways. It is cut at the start and the goal. Arc lengths begin
at its first point. N points.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline
from transdiffuser_planner.integrations.autoware.lanelets.centerline import centerline
from transdiffuser_planner.integrations.autoware.lanelets.lanelet_map import Lanelet, LaneletMap, MapError
from transdiffuser_planner.integrations.autoware.lanelets.route_elements import (
    LaneChange,
    RouteLine,
    StopPoint,
    Stretch,
)

FloatArray = NDArray[np.float64]

LANE_CHANGE_M = 60.0
_SPACING_M = 1.0
_JOINT_M = 1e-3
_MAX_START_M = 30.0
_STOP_LINE_BEFORE_M, _STOP_LINE_OFFSET_M = 30.0, 10.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Piece:
    """The polyline of one lanelet, or of a change from it to ``target``."""

    lanelet: Lanelet
    target: Lanelet | None
    xyz_N3: FloatArray
    change_m: tuple[float, float] = (0.0, 0.0)
    is_left: bool = False


def route_line(
    lanelet_map: LaneletMap, segments: Sequence[tuple[int, Sequence[int]]], start_2: FloatArray, goal_2: FloatArray
) -> RouteLine:
    """Build the polyline of a route.

    Args:
        lanelet_map: The map that the route was made on.
        segments: Of each segment the preferred lanelet and all its lanelets.
        start_2: Position of the start, m.
        goal_2: Position of the goal, m.

    Raises:
        MapError: A lanelet is not in the map, two segments are not connected, the start lies elsewhere,
            or the goal lies before the start.
    """
    if not segments:
        raise MapError("route: it has no segments")
    pieces = _pieces(lanelet_map, segments, start_2, goal_2)
    xyz_N3, begins_m = _joined([piece.xyz_N3 for piece in pieces])
    s_N = arc_length(xyz_N3[:, :2])
    ends_m = [*begins_m[1:], float(s_N[-1])]
    first_m = _project(xyz_N3, s_N, start_2, begins_m[0], ends_m[0])[0]
    last_m = _project(xyz_N3, s_N, goal_2, begins_m[-1], ends_m[-1])[0]
    away_m = np.hypot(*(_cut(xyz_N3, s_N, first_m, first_m + _JOINT_M)[0, :2] - start_2))
    if away_m > _MAX_START_M:
        raise MapError(
            f"route: its start lies {away_m:.0f} m away from its first lanelet; give the map that it was made on"
        )
    if last_m - first_m < _JOINT_M:
        raise MapError("route: the goal does not lie behind the start")
    placed = list(zip(pieces, begins_m, ends_m, strict=True))
    stops = _stop_points(lanelet_map, placed, xyz_N3, s_N)
    changes = [
        LaneChange(
            begin_m=begin + piece.change_m[0] - first_m,
            end_m=begin + piece.change_m[1] - first_m,
            is_left=piece.is_left,
        )
        for piece, begin, _ in placed
        if piece.target is not None
    ]
    return RouteLine(
        xyz_N3=_cut(xyz_N3, s_N, first_m, last_m),
        stretches=tuple(
            _stretch(piece, max(begin, first_m) - first_m, min(end, last_m) - first_m) for piece, begin, end in placed
        ),
        lane_changes=tuple(changes),
        stop_points=tuple(
            StopPoint(s_m=s_m - first_m, rule_id=rule_id, turn_direction=turn)
            for s_m, rule_id, turn in stops
            if first_m <= s_m <= last_m
        ),
    )


@functools.cache
def center_of(lanelet: Lanelet) -> FloatArray:
    """Center line (N, 3) of a lanelet: the explicit one, else derived from its boundaries."""
    if lanelet.centerline_N3 is not None:
        return lanelet.centerline_N3
    return centerline(lanelet.left.xyz_N3, lanelet.right.xyz_N3)


def _pieces(
    lanelet_map: LaneletMap, segments: Sequence[tuple[int, Sequence[int]]], start_2: FloatArray, goal_2: FloatArray
) -> list[_Piece]:
    """The pieces of the polyline, one for each lanelet that is driven along or changed from."""
    preferred = [lanelet_map.lanelet(number) for number, _ in segments]
    adjacent = [[lanelet_map.lanelets[n] for n in others if n in lanelet_map.lanelets] for _, others in segments]
    steps = _steps(preferred, adjacent)
    pieces = []
    for index, (lanelet, target) in enumerate(steps):
        if target is None:
            pieces.append(_Piece(lanelet=lanelet, target=None, xyz_N3=center_of(lanelet)))
        else:
            ends = start_2 if index == 0 else None, goal_2 if index == len(steps) - 1 else None
            pieces.append(_change(lanelet, target, *ends))
    return pieces


def _steps(preferred: list[Lanelet], adjacent: list[list[Lanelet]]) -> list[tuple[Lanelet, Lanelet | None]]:
    """Lanelets in driving order, each with the one next to it that the route changes to, or None.

    Raises:
        MapError: Two segments are not connected.
    """
    steps: list[tuple[Lanelet, Lanelet | None]] = []
    here, index = preferred[0], 0
    while index < len(preferred) - 1:
        ahead = preferred[index + 1]
        if here.is_followed_by(ahead):
            steps.append((here, None))
            here, index = ahead, index + 1
            continue
        if here.is_adjacent_to(ahead) or ahead.lanelet_id in [other.lanelet_id for other in adjacent[index]]:
            # Both belong to one place along the road; the segment of the other one is passed with this change.
            follower = preferred[index + 2] if index + 2 < len(preferred) else None
            steps.append((here, ahead))
            if follower is None:
                return steps
            here, index = _after(ahead, follower, adjacent[index + 2]), index + 2
            steps += [(here, follower)] if here is not follower else []
            here = follower
            continue
        neighbor = next((other for other in adjacent[index] if other.is_followed_by(ahead)), None)
        if neighbor is not None:
            steps.append((here, neighbor))
            here, index = ahead, index + 1
            continue
        entered = next((other for other in adjacent[index + 1] if here.is_followed_by(other)), None)
        if entered is None:
            raise MapError(f"route: lanelets {here.lanelet_id} and {ahead.lanelet_id} are not connected in the map")
        steps += [(here, None), (entered, ahead)]
        if index + 2 >= len(preferred):
            return steps
        here, index = preferred[index + 2], index + 2
        if not ahead.is_followed_by(here):
            raise MapError(f"route: lanelets {ahead.lanelet_id} and {here.lanelet_id} are not connected in the map")
    return [*steps, (here, None)]


def _after(lanelet: Lanelet, follower: Lanelet, adjacent: list[Lanelet]) -> Lanelet:
    """The lanelet behind another one in the next segment: the preferred one, or one next to it.

    Raises:
        MapError: None of them follows.
    """
    found = next((other for other in (follower, *adjacent) if lanelet.is_followed_by(other)), None)
    if found is None:
        raise MapError(f"route: lanelets {lanelet.lanelet_id} and {follower.lanelet_id} are not connected in the map")
    return found


def _change(lanelet: Lanelet, target: Lanelet, start_2: FloatArray | None, goal_2: FloatArray | None) -> _Piece:
    """The piece that leads from one lane to the one next to it."""
    from_N3, to_N3 = center_of(lanelet), center_of(target)
    length_m = float(arc_length(from_N3[:, :2])[-1])
    fraction_N = np.linspace(0.0, 1.0, max(int(np.ceil(length_m / _SPACING_M)), 2) + 1)
    from_N3, to_N3 = _at_fractions(from_N3, fraction_N), _at_fractions(to_N3, fraction_N)
    begin = 0.0 if start_2 is None else float(project_onto_polyline(from_N3[:, :2], start_2[None])[0][0])
    end = length_m if goal_2 is None else float(project_onto_polyline(to_N3[:, :2], goal_2[None])[0][0])
    begin = min(begin, length_m - _SPACING_M)
    end = max(min(begin + LANE_CHANGE_M, end), begin + _SPACING_M)
    along_N = np.clip((fraction_N * length_m - begin) / (end - begin), 0.0, 1.0)
    weight_N = along_N**2 * (3.0 - 2.0 * along_N)
    aside_m = project_onto_polyline(from_N3[:, :2], to_N3[len(to_N3) // 2, :2][None])[1][0]
    return _Piece(
        lanelet=lanelet,
        target=target,
        xyz_N3=from_N3 + weight_N[:, None] * (to_N3 - from_N3),
        change_m=(begin, end),
        is_left=bool(aside_m > 0.0),
    )


def _at_fractions(xyz_N3: FloatArray, fraction_X: FloatArray) -> FloatArray:
    s_N = arc_length(xyz_N3[:, :2])
    return np.stack([np.interp(fraction_X * s_N[-1], s_N, column) for column in xyz_N3.T], axis=-1)


def _joined(lines: list[FloatArray]) -> tuple[FloatArray, list[float]]:
    """One polyline of several, and the arc length at which each begins."""
    xyz_N3, begins_m = lines[0], [0.0]
    for line in lines[1:]:
        begins_m.append(float(arc_length(xyz_N3[:, :2])[-1]))
        is_joint = np.hypot(*(line[0] - xyz_N3[-1])[:2]) < _JOINT_M
        xyz_N3 = np.concatenate([xyz_N3, line[1:] if is_joint else line])
    return xyz_N3, begins_m


def _project(
    xyz_N3: FloatArray, s_N: FloatArray, point_2: FloatArray, begin_m: float, end_m: float
) -> tuple[float, float]:
    """Arc length and lateral offset of the nearest point between two arc lengths."""
    part_N3 = _cut(xyz_N3, s_N, begin_m, end_m)
    s_1, aside_1 = project_onto_polyline(part_N3[:, :2], point_2[None])
    return begin_m + float(s_1[0]), float(aside_1[0])


def _cut(xyz_N3: FloatArray, s_N: FloatArray, begin_m: float, end_m: float) -> FloatArray:
    """The part of a polyline between two arc lengths."""
    inside_N = (s_N > begin_m + _JOINT_M) & (s_N < end_m - _JOINT_M)
    s_X = np.concatenate([[begin_m], s_N[inside_N], [end_m]])
    return np.stack([np.interp(s_X, s_N, column) for column in xyz_N3.T], axis=-1)


def _stretch(piece: _Piece, begin_m: float, end_m: float) -> Stretch:
    limits = [lane.speed_limit_mps for lane in (piece.lanelet, piece.target) if lane is not None]
    known = [limit for limit in limits if limit is not None]
    return Stretch(
        lanelet_id=piece.lanelet.lanelet_id,
        begin_m=begin_m,
        end_m=end_m,
        speed_limit_mps=min(known, default=None),
        turn_direction=piece.lanelet.turn_direction,
    )


def _stop_points(
    lanelet_map: LaneletMap, placed: list[tuple[_Piece, float, float]], xyz_N3: FloatArray, s_N: FloatArray
) -> list[tuple[float, int, str]]:
    """Arc length, regulatory element and turn direction of every stop line of a traffic light, in driving order."""
    found: list[tuple[float, int, str]] = []
    for piece, begin_m, end_m in placed:
        for rule_id in piece.lanelet.rule_ids:
            rule = lanelet_map.traffic_lights.get(rule_id)
            if rule is None:
                continue
            s_m = begin_m
            if rule.stop_line_N3 is not None:
                near = max(begin_m - _STOP_LINE_BEFORE_M, 0.0), end_m
                at_m, aside_m = _project(xyz_N3, s_N, rule.stop_line_N3[:, :2].mean(axis=0), *near)
                s_m = at_m if abs(aside_m) < _STOP_LINE_OFFSET_M else begin_m
            if not any(other == rule_id and abs(s_m - at) < _STOP_LINE_BEFORE_M for at, other, _ in found):
                found.append((s_m, rule_id, piece.lanelet.turn_direction))
    return sorted(found)
