"""The map of an episode in CARLA's terms: OpenDRIVE, spawn points, speed limits, traffic light heads."""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.simulation.map.opendrive.carla_towns import PREFIX
from transdiffuser_planner.simulation.map.opendrive.conversion import read_roads
from transdiffuser_planner.simulation.map.opendrive.map_names import is_opendrive
from transdiffuser_planner.simulation.map.opendrive.network_signals import signal_positions
from transdiffuser_planner.simulation.map.opendrive_export import opendrive_text
from transdiffuser_planner.simulation.map.polylines import densify, without_repeats
from transdiffuser_planner.simulation.map.road_elements import OPENDRIVE_HEAD
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import (
    AVENUES,
    NUM_TOWNS,
    PACKAGED_NETWORKS,
    network_file,
    read_network,
)

FloatArray = NDArray[np.float64]
SPAWN_EVERY_M, SPAWN_FROM_ENDS_M, SPAWN_HEIGHT_M = 40.0, 8.0, 0.3
DEFAULT_LIMIT_KMPH = 30.0
UPLOADED_MAP = "OpenDriveMap"
"""Name that CARLA's client loads an uploaded map by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneEnd:
    """End of a lane at a traffic light.

    Attributes:
        signal_id, link: SUMO's light and the link that decides for the lane: straight on, else left, else right.
        x_m, y_m: End of its center line, map frame.
        heading_rad: There.
        width_m: Of the lane.
        sign_id: Of its signal in the OpenDRIVE text.
    """

    signal_id: str
    link: int
    x_m: float
    y_m: float
    heading_rad: float
    width_m: float
    sign_id: str


class Town:
    """A map; its parts are read when they are first used.

    Args:
        map_name: Of a scenario.

    Raises:
        SimulationError: Unknown map, or it cannot be built.

    Attributes:
        map_name: As given.
        name: That clients see.
        folder: Of an uploaded map, else None.
        network: The SUMO network.
        opendrive: Text of the map.
    """

    def __init__(self, map_name: str) -> None:
        self.map_name = map_name
        self.name = short_name(map_name)
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self._network_file = network_file(map_name)
        self.network = read_network(self._network_file)
        self.opendrive = _with_main_signals(opendrive_text(map_name), self.lane_ends)

    @cached_property
    def road_map(self) -> RoadMap:
        """The whole map for rendering."""
        return RoadMap.load(self._network_file)

    @cached_property
    def lane_ends(self) -> tuple[LaneEnd, ...]:
        """Ends of all lanes for cars at traffic lights."""
        found: dict[str, tuple[tuple[int, int], LaneEnd]] = {}
        positions = signal_positions(read_roads(self.map_name)) if is_opendrive(self.map_name) else {}
        for signal in self.network.getTrafficLights():
            names = _names_of_file(signal, positions)
            for incoming, outgoing, link in signal.getConnections():
                line = without_repeats(incoming.getShape())
                if not incoming.allows("passenger") or len(line) < 2:
                    continue
                direction = next((c.getDirection() for c in incoming.getOutgoing() if c.getToLane() == outgoing), "s")
                rank = ("sSlLrR".find(direction) % 99, int(link))
                heading = float(np.arctan2(*(line[-1] - line[-2])[::-1]))
                end = LaneEnd(
                    signal_id=signal.getID(),
                    link=int(link),
                    x_m=float(line[-1][0]),
                    y_m=float(line[-1][1]),
                    heading_rad=heading,
                    width_m=float(incoming.getWidth()),
                    sign_id=names.get(int(link), f"{signal.getID()}_{link}"),
                )
                if incoming.getID() not in found or rank < found[incoming.getID()][0]:
                    found[incoming.getID()] = (rank, end)
        return tuple(end for _, end in found.values())

    @cached_property
    def spawn_points(self) -> tuple[Transform, ...]:
        """Places on lanes for cars, away from junctions."""
        points = []
        for line, _, _ in self._lane_lines(internal=False):
            along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
            for place in np.arange(SPAWN_FROM_ENDS_M, along[-1] - SPAWN_FROM_ENDS_M, SPAWN_EVERY_M):
                index = min(int(np.searchsorted(along, place)), len(line) - 2)
                x, y = line[index]
                heading = math.degrees(math.atan2(*(line[index + 1] - line[index])[::-1]))
                points.append(Transform(float(x), -float(y), SPAWN_HEIGHT_M, 0.0, -heading, 0.0))
        return tuple(points)

    def speed_limit_kmph(self, x_m: float, y_m: float, heading_rad: float) -> float:
        """Return the limit of the lane at a place.

        Args:
            x_m: Map frame.
            y_m: Map frame.
            heading_rad: Of the vehicle; lanes of the other direction do not count.
        """
        tree, heading_N, limit_N = self._lane_points
        gap, index = tree.query([x_m, y_m], k=min(8, len(limit_N)))
        for distance, number in zip(np.atleast_1d(gap), np.atleast_1d(index), strict=True):
            if distance < 6.0 and math.cos(heading_N[number] - heading_rad) > 0.5:
                return float(limit_N[number])
        return DEFAULT_LIMIT_KMPH

    @cached_property
    def _lane_points(self) -> tuple[Any, FloatArray, FloatArray]:
        points, headings, limits = [], [], []
        for line, limit, _ in self._lane_lines(internal=True):
            points.append(line[:-1])
            headings.append(np.arctan2(*np.diff(line, axis=0).T[::-1]))
            limits.append(np.full(len(line) - 1, limit * 3.6))
        return cKDTree(np.concatenate(points)), np.concatenate(headings), np.concatenate(limits)

    def _lane_lines(self, *, internal: bool) -> list[tuple[FloatArray, float, str]]:
        """Return center line (points every 2 m), limit (m/s) and id of the lanes for cars."""
        found = []
        for edge in self.network.getEdges(withInternal=internal):
            for lane in edge.getLanes():
                line = without_repeats(lane.getShape())
                if lane.allows("passenger") and len(line) > 1:
                    found.append((densify(line, 2.0), float(lane.getSpeed()), str(lane.getID())))
        return found


def _names_of_file(signal: Any, positions: dict[str, FloatArray]) -> dict[int, str]:
    """Return the names that an OpenDRIVE file has for the signals of a light's links, found by their positions."""
    found = {}
    for program in signal.getPrograms().values():
        for key, text in program.getParams().items():
            if key.startswith(OPENDRIVE_HEAD) and positions:
                place = np.asarray([float(word) for word in text.split()])
                name = min(positions, key=lambda item: float(np.hypot(*(positions[item] - place))))
                found[int(key.removeprefix(OPENDRIVE_HEAD))] = name
    return found


