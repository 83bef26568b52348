"""The static world of a log: road, markings, crossings and buildings from its map, as far as it has them. K points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.geometry import arc_length, resample_polyline
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.logs.drive_log import MapPiece
from transdiffuser_planner.data.logs.map_elements import MapLane, PieceKind
from transdiffuser_planner.metrics.pdm.geometry.polygons import pack_polygons, points_inside
from transdiffuser_planner.simulation.collisions import RoadArea, ego_corners
from transdiffuser_planner.simulation.log_world.log_lanes import DEFAULT_WIDTH_M, lane_width_m
from transdiffuser_planner.simulation.log_world.recorded_world import RecordedWorld
from transdiffuser_planner.simulation.map.road_elements import Building, Lane, LaneKind, Marking, SignalHead
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]

BUILDING_HEIGHT_M: Final = 9.0
"""Maps of logs do not state heights."""
LINE_HALF_M: Final = 0.07
REGION_M: Final = 150.0
COVERED_STEP_M: Final = 0.5
ROADSIDE_M: Final = 2.0
ROADSIDE_STEP_M: Final = 3.0
ROAD_KINDS: Final = (PieceKind.DRIVABLE_AREA, PieceKind.DRIVING_LANE, PieceKind.JUNCTION)


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRoadMap(RoadMap):
    """Map of a log.

    Attributes:
        pieces: As recorded, local frame: what labels, reports and planners receive.
    """

    pieces: tuple[MapPiece, ...]

    def map_polygons(self) -> list[tuple[PieceKind, FloatArray]]:
        """Return the recorded pieces: (kind, vertices (N, 2) in the local frame)."""
        return [(PieceKind(kind), xy) for kind, xy in self.pieces]


def log_road_map(world: RecordedWorld, path_P2: FloatArray, heads: Sequence[SignalHead]) -> LogRoadMap:
    """Build the static world within 150 m of a path.

    Args:
        world: The log.
        path_P2: Points in the local frame.
        heads: Traffic light heads to render.

    Raises:
        SimulationError: No lane and no drivable area is near the path.
    """
    pieces = tuple((kind, xy) for kind, xy in world.pieces if len(xy) and _is_near(xy, path_P2))
    lanes = [lane for lane in world.lanes if _is_near(lane.center_K2, path_P2)]
    roads = tuple(xy for kind, xy in pieces if kind in ROAD_KINDS and len(xy) >= 3)
    if not roads and not lanes:
        raise SimulationError(f"log {world.name}: its map has no road within {REGION_M:.0f} m of the drive")
    walks = tuple(xy for kind, xy in pieces if kind == PieceKind.SIDEWALK and len(xy) >= 3) or tuple(roadside(roads))
    crossings = [_band(xy, number) for number, (kind, xy) in enumerate(pieces) if kind == PieceKind.CROSSING]
    return LogRoadMap(
        name=world.log.map_name or world.name,
        lanes=(*(_driving_lane(lane) for lane in lanes), *(lane for lane in crossings if lane is not None)),
        junctions=(*roads, *(_outline(lane) for lane in lanes if not roads)),
        walking_areas=walks,
        curbs=tuple(np.concatenate([xy, xy[:1]]) for xy in walks),
        stop_lines=tuple(xy[:2] for kind, xy in pieces if kind == PieceKind.STOP_LINE and len(xy) >= 2),
        heads=tuple(heads),
        buildings=tuple(
            Building(corners_42=xy[:4], height_m=BUILDING_HEIGHT_M, style=number * 7919 % 65_536)
            for number, (kind, xy) in enumerate(pieces)
            if kind == PieceKind.BUILDING and len(xy) >= 4
        ),
        markings=tuple(_markings(lanes)),
        pieces=pieces,
    )


def log_area(world: RecordedWorld, poses: Sequence[EgoPose], vehicle: VehicleModel) -> RoadArea:
    """Return the log's drivable area: its polygons, lanes, and the places that the human's own vehicle covered.

    Maps miss some driveways and parking bays; where a human drove there is road, whatever they state.

    Args:
        world: The log.
        poses: The human's drive.
        vehicle: The ego's dimensions.
    """
    rings = [xy for kind, xy in world.pieces if kind in ROAD_KINDS and len(xy) >= 3]
    has_areas = bool(rings)
    rings += _covered(poses, vehicle)
    starts, ends, half = [], [], []
    for ring in rings:
        starts.append(ring)
        ends.append(np.roll(ring, -1, axis=0))
        half.append(np.zeros(len(ring)))
    for lane in world.lanes:
        if lane.left_B2 is None or not has_areas:  # where borders are known, polygons cover the lane exactly
            starts.append(lane.center_K2[:-1])
            ends.append(lane.center_K2[1:])
            half.append(np.full(len(lane.center_K2) - 1, lane_width_m(lane) / 2.0))
    return RoadArea(np.concatenate(starts), np.concatenate(ends), np.concatenate(half), rings)


def _covered(poses: Sequence[EgoPose], vehicle: VehicleModel) -> list[FloatArray]:
    """Boxes (4, 2) of the vehicle at poses at least half a meter apart."""
    kept: list[EgoPose] = []
    for pose in poses:
        if not kept or np.hypot(pose.x_m - kept[-1].x_m, pose.y_m - kept[-1].y_m) > COVERED_STEP_M:
            kept.append(pose)
    return [ego_corners(pose, vehicle) for pose in kept]


def _is_near(xy_N2: FloatArray, path_P2: FloatArray) -> bool:
    gap = path_P2[::5][:, None] - xy_N2[None]
    return bool(((gap**2).sum(axis=-1) < REGION_M**2).any())


def _driving_lane(lane: MapLane) -> Lane:
    """The lane without surface and markings of its own: both follow from the map's polygons and borders."""
    return Lane(
        lane_id=str(lane.number),
        kind=LaneKind.DRIVING,
        center_N2=lane.center_K2,
        width_m=lane_width_m(lane),
        internal=True,
        has_left_neighbor=lane.left is not None,
        has_signal=False,
    )


