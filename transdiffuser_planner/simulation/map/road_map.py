"""A SUMO network as geometry: lanes, junctions, markings, signal heads and buildings, in the map frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import sumolib
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import SimulationError

FloatArray = NDArray[np.float64]

FAR_HEAD_M = 13.0
REGION_MARGIN_M = 150.0


class LaneKind(IntEnum):
    """What a lane is for."""

    DRIVING = 0
    BICYCLE = 1
    SIDEWALK = 2
    CROSSING = 3


class MapKind(IntEnum):
    """Kinds of ground-truth map pieces; numbers as in the MapPolygon message."""

    DRIVING_LANE = 0
    JUNCTION = 1
    LANE_CENTER = 2
    SIDEWALK = 3
    CROSSING = 4
    STOP_LINE = 5
    BUILDING = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """One lane: center line (N, 2) in driving order, width and what it borders."""

    lane_id: str
    kind: LaneKind
    center_N2: FloatArray
    width_m: float
    internal: bool
    has_left_neighbor: bool
    has_signal: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalHead:
    """Three lamps above each other for one incoming lane.

    Attributes:
        signal_id, link: SUMO's traffic light and link whose state it shows.
        x_m, y_m, z_m: Center of the middle lamp in the map frame.
        facing_rad: Direction in which the lamps shine, towards the waiting traffic.
        lamp_m: Edge length of a lamp.
        pole: Whether it stands on a pole (beside the road) or hangs above it.
    """

    signal_id: str
    link: int
    x_m: float
    y_m: float
    z_m: float
    facing_rad: float
    lamp_m: float
    pole: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Building:
    """A box: corners (4, 2) counter-clockwise, height, and a number that picks its colors."""

    corners_42: FloatArray
    height_m: float
    style: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoadMap:
    """Everything static about a map, within the loaded region."""

    name: str
    lanes: tuple[Lane, ...]
    junctions: tuple[FloatArray, ...]
    walking_areas: tuple[FloatArray, ...]
    stop_lines: tuple[FloatArray, ...]
    heads: tuple[SignalHead, ...]
    buildings: tuple[Building, ...]

    @staticmethod
    def load(net_file: str | Path, around_N2: FloatArray | None = None) -> RoadMap:
        """Read a network.

        Args:
            net_file: A .net.xml file.
            around_N2: Points in the map frame, for example a route; what is farther than 150 m from all of them is left
                out. None keeps the whole network.

        Raises:
            SimulationError: The file cannot be read as a network or holds no lane for cars.
        """
        net = _read_net(str(net_file))
        keep = _Region(around_N2)
        lanes = tuple(lane for lane in _lanes(net) if keep.any_of(lane.center_N2))
        if not any(lane.kind == LaneKind.DRIVING for lane in lanes):
            raise SimulationError(f"network {net_file}: no lane for cars near the route; give another map")
        junctions = tuple(p for p in _junction_polygons(net) if keep.any_of(p))
        walking = tuple(p for p in _walking_areas(net) if keep.any_of(p))
        heads = tuple(h for h in _signal_heads(net) if keep.any_of(np.asarray([[h.x_m, h.y_m]])))
        stop_lines = tuple(_stop_line(lane) for lane in lanes if lane.has_signal and not lane.internal)
        return RoadMap(
            name=Path(net_file).name.removesuffix(".net.xml"),
            lanes=lanes,
            junctions=junctions,
            walking_areas=walking,
            stop_lines=stop_lines,
            heads=heads,
            buildings=_buildings(lanes, junctions, keep),
        )

    def map_polygons(self) -> list[tuple[MapKind, FloatArray]]:
        """Ground truth for labels and reports: (kind, vertices (N, 2) in the map frame)."""
        pieces: list[tuple[MapKind, FloatArray]] = []
        for lane in self.lanes:
            if lane.kind == LaneKind.DRIVING:
                if not lane.internal:
                    pieces.append((MapKind.DRIVING_LANE, lane_polygon(lane)))
                pieces.append((MapKind.LANE_CENTER, lane.center_N2))
            elif lane.kind == LaneKind.SIDEWALK:
                pieces.append((MapKind.SIDEWALK, lane_polygon(lane)))
            elif lane.kind == LaneKind.CROSSING:
                pieces.append((MapKind.CROSSING, lane_polygon(lane)))
        pieces += [(MapKind.JUNCTION, polygon) for polygon in self.junctions]
        pieces += [(MapKind.SIDEWALK, polygon) for polygon in self.walking_areas]
        pieces += [(MapKind.STOP_LINE, line) for line in self.stop_lines]
        pieces += [(MapKind.BUILDING, building.corners_42) for building in self.buildings]
        return pieces

    def drivable_polygons(self) -> list[FloatArray]:
        """Polygons whose union a car may drive on: lanes for cars and bicycles beside them, and junctions."""
        lanes = [
            lane_polygon(lane)
            for lane in self.lanes
            if lane.kind in (LaneKind.DRIVING, LaneKind.BICYCLE) and not lane.internal
        ]
        return lanes + list(self.junctions)


class _Region:
    """Keeps what lies within the margin of some points."""

    def __init__(self, around_N2: FloatArray | None) -> None:
        self._points = None if around_N2 is None else np.asarray(around_N2, dtype=np.float64)[::5]

    def any_of(self, xy_N2: FloatArray) -> bool:
        if self._points is None:
            return True
        gap = self._points[:, None] - xy_N2[None]
        return bool(((gap**2).sum(axis=-1) < REGION_MARGIN_M**2).any())


@lru_cache(maxsize=4)
def _read_net(net_file: str) -> Any:
    try:
        return sumolib.net.readNet(net_file, withInternal=True, withPedestrianConnections=True)
    except Exception as error:  # the XML reader raises many kinds
        raise SimulationError(f"network {net_file}: cannot be read ({str(error).splitlines()[0]})") from None


def offset_line(xy_N2: FloatArray, left_m: float) -> FloatArray:
    """A polyline moved sideways by left_m (positive to the left), mitred at its corners."""
    edge = np.diff(xy_N2, axis=0)
    normal = np.stack([-edge[:, 1], edge[:, 0]], axis=-1) / np.maximum(np.hypot(*edge.T), 1e-9)[:, None]
    before, after = np.vstack([normal[:1], normal]), np.vstack([normal, normal[-1:]])
    bisector = before + after
    scale = 2.0 / np.maximum((bisector**2).sum(axis=1), 0.5)
    return np.asarray(xy_N2 + left_m * bisector * scale[:, None])


def lane_polygon(lane: Lane) -> FloatArray:
    """The lane's area as a polygon (2N, 2)."""
    half = lane.width_m / 2.0
    return np.vstack([offset_line(lane.center_N2, half), offset_line(lane.center_N2, -half)[::-1]])


