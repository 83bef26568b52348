"""Parking lanes between road and sidewalk, and vehicles parked there and beyond the sidewalk.

Sidewalks move outwards where a parking lane is, and people on them with them, so that nothing overlaps. Parked vehicles
are agents that stand still: they are labeled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.geometry import box_corners
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.roadside.street_sides import FreeSpace, Line, StreetSide

FloatArray = NDArray[np.float64]

PARKING_M = 2.3
FIRST_PARKED_ID = 3_000_000
# Parking keeps off junctions.
_END_M, _RAMP_M, _MIN_STREET_M = 8.0, 4.0, 34.0
_REACH_M = 70.0
_LANE_GAP_M, _PATH_GAP_M = 0.1, 0.45
KINDS: tuple[tuple[AgentClass, float, float, float, float], ...] = (
    (AgentClass.CAR, 4.5, 1.80, 1.45, 0.40),
    (AgentClass.CAR, 3.8, 1.68, 1.50, 0.16),
    (AgentClass.CAR, 4.8, 1.92, 1.75, 0.24),
    (AgentClass.CAR, 5.4, 2.00, 2.20, 0.09),
    (AgentClass.TRUCK, 7.0, 2.30, 3.10, 0.04),
    (AgentClass.TRUCK, 11.5, 2.50, 3.20, 0.01),
    (AgentClass.MOTORCYCLE, 2.1, 0.80, 1.20, 0.06),
)
"""Class, length, width, height (m) and share of parked vehicles."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParkingRoadMap(RoadMap):
    """A road map with parking lanes.

    Attributes:
        parking: Their outlines (N, 2), map frame, m; drivable area, but no lane.
    """

    parking: tuple[FloatArray, ...]

    def map_polygons(self) -> list[tuple[PieceKind, FloatArray]]:
        """Return ground truth as of RoadMap; parking lanes are road."""
        return [*RoadMap.map_polygons(self), *((PieceKind.DRIVING_LANE, polygon) for polygon in self.parking)]


class Sidesteps:
    """Displacement of people by parking lanes.

    Args:
        moves: Of each moved sidewalk: its points (N, 2), displacements (N, 2), m, and its width.
    """

    def __init__(self, moves: list[tuple[FloatArray, FloatArray, float]]) -> None:
        self._tree = cKDTree(np.vstack([points for points, _, _ in moves])) if moves else None
        if moves:
            self._step_N2 = np.vstack([step for _, step, _ in moves])
            self._reach_N = np.concatenate([np.full(len(points), width / 2.0 + 0.5) for points, _, width in moves])

    def moved(self, agents: AgentStates) -> AgentStates:
        """Return the agents with people on moved sidewalks moved alike.

        Args:
            agents: Map frame.
        """
        people = np.flatnonzero(agents.class_N == int(AgentClass.PEDESTRIAN))
        if self._tree is None or not len(people):
            return agents
        gap, nearest = self._tree.query(np.stack([agents.x_m_N[people], agents.y_m_N[people]], axis=-1))
        on_it = gap < self._reach_N[nearest]
        x, y = agents.x_m_N.copy(), agents.y_m_N.copy()
        x[people[on_it]] += self._step_N2[nearest[on_it], 0]
        y[people[on_it]] += self._step_N2[nearest[on_it], 1]
        return replace(agents, x_m_N=x, y_m_N=y)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parking:
    """Parking lanes of a map.

    Attributes:
        road_map: With the lanes, and sidewalks moved.
        sides: Of the streets that have one.
        steps: For people.
    """

    road_map: ParkingRoadMap
    sides: tuple[StreetSide, ...]
    steps: Sidesteps