def roadside(roads: Sequence[FloatArray]) -> list[FloatArray]:
    """Return raised strips along the outer borders of roads, for maps without sidewalks: pieces (4, 2) of about 3 m.

    Args:
        roads: Polygons of lanes, junctions and drivable areas, which may overlap.
    """
    packed, found = pack_polygons(list(roads)), []
    for ring_C2 in roads:
        closed = np.concatenate([ring_C2, ring_C2[:1]])
        x, y = ring_C2.T
        turns = 1.0 if float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) > 0.0 else -1.0
        length_m = float(arc_length(closed)[-1])
        if length_m < 2.0 * ROADSIDE_STEP_M:
            continue
        line_K2 = resample_polyline(closed, np.linspace(0.0, length_m, round(length_m / ROADSIDE_STEP_M) + 1))
        edge_K2 = np.diff(line_K2, axis=0)
        out_K2 = turns * np.stack([edge_K2[:, 1], -edge_K2[:, 0]], axis=-1)
        out_K2 /= np.maximum(np.hypot(*out_K2.T), 1e-9)[:, None]
        middle_K2 = 0.5 * (line_K2[:-1] + line_K2[1:])
        samples = np.concatenate([middle_K2 + share * ROADSIDE_M * out_K2 for share in (0.1, 0.5, 1.0, 1.6)])
        _, inside = points_inside(packed, samples)
        is_free_K = ~inside.any(axis=0).reshape(4, -1).any(axis=0) if len(inside) else np.ones(len(edge_K2), dtype=bool)
        for index in np.flatnonzero(is_free_K):
            a, b, out = line_K2[index], line_K2[index + 1], ROADSIDE_M * out_K2[index]
            found.append(np.stack([a, b, b + out, a + out]))
    return found


def _outline(lane: MapLane) -> FloatArray:
    outline_C2 = lane.outline_C2
    if outline_C2 is not None:
        return outline_C2
    step_K2 = np.gradient(lane.center_K2, axis=0)
    normal_K2 = np.stack([-step_K2[:, 1], step_K2[:, 0]], axis=-1) / np.maximum(np.hypot(*step_K2.T), 1e-9)[:, None]
    half = DEFAULT_WIDTH_M / 2.0
    return np.concatenate([lane.center_K2 + half * normal_K2, (lane.center_K2 - half * normal_K2)[::-1]])


def _band(ring_C2: FloatArray, number: int) -> Lane | None:
    """A crossing's band: its line and width, from a polygon whose halves are its long sides; None of another polygon."""
    if len(ring_C2) < 4 or len(ring_C2) % 2:
        return None
    left_B2, right_B2 = ring_C2[: len(ring_C2) // 2], ring_C2[len(ring_C2) // 2 :][::-1]
    center_K2, width_m = 0.5 * (left_B2 + right_B2), float(np.hypot(*(left_B2 - right_B2).T).mean())
    if arc_length(center_K2)[-1] < 1.0 or not 0.5 < width_m < 15.0:
        return None
    return Lane(
        lane_id=f"crossing {number}",
        kind=LaneKind.CROSSING,
        center_N2=center_K2,
        width_m=width_m,
        internal=True,
        has_left_neighbor=False,
        has_signal=False,
    )


def _markings(lanes: Sequence[MapLane]) -> list[Marking]:
    """Lines between lanes of the same direction are broken, others are not; junctions have none."""
    found = []
    for lane in lanes:
        if lane.is_in_junction or lane.left_B2 is None or lane.right_B2 is None:
            continue
        found.append(_marking(lane.left_B2, is_broken=lane.left is not None))
        if lane.right is None:
            found.append(_marking(lane.right_B2, is_broken=False))
    return found


def _marking(line_B2: FloatArray, *, is_broken: bool) -> Marking:
    length_m = float(arc_length(line_B2)[-1])
    line_K2 = resample_polyline(line_B2, np.linspace(0.0, length_m, max(2, round(length_m / 3.0) + 1)))
    return Marking(line_K2=line_K2, half_width_m=LINE_HALF_M, is_broken=is_broken)
