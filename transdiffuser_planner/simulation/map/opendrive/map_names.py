"""Which maps of scenarios are OpenDRIVE files, and where their files are."""

from __future__ import annotations

from pathlib import Path

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.simulation.map.opendrive.carla_towns import PREFIX as CARLA_PREFIX
from transdiffuser_planner.simulation.map.opendrive.carla_towns import town_file

FILE_PREFIX = "opendrive:"
SUFFIXES = (".xodr", ".xodr.gz")


def is_opendrive(map_name: str) -> bool:
    """Return whether a map's name means an OpenDRIVE file.

    Args:
        map_name: Of a scenario.
    """
    return map_name.startswith((CARLA_PREFIX, FILE_PREFIX)) or map_name.endswith(SUFFIXES)


def opendrive_file(map_name: str) -> Path:
    """Return the OpenDRIVE file of a map.

    Args:
        map_name: carla:TownNN, opendrive:FILE, or the path of an .xodr or .xodr.gz file.

    Raises:
        SimulationError: There is none.
    """
    if map_name.startswith(CARLA_PREFIX):
        return town_file(map_name)
    path = Path(map_name.removeprefix(FILE_PREFIX))
    if not path.is_file():
        raise SimulationError(f"map {map_name}: expected an OpenDRIVE file, found none; check the path")
    return path
