"""Lanes of a log in its local frame; where it has pieces of a map only, lanes are found in them. K points, C corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline, resample_polyline, wrap_angle
from transdiffuser_planner.data.logs.drive_log import MapPiece
from transdiffuser_planner.data.logs.map_elements import LaneUse, MapLane, PieceKind

FloatArray = NDArray[np.float64]

DEFAULT_WIDTH_M: Final = 3.2
JOINT_M: Final = 1.5
"""Largest distance from the end of a lane to the begin of its successor."""
JOINT_RAD: Final = 0.5
SAME_BORDER_M: Final = 0.4
AHEAD_RAD: Final = 0.8


def local_lanes(lanes: Sequence[MapLane], pieces: Sequence[MapPiece], origin_2: FloatArray) -> tuple[MapLane, ...]:
    """Return lanes for cars in the local frame.

    Args:
        lanes: Of the log, in its frame; empty for maps of pieces only.
        pieces: Of the map, local frame.
        origin_2: Of the local frame.
    """
    if not lanes:
        return tuple(_lanes_of_pieces(pieces))
    return tuple(
        replace(
            lane,
            center_K2=lane.center_K2 - origin_2,
            left_B2=None if lane.left_B2 is None else lane.left_B2 - origin_2,
            right_B2=None if lane.right_B2 is None else lane.right_B2 - origin_2,
        )
        for lane in lanes
        if lane.use is not LaneUse.BICYCLES and len(lane.center_K2) >= 2
    )


def _lanes_of_pieces(pieces: Sequence[MapPiece]) -> list[MapLane]:
    """Lanes of polygons whose halves are borders, and of center lines through junctions; neighbors by their borders."""
    found: list[MapLane] = []
    for kind, xy in pieces:
        if kind == PieceKind.DRIVING_LANE and len(xy) >= 4 and len(xy) % 2 == 0:
            left_B2, right_B2 = xy[: len(xy) // 2], xy[len(xy) // 2 :][::-1]
            center_K2 = 0.5 * (left_B2 + right_B2)
            if arc_length(center_K2)[-1] > 0.5:
                found.append(
                    MapLane(
                        number=len(found), use=LaneUse.CARS, center_K2=center_K2, left_B2=left_B2, right_B2=right_B2
                    )
                )
    with_area = len(found)
    middles_L2 = np.asarray([_middle(lane.center_K2) for lane in found]).reshape(-1, 2)
    for kind, xy in pieces:
        if kind != PieceKind.LANE_CENTER or len(xy) < 2:
            continue
        if with_area and np.hypot(*(middles_L2 - _middle(xy)).T).min() < 0.5:
            continue
        found.append(MapLane(number=len(found), use=LaneUse.CARS, center_K2=xy, is_in_junction=True))
    return [_joined(lane, found) for lane in found]


def _joined(lane: MapLane, lanes: Sequence[MapLane]) -> MapLane:
    """The lane with its successors and neighbors."""
    end_2, heading = lane.center_K2[-1], end_heading(lane.center_K2)
    successors = tuple(
        other.number
        for other in lanes
        if other is not lane
        and np.hypot(*(other.center_K2[0] - end_2)) < JOINT_M
        and abs(float(wrap_angle(begin_heading(other.center_K2) - heading))) < JOINT_RAD
    )
    return replace(
        lane, successors=successors, left=_beside(lane, lanes, left=True), right=_beside(lane, lanes, left=False)
    )


def _beside(lane: MapLane, lanes: Sequence[MapLane], *, left: bool) -> int | None:
    """The lane whose right (left) border is this one's left (right) border."""
    border_B2 = lane.left_B2 if left else lane.right_B2
    if border_B2 is None:
        return None
    middle_2 = _middle(border_B2)
    for other in lanes:
        facing_B2 = other.right_B2 if left else other.left_B2
        if other is lane or facing_B2 is None or len(facing_B2) < 2:
            continue
        if np.abs(facing_B2 - middle_2).max() < 0.1 or float(np.hypot(*(_middle(facing_B2) - middle_2))) > 200.0:
            continue
        s_m, offset_m = project_onto_polyline(facing_B2, middle_2[None])
        inside = 0.0 < s_m[0] < arc_length(facing_B2)[-1]
        if inside and abs(offset_m[0]) < SAME_BORDER_M:
            return other.number
    return None