def add_parking_lanes(road_map: RoadMap, chosen: list[StreetSide], free: FreeSpace) -> Parking:
    """Put parking lanes along the chosen sides where nothing is in the way.

    Args:
        road_map: Static elements.
        chosen: Sides of streets with a sidewalk.
        free: Of the map.
    """
    lanes = {lane.lane_id: lane for lane in road_map.lanes}
    moves, polygons, sides = [], [], []
    for side in chosen:
        walk, edge = side.sidewalk, side.road_edge
        if walk is None or edge.length_m < _MIN_STREET_M:
            continue
        outer = edge.xy_N2 + (PARKING_M + walk.width_m + 0.3) * edge.right_N2
        middle = slice(int(_END_M), -int(_END_M))
        if free.to_lanes(outer[middle]).min() < 0.5:
            continue
        line = Line.of(walk.center_N2)
        step = _ramp(line) * PARKING_M * line.right_N2
        lanes[walk.lane_id] = replace(walk, center_N2=line.xy_N2 + step)
        moves.append((line.xy_N2, step, walk.width_m))
        across = (_ramp(edge) * PARKING_M)[middle]
        border = edge.xy_N2[middle]
        polygons.append(np.vstack([border, (border + across * edge.right_N2[middle])[::-1]]))
        sides.append(side)
    # Every element of the map but its lanes stays.
    elements = {name: getattr(road_map, name) for name in RoadMap.__dataclass_fields__}
    changed = ParkingRoadMap(**{**elements, "lanes": tuple(lanes.values())}, parking=tuple(polygons))
    return Parking(road_map=changed, sides=tuple(sides), steps=Sidesteps(moves))


def _ramp(line: Line) -> FloatArray:
    """Return 0 near the ends of a line and 1 between (N, 1)."""
    s = np.arange(len(line.xy_N2), dtype=np.float64)
    inside = np.minimum(s, s[-1] - s) - _END_M
    return np.asarray(np.clip(inside / _RAMP_M, 0.0, 1.0)[:, None])


class ParkingRows:
    """Parked vehicles, row after row.

    Args:
        free: Vehicles keep off lanes.
        is_clear: Whether a box's corners (4, 2) are clear of other things.
        random: Of the drive.
        occupancy: Share of places that are taken.
    """

    def __init__(
        self, free: FreeSpace, is_clear: Callable[[FloatArray], bool], random: np.random.Generator, occupancy: float
    ) -> None:
        self._free, self._is_clear, self._random, self._occupancy = free, is_clear, random, occupancy
        self._rows: list[tuple[float, ...]] = []

    def along(self, side: StreetSide) -> None:
        """Fill a parking lane.

        Args:
            side: Of a street.
        """
        s = _END_M + _RAMP_M
        while s < side.road_edge.length_m - _END_M - _RAMP_M - 3.0:
            kind = self._kind()
            off = 0.5 * PARKING_M + float(self._random.uniform(-0.12, 0.12))
            off = max(off, kind[2] / 2.0 + 0.15)
            turn = float(self._random.normal(0.0, 0.02)) + np.pi * (self._random.random() < 0.12)
            s += kind[1] / 2.0
            self._add(side, s, off, turn, kind)
            s += kind[1] / 2.0 + float(self._random.uniform(0.5, 1.8))

    def beyond(self, side: StreetSide) -> None:
        """Fill a row beyond the sidewalk: parallel, across or at an angle.

        Args:
            side: Of a street.
        """
        angle = float(self._random.choice([0.0, 0.5 * np.pi, -0.5 * np.pi, 0.9, -0.9]))
        setback = side.width_m + float(self._random.uniform(0.5, 5.0))
        spacing = 2.8 / max(abs(np.sin(angle)), 0.45)
        s = float(self._random.uniform(5.0, 20.0))
        while s < side.road_edge.length_m - 5.0:
            kind = self._kind()
            off = setback + 0.5 * (kind[1] * abs(np.sin(angle)) + kind[2] * abs(np.cos(angle)))
            self._add(side, s, off, angle + float(self._random.normal(0.0, 0.04)), kind)
            s += spacing + float(self._random.uniform(0.0, 0.6))
            if self._random.random() < 0.05:
                s += 15.0

    def agents(self) -> AgentStates:
        """Return all vehicles, standing."""
        rows = np.asarray(self._rows, dtype=np.float64).reshape(-1, 7)
        count = len(rows)
        return AgentStates(
            frame_id="map",
            id_N=(FIRST_PARKED_ID + np.arange(count)).astype(np.uint32),
            class_N=rows[:, 6].astype(np.int8),
            x_m_N=rows[:, 0],
            y_m_N=rows[:, 1],
            heading_rad_N=rows[:, 2],
            speed_mps_N=np.zeros(count),
            length_m_N=rows[:, 3],
            width_m_N=rows[:, 4],
            height_m_N=rows[:, 5],
            braking_N=np.zeros(count, dtype=np.bool_),
        )

    def _kind(self) -> tuple[AgentClass, float, float, float]:
        share = np.asarray([kind[4] for kind in KINDS])
        kind = KINDS[int(self._random.choice(len(KINDS), p=share / share.sum()))]
        size = self._random.uniform(0.93, 1.07, 3)
        return kind[0], kind[1] * float(size[0]), kind[2] * float(size[1]), kind[3] * float(size[2])

    def _add(
        self, side: StreetSide, s_m: float, right_m: float, turn: float, kind: tuple[AgentClass, float, float, float]
    ) -> None:
        """Add a vehicle if the place is taken and clear of lanes, of the ego's way and of other vehicles."""
        if self._random.random() > self._occupancy:
            return
        place, heading = side.road_edge.at(s_m, right_m)
        if self._free.to_path(place[None])[0] > _REACH_M:
            return
        box = box_corners(place[0], place[1], heading + turn, kind[1], kind[2])
        outline = np.vstack([box, 0.5 * (box + np.roll(box, 1, axis=0))])
        if self._free.to_lanes(outline).min() < _LANE_GAP_M or self._free.to_sidewalks(outline).min() < 0.0:
            return
        if not self._is_clear(outline):
            return
        near = [row for row in self._rows if np.hypot(row[0] - place[0], row[1] - place[1]) < 9.0]
        if any(_close(place, kind, heading + turn, row) for row in near):
            return
        self._rows.append((place[0], place[1], heading + turn, *kind[1:], float(kind[0])))