def short_name(map_name: str) -> str:
    """Return the name that clients see: of CARLA's towns without prefix, of files without folder and suffix.

    Args:
        map_name: Of a scenario.
    """
    name = map_name.removeprefix(PREFIX).removeprefix("opendrive:").rsplit("/", 1)[-1]
    return re.sub(r"\.(net\.xml|xodr)(\.gz)?$", "", name)


def map_of_client(name: Any, own: str) -> str:
    """Return the map that a client asks for by name; a client never names a file.

    Args:
        name: As it came over the network, with or without CARLA's folder.
        own: Map that the server was started with.

    Raises:
        CallError: It is unknown.
    """
    text = str(name).rsplit("/", 1)[-1]
    if text in ("", short_name(own)):
        return own
    if text in PACKAGED_NETWORKS or text == AVENUES:
        return text
    town = re.fullmatch(r"town-?(\d{1,3})", text)
    if town and int(town.group(1)) < NUM_TOWNS:
        return text
    carla_town = re.fullmatch(r"(Town\d\d(HD)?)(_Opt)?", text)
    if carla_town:
        return PREFIX + carla_town.group(1)
    raise CallError(f"map '{text[:60]}' not found: give {short_name(own)}, a town-NNN, a TownNN, or a packaged network")


def load_town(map_name: str) -> Town:
    """Load a map for a client.

    Args:
        map_name: Of a scenario.

    Raises:
        CallError: It cannot be loaded.
    """
    try:
        return Town(map_name)
    except SimulationError as error:
        raise CallError(str(error)) from None


def uploaded_town(text: str) -> Town:
    """Load an OpenDRIVE map that a client has sent.

    Args:
        text: Of the map.

    Raises:
        CallError: It cannot be read or holds no drivable road.
    """
    folder = tempfile.TemporaryDirectory()  # lives as long as its town: traffic reads the file, too
    path = Path(folder.name) / f"{UPLOADED_MAP}.xodr"
    path.write_text(text, encoding="utf-8", errors="replace")
    town = load_town(str(path))
    town.folder = folder
    return town


def _with_main_signals(text: str, ends: tuple[LaneEnd, ...]) -> str:
    """Leave one signal for each lane in OpenDRIVE of netconvert, which has one for each way through the junction."""
    kept = {f"{end.signal_id}_{end.link}" for end in ends}
    of_netconvert = re.findall(r'<signal id="([^"]+)"', text)
    if not kept or not kept & set(of_netconvert):
        return text
    pattern = re.compile(r'<signal id="([^"]+)"[^>]*?(/>|>.*?</signal>)', re.DOTALL)
    return pattern.sub(lambda match: match.group(0) if match.group(1) in kept else "", text)