def _clean(shape: Any) -> FloatArray:
    """An (N, 2) array without repeated points; fewer than 2 points when degenerate."""
    xy = np.asarray([point[:2] for point in shape], dtype=np.float64).reshape(-1, 2)
    if len(xy) < 2:
        return xy
    step = np.hypot(*np.diff(xy, axis=0).T)
    return np.asarray(xy[np.concatenate([[True], step > 0.02])])


def _lanes(net: Any) -> list[Lane]:
    lanes = []
    for edge in net.getEdges(withInternal=True):
        function = edge.getFunction()
        if function == "walkingarea":
            continue
        row = edge.getLanes()
        for index, lane in enumerate(row):
            center = _clean(lane.getShape())
            if len(center) < 2:
                continue
            kind = _lane_kind(lane, function)
            if kind is None:
                continue
            left = index + 1 < len(row) and row[index + 1].allows("passenger")
            signal = any(link.getTLLinkIndex() >= 0 for link in lane.getOutgoing())
            lanes.append(
                Lane(
                    lane_id=lane.getID(),
                    kind=kind,
                    center_N2=center,
                    width_m=float(lane.getWidth()),
                    internal=function == "internal",
                    has_left_neighbor=bool(left),
                    has_signal=bool(signal and lane.allows("passenger")),
                )
            )
    return lanes


def _lane_kind(lane: Any, function: str) -> LaneKind | None:
    if function == "crossing":
        return LaneKind.CROSSING
    if lane.allows("passenger"):
        return LaneKind.DRIVING
    if lane.allows("bicycle"):
        return LaneKind.BICYCLE
    if lane.allows("pedestrian") and function != "internal":
        return LaneKind.SIDEWALK
    return None


def _junction_polygons(net: Any) -> list[FloatArray]:
    shapes = [_clean(node.getShape()) for node in net.getNodes() if node.getType() != "internal"]
    return [shape for shape in shapes if len(shape) >= 3]


def _walking_areas(net: Any) -> list[FloatArray]:
    shapes = [
        _clean(lane.getShape())
        for edge in net.getEdges(withInternal=True)
        if edge.getFunction() == "walkingarea"
        for lane in edge.getLanes()
    ]
    return [shape for shape in shapes if len(shape) >= 3]


def _stop_line(lane: Lane) -> FloatArray:
    """Both ends (2, 2) of the stop line at the lane's end."""
    half = lane.width_m / 2.0
    return np.stack([offset_line(lane.center_N2, -half)[-1], offset_line(lane.center_N2, half)[-1]])


