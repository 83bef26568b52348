"""OpenDRIVE files as inputs of netconvert. Heights are dropped: networks are flat."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.simulation.map.opendrive.carla_towns import PREFIX as CARLA_PREFIX
from transdiffuser_planner.simulation.map.opendrive.carla_towns import SPEED_CAP_MPS
from transdiffuser_planner.simulation.map.opendrive.map_names import opendrive_file
from transdiffuser_planner.simulation.map.opendrive.plain_network import PlainNetwork, plain_network
from transdiffuser_planner.simulation.map.opendrive.road_file import parse_roads
from transdiffuser_planner.simulation.map.opendrive.road_records import RoadFile

CONVERTER_VERSION = 8
"""Incremented when the conversion changes; part of the cache's key."""
OPTIONS = ("--offset.disable-normalization", "true", "--walkingareas", "true")
MAX_BYTES = 1 << 30


def read_roads(map_name: str) -> RoadFile:
    """Read the OpenDRIVE file of a map.

    Args:
        map_name: As for ``opendrive_file``.

    Raises:
        SimulationError: It cannot be read, is incomplete, or holds no drivable road.
    """
    path = opendrive_file(map_name)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            with gzip.open(path) as stream:
                content = stream.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise SimulationError(f"map {map_name}: cannot be read ({error}); check the file") from None
    return parse_roads(content, map_name)


def speed_cap_mps(map_name: str) -> float | None:
    """Return the largest speed limit of a map, or None for that of the file.

    Args:
        map_name: As for ``opendrive_file``.
    """
    return SPEED_CAP_MPS if map_name.startswith(CARLA_PREFIX) else None


def convert(map_name: str) -> PlainNetwork:
    """Convert a map to SUMO's plain XML.

    Args:
        map_name: As for ``opendrive_file``.

    Raises:
        SimulationError: As read_roads raises it.
    """
    return plain_network(read_roads(map_name), speed_cap_mps(map_name))


def write_inputs(plain: PlainNetwork, folder: Path) -> list[str]:
    """Write a converted map.

    Args:
        plain: The map.
        folder: For the files.

    Returns:
        Arguments of netconvert that read them.
    """
    arguments = list(OPTIONS)
    names = {"nod": "-n", "edg": "-e", "con": "-x", "tll": "-i"}
    for name, text in plain.texts().items():
        file = folder / f"map.{name}.xml"
        file.write_text(text, encoding="utf-8")
        arguments += [names[name], str(file)]
    return arguments
