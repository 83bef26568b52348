"""The map of a scene from the pieces of the ground-truth map topic and the route. C corners, K points, N route points.

The topic has lanes as polygons, junctions as polygons, and center lines in driving order, without the polygon that a line
belongs to, and without neighbors and successors. These are derived from the shapes here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline, resample_polyline
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.metrics.pdm.geometry.polygons import pack_polygons, points_inside
from transdiffuser_planner.metrics.pdm.scene import Area, AreaKind
from transdiffuser_planner.metrics.pdm.scene_validation import first_crossing

FloatArray = NDArray[np.float64]

DRIVING_LANE, JUNCTION, LANE_CENTER = PieceKind.DRIVING_LANE, PieceKind.JUNCTION, PieceKind.LANE_CENTER
DRIVABLE_AREA = PieceKind.DRIVABLE_AREA
LANE_WIDTH_M: Final = 3.2
SEAM_M: Final = 0.1
"""Lanes are drivable so far beyond their borders: neighbors are rounded to centimeters and would leave gaps."""
ALONG: Final = 0.7
"""Cosine between a lane and the route, or its neighbor, above which they run the same way."""
_ADJACENT_M: Final = 1.4 * LANE_WIDTH_M
REACH_M: Final = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveMap:
    """The map of a drive.

    Attributes:
    areas: Everything.
    low_P2, high_P2: Their bounds.
    route: Tokens of lanes and connectors on the route.
    has_directions: Whether the center lines of lanes are known, and so which lanes run along the route.
    problems: One line for each piece that is no polygon.
    """

    areas: tuple[Area, ...]
    low_P2: FloatArray
    high_P2: FloatArray
    route: frozenset[str]
    has_directions: bool
    problems: tuple[str, ...]

    def near(self, point_2: FloatArray) -> tuple[Area, ...]:
        """Areas within reach of a point."""
        near_P = ((self.low_P2 < point_2 + REACH_M) & (self.high_P2 > point_2 - REACH_M)).all(axis=1)
        return tuple(self.areas[index] for index in np.flatnonzero(near_P))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lane:
    token: str
    line_K2: FloatArray
    has_polygon: bool


def make_map(pieces: Sequence[tuple[int, FloatArray]], route_N2: FloatArray) -> DriveMap:
    """Lanes, connectors, junctions, and which of them are on the route.

    Raises:
        EvaluationError: There is no lane.
    """
    areas: list[Area] = []
    problems: list[str] = []
    for kind, name, area_kind in (
        (DRIVING_LANE, "lane", AreaKind.LANE),
        (JUNCTION, "junction", AreaKind.INTERSECTION),
        (DRIVABLE_AREA, "drivable area", AreaKind.DRIVABLE_AREA),
    ):
        rings = [xy for piece, xy in pieces if piece == kind]
        for index, ring_C2 in enumerate(rings):
            ring_C2 = _opened(ring_C2)
            if len(ring_C2) < 3 or not np.isfinite(ring_C2).all() or first_crossing([ring_C2]) is not None:
                problems.append(f"map: {name} {index}: expected a polygon that does not cross itself, got another")
                continue
            areas.append(Area(token=f"{name} {index}", kind=area_kind, ring_C2=ring_C2))
    lanes = [area for area in areas if area.kind is AreaKind.LANE]
    if not lanes:
        raise EvaluationError("map: expected lanes, got none")
    lines = [xy for kind, xy in pieces if kind == LANE_CENTER and len(xy) >= 2 and np.isfinite(xy).all()]
    owner = _owners(lanes, lines)
    named = [
        _Lane(token=lanes[index].token, line_K2=line, has_polygon=True)
        for line, index in zip(lines, owner, strict=True)
        if index >= 0
    ]
    with_line = {lane.token: lane.line_K2 for lane in named}
    for lane in lanes:
        wide_C2 = _outset(lane.ring_C2, SEAM_M)
        rings = [wide_C2] if first_crossing([wide_C2]) is None else [lane.ring_C2]
        if lane.token in with_line:
            rings += _reach(with_line[lane.token])
        areas += _drivable(lane.token, rings)
    for index, line_K2 in enumerate(line for line, lane in zip(lines, owner, strict=True) if lane < 0):
        ring_C2, token = strip(line_K2, LANE_WIDTH_M / 2.0), f"connector {index}"
        areas += _drivable(token, _reach(line_K2))
        if first_crossing([ring_C2]) is None:
            areas.append(Area(token=token, kind=AreaKind.LANE_CONNECTOR, ring_C2=ring_C2))
            named.append(_Lane(token=token, line_K2=line_K2, has_polygon=False))
    return DriveMap(
        areas=tuple(areas),
        low_P2=np.stack([area.ring_C2.min(axis=0) for area in areas]),
        high_P2=np.stack([area.ring_C2.max(axis=0) for area in areas]),
        route=frozenset(_on_route(named, route_N2)),
        has_directions=any(lane.has_polygon for lane in named),
        problems=tuple(problems),
    )


def strip(line_K2: FloatArray, half_m: float) -> FloatArray:
    """The area (2K, 2) within half a width of a line."""
    step_K2 = np.gradient(line_K2, axis=0)
    across_K2 = np.stack([-step_K2[:, 1], step_K2[:, 0]], axis=-1) / np.maximum(np.hypot(*step_K2.T), 1e-9)[:, None]
    return np.concatenate([line_K2 + half_m * across_K2, (line_K2 - half_m * across_K2)[::-1]])


def _drivable(token: str, rings: Sequence[FloatArray]) -> list[Area]:
    return [
        Area(token=f"road {part} of {token}", kind=AreaKind.DRIVABLE_AREA, ring_C2=ring_C2)
        for part, ring_C2 in enumerate(rings)
    ]


def _reach(line_K2: FloatArray) -> list[FloatArray]:
    """Where a car may be on a lane, as the simulator sees it: half a width from its center line, beyond the ends too.

    Lanes are cut off at right angles where they meet junctions and leave wedges there. A line too bent for one ring has one
    for each of its edges.
    """
    whole_C2 = _capped(line_K2)
    if first_crossing([whole_C2]) is None:
        return [whole_C2]
    edges = [line_K2[index : index + 2] for index in range(len(line_K2) - 1)]
    return [_capped(edge_22) for edge_22 in edges if np.hypot(*(edge_22[1] - edge_22[0])) > 1e-3]


def _capped(line_K2: FloatArray) -> FloatArray:
    """A strip around a line that ends round."""
    half_m = LANE_WIDTH_M / 2.0 + SEAM_M
    side_C2 = strip(line_K2, half_m)
    left_K2, right_K2 = side_C2[: len(line_K2)], side_C2[len(line_K2) :]
    turn_A = np.linspace(0.0, np.pi, 7)[1:-1, None]

    def cap(middle_2: FloatArray, from_2: FloatArray) -> FloatArray:
        across_2 = from_2 - middle_2
        along_2 = np.asarray([across_2[1], -across_2[0]])
        return np.asarray(middle_2 + np.cos(turn_A) * across_2 + np.sin(turn_A) * along_2)

    front_A2, back_A2 = cap(line_K2[-1], left_K2[-1]), cap(line_K2[0], right_K2[-1])
    return np.concatenate([left_K2, front_A2, right_K2, back_A2])


def _opened(ring_C2: FloatArray) -> FloatArray:
    return ring_C2[:-1] if len(ring_C2) > 3 and (ring_C2[0] == ring_C2[-1]).all() else ring_C2


def _outset(ring_C2: FloatArray, by_m: float) -> FloatArray:
    """The ring with its edges moved outwards; sharp corners are cut at twice that."""
    x, y = ring_C2.T
    turns = np.sign(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    edge_C2 = np.roll(ring_C2, -1, axis=0) - ring_C2
    edge_C2 = edge_C2 / np.maximum(np.hypot(*edge_C2.T), 1e-9)[:, None]
    normal_C2 = turns * np.stack([edge_C2[:, 1], -edge_C2[:, 0]], axis=-1)
    both_C2 = normal_C2 + np.roll(normal_C2, 1, axis=0)
    squared_C = np.maximum((both_C2**2).sum(axis=1), 1.0)
    return np.asarray(ring_C2 + by_m * 2.0 * both_C2 / squared_C[:, None])


def _owners(lanes: Sequence[Area], lines: Sequence[FloatArray]) -> list[int]:
    """For each center line the lane that holds its middle, or -1 if none does: it leads through a junction."""
    if not lines:
        return []
    middle_L2 = np.stack([resample_polyline(line, [arc_length(line)[-1] / 2.0])[0] for line in lines])
    near_R, inside_RL = points_inside(pack_polygons([lane.ring_C2 for lane in lanes]), middle_L2)
    return [int(near_R[column.argmax()]) if column.any() else -1 for column in inside_RL.T]


def _on_route(lanes: Sequence[_Lane], route_N2: FloatArray) -> set[str]:
    """Lanes the route leads along, and their neighbors that run the same way."""
    found = {lane.token: lane for lane in lanes if _along(route_N2, lane)}
    waiting = list(found.values())
    middle_L2 = np.asarray([_middle(lane.line_K2) for lane in lanes]).reshape(-1, 2)
    while waiting:
        lane = waiting.pop()
        low_2, high_2 = lane.line_K2.min(axis=0) - _ADJACENT_M, lane.line_K2.max(axis=0) + _ADJACENT_M
        near_L = ((middle_L2 >= low_2) & (middle_L2 <= high_2)).all(axis=1)
        for other in itertools.compress(lanes, near_L):
            if other.token not in found and _is_adjacent(lane, other):
                found[other.token] = other
                waiting.append(other)
    return set(found)


def _along(route_N2: FloatArray, lane: _Lane) -> bool:
    """Whether the route lies on the lane somewhere and runs its way there; of connectors both ends must lie near it."""
    line_K2 = lane.line_K2
    _, end_offset_m = project_onto_polyline(route_N2, line_K2[[0, -1]])
    if not lane.has_polygon and (np.abs(end_offset_m) > _ADJACENT_M).any():
        return False
    s_m, _ = project_onto_polyline(line_K2, route_N2)
    gap_m = np.hypot(*(resample_polyline(line_K2, s_m) - route_N2).T)
    on_N = (gap_m < LANE_WIDTH_M / 2.0) & (s_m > 0.0) & (s_m < arc_length(line_K2)[-1])
    if not on_N.any():
        return False
    cosine_N = (_direction(line_K2, s_m) * _direction(route_N2, arc_length(route_N2))).sum(axis=-1)
    return bool((cosine_N[on_N] > ALONG).mean() > 0.5)


def _is_adjacent(lane: _Lane, other: _Lane) -> bool:
    """Whether the middle of one lies a lane's width to the side of the other, and they run the same way."""
    s_m, offset_m = project_onto_polyline(lane.line_K2, _middle(other.line_K2))
    if not (0.0 < s_m[0] < arc_length(lane.line_K2)[-1]) or abs(offset_m[0]) > _ADJACENT_M:
        return False
    half = np.asarray([arc_length(other.line_K2)[-1] / 2.0])
    return bool((_direction(lane.line_K2, s_m) * _direction(other.line_K2, half)).sum() > ALONG)


def _middle(line_K2: FloatArray) -> FloatArray:
    """Point (2,) halfway along a line."""
    return np.asarray(resample_polyline(line_K2, [arc_length(line_K2)[-1] / 2.0])[0])


def _direction(line_K2: FloatArray, s_X: FloatArray) -> FloatArray:
    """Unit vectors (X, 2) along a line."""
    upper = np.clip(np.searchsorted(arc_length(line_K2), s_X), 1, len(line_K2) - 1)
    step_X2 = line_K2[upper] - line_K2[upper - 1]
    return np.asarray(step_X2 / np.maximum(np.hypot(*step_X2.T), 1e-9)[:, None])
