"""Static world as triangles: ground, road, markings, curbs, sidewalks, buildings and traffic light heads.

Surfaces have distinct heights: grass -0.03 m, junctions -0.005 m, lanes 0, markings +0.02 m, sidewalk +0.12 m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.view_semantics import ViewClass
from transdiffuser_planner.simulation.map.polylines import offset_line
from transdiffuser_planner.simulation.map.road_elements import Building, Lane, LaneKind, SignalHead
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.sensors.mesh import Color, Mesh, MeshBuilder

FloatArray = NDArray[np.float64]

ASPHALT: Color = (0.23, 0.23, 0.245)
JUNCTION: Color = (0.22, 0.22, 0.235)
MARKING: Color = (0.85, 0.85, 0.82)
SIDEWALK: Color = (0.52, 0.50, 0.47)
CURB: Color = (0.62, 0.61, 0.58)
BICYCLE_LANE: Color = (0.42, 0.24, 0.21)
GRASS: Color = (0.27, 0.38, 0.18)
POLE: Color = (0.30, 0.31, 0.32)
BACKPLATE: Color = (0.02, 0.02, 0.02)
WINDOW: Color = (0.16, 0.20, 0.26)
WALLS: tuple[Color, ...] = (
    (0.62, 0.55, 0.45),
    (0.55, 0.33, 0.27),
    (0.66, 0.64, 0.60),
    (0.48, 0.46, 0.42),
    (0.70, 0.62, 0.40),
    (0.40, 0.44, 0.50),
)
SIDEWALK_Z_M = 0.12
MARKING_Z_M = 0.02
GRASS_TILE_M = 12.0
_CLASS_OF_DETAILS = {
    LaneKind.DRIVING: ViewClass.MARKING,
    LaneKind.CROSSING: ViewClass.MARKING,
    LaneKind.SIDEWALK: ViewClass.SIDEWALK,
    LaneKind.BICYCLE: ViewClass.ROAD,
    LaneKind.PAVED: ViewClass.ROAD,
}
LAMP_NAMES = ("red", "amber", "green")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lamp:
    """Triangles of one lamp of a traffic light head.

    Attributes:
        signal_id: SUMO's traffic light.
        link: Index into its state string.
        color: 0 red, 1 amber, 2 green.
        first_triangle: Number of the first triangle.
        num_triangles: Consecutive triangles of the lamp.
    """

    signal_id: str
    link: int
    color: int
    first_triangle: int
    num_triangles: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldMesh:
    """Static mesh with lamps and surface types.

    Attributes:
        mesh: All triangles.
        lamps: Triangles whose color follows the signals.
        vegetation_F: True for grass, whose color follows the season.
        asphalt_F: True for road surfaces, which darken when wet.
        num_ground: Triangles of ground, road and markings; those of buildings and heads follow.
    """

    mesh: Mesh
    lamps: tuple[Lamp, ...]
    vegetation_F: NDArray[np.bool_]
    asphalt_F: NDArray[np.bool_]
    num_ground: int


def build_world_mesh(road_map: RoadMap, sidewalk_z_m: float = SIDEWALK_Z_M) -> WorldMesh:
    """Build the triangles of a whole map.

    Args:
        road_map: Static elements in the map frame.
        sidewalk_z_m: Height of the curbs.
    """
    builder = MeshBuilder()
    _ground(builder, road_map)
    num_vegetation = builder.count
    with builder.of_class(ViewClass.ROAD):
        for polygon in road_map.junctions:
            builder.polygon(polygon, -0.005, JUNCTION)
        for lane in road_map.lanes:
            if not lane.internal and lane.kind in (LaneKind.DRIVING, LaneKind.PAVED):
                _band(builder, lane, 0.0, ASPHALT)
    num_asphalt = builder.count
    for lane in road_map.lanes:
        _lane_details(builder, lane, sidewalk_z_m)
    with builder.of_class(ViewClass.SIDEWALK):
        for polygon in road_map.walking_areas:
            builder.polygon(polygon, sidewalk_z_m, SIDEWALK)
        for line in road_map.curbs:
            builder.wall(line, -0.03, sidewalk_z_m, CURB)
    with builder.of_class(ViewClass.MARKING):
        for marking in road_map.markings:
            (_dashes if marking.is_broken else _line)(builder, marking.line_K2, marking.half_width_m)
        for line in road_map.stop_lines:
            _stop_line(builder, line)
    num_ground = builder.count
    for building in road_map.buildings:
        _building(builder, building)
    lamps: list[Lamp] = []
    for head in road_map.heads:
        lamps += _signal_head(builder, head)
    mesh = builder.build()
    number = np.arange(len(mesh.albedo_F3))
    return WorldMesh(
        mesh=mesh,
        lamps=tuple(lamps),
        vegetation_F=number < num_vegetation,
        asphalt_F=(number >= num_vegetation) & (number < num_asphalt),
        num_ground=num_ground,
    )


def _ground(builder: MeshBuilder, road_map: RoadMap) -> None:
    """Append grass tiles of slightly different shades below the map, and a wide apron around them."""
    points = np.vstack([lane.center_N2 for lane in road_map.lanes])
    low, high = points.min(axis=0) - 80.0, points.max(axis=0) + 80.0
    size = max(GRASS_TILE_M, float((high - low).max()) / 90.0)
    xs, ys = (np.arange(low[i], high[i] + size, size) for i in (0, 1))
    x, y = (grid.ravel() for grid in np.meshgrid(xs[:-1], ys[:-1], indexing="ij"))
    z = np.full_like(x, -0.03)
    corner = [np.stack([x + a * size, y + b * size, z], axis=-1) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
    tint = np.random.default_rng(len(x)).uniform(0.85, 1.15, (len(x), 1)) * np.asarray(GRASS)
    builder.triangles(np.stack([corner[0], corner[1], corner[2]], axis=1), tint)
    builder.triangles(np.stack([corner[0], corner[2], corner[3]], axis=1), tint)
    far = 3000.0
    apron = [
        (low[0] - far, low[1] - far),
        (high[0] + far, low[1] - far),
        (high[0] + far, high[1] + far),
        (low[0] - far, high[1] + far),
    ]
    builder.quad(np.asarray([[x, y, -0.08] for x, y in apron]), GRASS)


def _band(builder: MeshBuilder, lane: Lane, z_m: float, color: Color) -> None:
    half = lane.width_m / 2.0
    builder.strip(offset_line(lane.center_N2, half), offset_line(lane.center_N2, -half), z_m, color)


def _lane_details(builder: MeshBuilder, lane: Lane, sidewalk_z_m: float) -> None:
    """Append markings of driving lanes, stripes of crossings, sidewalks with curbs, bicycle lanes."""
    with builder.of_class(_CLASS_OF_DETAILS.get(lane.kind, ViewClass.REST)):
        _append_details(builder, lane, sidewalk_z_m)


def _append_details(builder: MeshBuilder, lane: Lane, sidewalk_z_m: float) -> None:
    half = lane.width_m / 2.0
    if lane.kind == LaneKind.DRIVING and not lane.internal:
        left = offset_line(lane.center_N2, half)
        if lane.has_left_neighbor:
            _dashes(builder, left, 0.07)
        else:
            _line(builder, left, 0.08)
        if lane.at_right_edge:
            _line(builder, offset_line(lane.center_N2, -half + 0.12), 0.05)
    elif lane.kind == LaneKind.CROSSING:
        _zebra(builder, lane)
    elif lane.kind == LaneKind.SIDEWALK:
        _band(builder, lane, sidewalk_z_m, SIDEWALK)
        for side in (half, -half):
            builder.wall(offset_line(lane.center_N2, side), -0.03, sidewalk_z_m, CURB)
        inner = offset_line(lane.center_N2, half)
        builder.strip(inner, offset_line(lane.center_N2, half - 0.15), sidewalk_z_m + 0.005, CURB)
    elif lane.kind == LaneKind.BICYCLE and not lane.internal:
        _band(builder, lane, 0.0, BICYCLE_LANE)


def _line(builder: MeshBuilder, line_N2: FloatArray, half_width_m: float) -> None:
    builder.strip(offset_line(line_N2, half_width_m), offset_line(line_N2, -half_width_m), MARKING_Z_M, MARKING)


def _pieces(line_N2: FloatArray, on_m: float, off_m: float) -> list[FloatArray]:
    """Return pieces of a polyline, on_m long with gaps of off_m."""
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line_N2, axis=0).T))])
    pieces = []
    for start in np.arange(0.0, s[-1] - 0.3, on_m + off_m):
        at = np.linspace(start, min(start + on_m, s[-1]), 3)
        pieces.append(np.stack([np.interp(at, s, line_N2[:, 0]), np.interp(at, s, line_N2[:, 1])], axis=-1))
    return pieces


def _dashes(builder: MeshBuilder, line_N2: FloatArray, half_width_m: float) -> None:
    for piece in _pieces(line_N2, 3.0, 4.5):
        _line(builder, piece[[0, 2]], half_width_m)


def _zebra(builder: MeshBuilder, lane: Lane) -> None:
    for piece in _pieces(lane.center_N2, 0.5, 0.5):
        ends = piece[[0, 2]]
        half = lane.width_m / 2.0
        builder.strip(offset_line(ends, half), offset_line(ends, -half), MARKING_Z_M, MARKING)


def _stop_line(builder: MeshBuilder, ends_22: FloatArray) -> None:
    direction = ends_22[1] - ends_22[0]
    back = -np.asarray([direction[1], -direction[0]]) / max(float(np.hypot(*direction)), 1e-6)
    middle = ends_22 + 0.35 * back
    _line(builder, middle, 0.25)


def _building(builder: MeshBuilder, building: Building) -> None:
    """Append walls with bands of windows, and a flat roof."""
    wall = WALLS[building.style % len(WALLS)]
    shade = 0.85 + 0.3 * ((building.style >> 4) % 16) / 15.0
    wall = (wall[0] * shade, wall[1] * shade, wall[2] * shade)
    ring = np.vstack([building.corners_42, building.corners_42[:1]])
    level = 0.0
    while level < building.height_m - 1.0:
        sill, lintel = min(level + 1.0, building.height_m), min(level + 2.3, building.height_m)
        builder.wall(ring, level - (0.05 if level == 0.0 else 0.0), sill, wall)
        builder.wall(ring, sill, lintel, WINDOW)
        level += 3.0
        builder.wall(ring, lintel, min(level, building.height_m), wall)
    builder.polygon(building.corners_42, building.height_m, (0.35, 0.30, 0.28))


def _signal_head(builder: MeshBuilder, head: SignalHead) -> list[Lamp]:
    """Append backplate, three lamps and, at the roadside, a pole; return the lamps."""
    front = np.asarray([np.cos(head.facing_rad), np.sin(head.facing_rad), 0.0])
    side = np.asarray([-front[1], front[0], 0.0])
    up = np.asarray([0.0, 0.0, 1.0])
    center = np.asarray([head.x_m, head.y_m, head.z_m])

    def plate(middle: FloatArray, half_w: float, half_h: float, color: Color) -> None:
        corners = [middle + a * half_w * side + b * half_h * up for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        builder.quad(np.asarray(corners), color)

    pitch = head.lamp_m * 1.15
    lamps = []
    with builder.of_class(ViewClass.LAMP):
        plate(center, head.lamp_m * 0.95, pitch * 1.75, BACKPLATE)
        plate(center - 0.1 * front, head.lamp_m * 0.95, pitch * 1.75, BACKPLATE)
        for color, height in enumerate((pitch, 0.0, -pitch)):
            first = builder.count
            plate(center + height * up + 0.05 * front, head.lamp_m / 2.0, head.lamp_m / 2.0, BACKPLATE)
            lamps.append(
                Lamp(signal_id=head.signal_id, link=head.link, color=color, first_triangle=first, num_triangles=2)
            )
    if head.pole:
        foot = np.asarray([[head.x_m, head.y_m] - 0.06 * side[:2], [head.x_m, head.y_m] + 0.06 * side[:2]])
        for line in (foot, foot[::-1]):
            builder.wall(line, 0.0, head.z_m - pitch * 1.7, POLE)
    return lamps