def _signal_heads(net: Any) -> list[SignalHead]:
    """Per incoming lane a head above the far side of its junction; beside the rightmost lane also one on a pole."""
    heads = []
    for signal in net.getTrafficLights():
        links: dict[str, tuple[Any, list[tuple[int, str]]]] = {}
        for incoming, outgoing, link in signal.getConnections():
            if not incoming.allows("passenger"):
                continue
            direction = next((c.getDirection() for c in incoming.getOutgoing() if c.getToLane() == outgoing), "s")
            links.setdefault(incoming.getID(), (incoming, []))[1].append((int(link), direction))
        rightmost = {
            lane.getEdge().getID(): min(
                other.getIndex() for other, _ in links.values() if other.getEdge() is lane.getEdge()
            )
            for lane, _ in links.values()
        }
        for lane, choices in links.values():
            link = min(choices, key=lambda item: ("sSlLrR".find(item[1]) % 99, item[0]))[0]
            is_right = rightmost[lane.getEdge().getID()] == lane.getIndex()
            heads += _heads_of_lane(signal.getID(), link, lane, with_pole=is_right)
    return heads


def _heads_of_lane(signal_id: str, link: int, lane: Any, *, with_pole: bool) -> list[SignalHead]:
    center = _clean(lane.getShape())
    if len(center) < 2:
        return []
    end, heading = center[-1], float(np.arctan2(*(center[-1] - center[-2])[::-1]))
    ahead = np.asarray([np.cos(heading), np.sin(heading)])
    right = np.asarray([ahead[1], -ahead[0]])
    far = end + FAR_HEAD_M * ahead
    heads = [
        SignalHead(
            signal_id=signal_id, link=link, x_m=float(far[0]), y_m=float(far[1]), z_m=5.4,
            facing_rad=heading + np.pi, lamp_m=0.55, pole=False,
        )
    ]  # fmt: skip
    if with_pole:
        near = end + 0.5 * ahead + (lane.getWidth() / 2.0 + 0.8) * right
        heads.append(
            SignalHead(
                signal_id=signal_id, link=link, x_m=float(near[0]), y_m=float(near[1]), z_m=3.0,
                facing_rad=heading + np.pi, lamp_m=0.4, pole=True,
            )
        )  # fmt: skip
    return heads


def _buildings(lanes: tuple[Lane, ...], junctions: tuple[FloatArray, ...], keep: _Region) -> tuple[Building, ...]:
    """Boxes along the streets, off every road; where and how follows from the map alone."""
    road = np.vstack([_dense(lane.center_N2) for lane in lanes if not lane.internal] + [_dense(j) for j in junctions])
    buildings: list[Building] = []
    centers: list[tuple[float, float, float]] = []
    for lane in lanes:
        if lane.kind != LaneKind.DRIVING or lane.internal or lane.lane_id.rsplit("_", 1)[-1] not in ("0", "1"):
            continue
        rng = np.random.default_rng([int(v) & 0x7FFFFFFF for v in np.rint(lane.center_N2[0] * 10.0)])
        line = _dense(lane.center_N2, 1.0)
        position = float(rng.uniform(4.0, 12.0))
        while position < len(line) - 6:
            width, depth = float(rng.uniform(8.0, 18.0)), float(rng.uniform(8.0, 14.0))
            at = int(min(position + width / 2.0, len(line) - 2))
            tangent = line[at + 1] - line[at]
            tangent = tangent / max(float(np.hypot(*tangent)), 1e-6)
            right = np.asarray([tangent[1], -tangent[0]])
            setback = lane.width_m / 2.0 + float(rng.uniform(5.0, 11.0)) + depth / 2.0
            middle = line[at] + setback * right
            radius = float(np.hypot(width, depth)) / 2.0
            free = ((road - middle) ** 2).sum(axis=1).min() > (radius + 2.5) ** 2
            apart = all((middle[0] - x) ** 2 + (middle[1] - y) ** 2 > (radius + r) ** 2 * 0.8 for x, y, r in centers)
            height, style = float(rng.uniform(5.0, 17.0)), int(rng.integers(0, 1 << 16))
            if free and apart and keep.any_of(middle[None]):
                corners = [
                    middle + a * width / 2.0 * tangent + b * depth / 2.0 * right
                    for a, b in ((-1, 1), (1, 1), (1, -1), (-1, -1))
                ]
                buildings.append(Building(corners_42=np.asarray(corners), height_m=height, style=style))
                centers.append((float(middle[0]), float(middle[1]), radius))
            position += width + float(rng.uniform(2.0, 14.0))
    return tuple(buildings)


def _dense(xy_N2: FloatArray, step_m: float = 3.0) -> FloatArray:
    """Points every step_m along a polyline, ends included."""
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy_N2, axis=0).T))])
    at = np.append(np.arange(0.0, s[-1], step_m), s[-1])
    return np.stack([np.interp(at, s, xy_N2[:, 0]), np.interp(at, s, xy_N2[:, 1])], axis=-1)