def _close(
    place: FloatArray, kind: tuple[AgentClass, float, float, float], heading: float, row: tuple[float, ...]
) -> bool:
    """Return whether two boxes come nearer than 0.2 m, by their axes."""
    boxes = ((place, heading, kind[1], kind[2]), (np.asarray(row[:2]), row[2], row[3], row[4]))
    corners = [box_corners(p[0], p[1], h, length + 0.2, width + 0.2) for p, h, length, width in boxes]
    for angle in (heading, heading + np.pi / 2.0, row[2], row[2] + np.pi / 2.0):
        axis = np.asarray([np.cos(angle), np.sin(angle)])
        a, b = corners[0] @ axis, corners[1] @ axis
        if a.max() < b.min() or b.max() < a.min():
            return False
    return True


def clear_of_track(
    parked: AgentStates, track_K3: FloatArray, half_width_m: float, ahead_m: tuple[float, float]
) -> AgentStates:
    """Return the parked vehicles that leave room for a track.

    Args:
        parked: Map frame.
        track_K3: x, y, heading of base_link.
        half_width_m: Of the ego.
        ahead_m: From base_link to the ego's rear and front.
    """
    along = np.linspace(*ahead_m, 5)
    x = track_K3[:, 0, None] + along * np.cos(track_K3[:, 2, None])
    y = track_K3[:, 1, None] + along * np.sin(track_K3[:, 2, None])
    tree = cKDTree(np.stack([x.ravel(), y.ravel()], axis=-1))
    corners = box_corners(parked.x_m_N, parked.y_m_N, parked.heading_rad_N, parked.length_m_N, parked.width_m_N)
    share = np.linspace(0.0, 1.0, 9)[:, None]
    sides = [corners[:, n, None] * (1.0 - share) + corners[:, (n + 1) % 4, None] * share for n in range(4)]
    outline = np.concatenate(sides, axis=1)
    gap = tree.query(outline.reshape(-1, 2))[0].reshape(len(parked), -1).min(axis=1) if len(parked) else np.zeros(0)
    return parked.select(gap > half_width_m + _PATH_GAP_M)