def lane_width_m(lane: MapLane) -> float:
    """Return the width of a lane halfway along it; 3.2 m where its borders are unknown.

    Args:
        lane: Of the map.
    """
    if lane.left_B2 is None or lane.right_B2 is None:
        return DEFAULT_WIDTH_M
    _, gap_m = project_onto_polyline(lane.right_B2, _middle(lane.left_B2)[None])
    return float(np.clip(abs(gap_m[0]), 2.4, 6.0))


def lane_ahead(pose_3: FloatArray, lanes: Sequence[MapLane], reach_m: float) -> MapLane | None:
    """Return the lane that runs along a pose, nearest to it; None if there is none within reach.

    Args:
        pose_3: x, y, heading.
        lanes: Of the map, same frame.
        reach_m: Largest distance from the center line.
    """
    best, found = reach_m, None
    for lane in lanes:
        s_m, _ = project_onto_polyline(lane.center_K2, pose_3[None, :2])
        at_2 = resample_polyline(lane.center_K2, s_m)[0]
        gap_m = float(np.hypot(*(at_2 - pose_3[:2])))
        turned = abs(float(wrap_angle(heading_at(lane.center_K2, float(s_m[0])) - pose_3[2])))
        if gap_m < best and turned < AHEAD_RAD:
            best, found = gap_m, lane
    return found


def follow(pose_3: FloatArray, lanes: Sequence[MapLane], length_m: float) -> FloatArray:
    """Return the line (P, 2) ahead of a pose along its lane and the straightest successors; shorter where the map ends.

    Args:
        pose_3: x, y, heading.
        lanes: Of the map, same frame.
        length_m: Wanted length.
    """
    by_number = {lane.number: lane for lane in lanes}
    lane = lane_ahead(pose_3, lanes, 3.0)
    if lane is None:
        return np.zeros((0, 2))
    s_m, _ = project_onto_polyline(lane.center_K2, pose_3[None, :2])
    line = [_rest(lane.center_K2, float(s_m[0]))]
    visited = {lane.number}
    while sum(float(arc_length(part)[-1]) for part in line) < length_m:
        heading = end_heading(lane.center_K2)
        onward = [by_number[n] for n in lane.successors if n in by_number and n not in visited]
        if not onward:
            break
        lane = min(onward, key=lambda other: abs(float(wrap_angle(end_heading(other.center_K2) - heading))))
        visited.add(lane.number)
        line.append(lane.center_K2)
    return np.concatenate(line)


def begin_heading(line_K2: FloatArray) -> float:
    """Return the direction at the begin of a line, rad."""
    return heading_at(line_K2, 0.0)


def end_heading(line_K2: FloatArray) -> float:
    """Return the direction at the end of a line, rad."""
    return heading_at(line_K2, float(arc_length(line_K2)[-1]))


def heading_at(line_K2: FloatArray, s_m: float) -> float:
    """Return the direction of a line at an arc length, rad.

    Args:
        line_K2: At least two points, m.
        s_m: Arc length.
    """
    behind_2, ahead_2 = resample_polyline(line_K2, [max(s_m - 0.5, 0.0), s_m + 0.5])
    if np.hypot(*(ahead_2 - behind_2)) < 1e-6:
        behind_2, ahead_2 = line_K2[0], line_K2[-1]
    return float(np.arctan2(*(ahead_2 - behind_2)[::-1]))


def _rest(line_K2: FloatArray, s_m: float) -> FloatArray:
    s_K = arc_length(line_K2)
    return np.concatenate([resample_polyline(line_K2, [s_m]), line_K2[s_K > s_m + 0.1]])


def _middle(line_K2: FloatArray) -> FloatArray:
    return np.asarray(resample_polyline(line_K2, [arc_length(line_K2)[-1] / 2.0])[0])
