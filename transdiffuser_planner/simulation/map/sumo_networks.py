"""SUMO network files by map name: generated or rebuilt once, then cached by the hash of their content.

Networks in SUMO's package permit too high speeds in turns and have coarse turn lanes; every network is therefore
rebuilt with speed limits in turns, finely sampled turn lanes, sidewalks and crossings.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.files import cache_folder, reason
from transdiffuser_planner.simulation.map.avenue_grid import avenues_xml
from transdiffuser_planner.simulation.map.opendrive.map_names import SUFFIXES, is_opendrive, opendrive_file
from transdiffuser_planner.simulation.map.town_generator import town_xml

NUM_TOWNS = 1000
AVENUES = "avenues"
PACKAGED_NETWORKS = {
    "bs3d": "tools/game/bs3d/bs.net.xml",
    "rilsa1": "tools/sumolib/scenario/scenarios/RiLSA1/rilsa1.net.xml",
    "rilsa2": "tools/sumolib/scenario/scenarios/RealWorld/RiLSA_example2/rilsa2.net.xml",
    "rilsa3": "tools/sumolib/scenario/scenarios/RealWorld/RiLSA_example3/rilsa3.net.xml",
    "rilsa4": "tools/sumolib/scenario/scenarios/RealWorld/RiLSA_example4/rilsa4.net.xml",
    "a10kw": "tools/game/A10KW/osm.net.xml",
    "corridor": "tools/game/corridor/corridor.net.xml",
    "cross": "tools/game/cross/cross.net.xml",
    "drt": "tools/game/DRT/osm.net.xml",
    "fkk_in": "tools/game/fkk_in/ingolstadt.net.xml.gz",
    "fokr_bs": "tools/game/fokr_bs_demo/fokr_bs.net.xml.gz",
    "grid6": "tools/game/grid6/grid6.net.xml",
    "kuehne": "tools/game/kuehne/kuehne.net.xml",
    "square": "tools/game/square/square.net.xml",
}
TURN_OPTIONS = (
    "--junctions.limit-turn-speed", "2.0",
    "--junctions.limit-turn-speed.min-angle", "3",
    "--junctions.internal-link-detail", "20",
    "--no-turnarounds", "true",
    "--no-warnings", "true",
)  # fmt: skip
TOWN_OPTIONS = (
    "--default.junctions.radius", "10",
    "--junctions.corner-detail", "8",
    "--walkingareas", "true",
    "--crossings.guess", "true",
    "--tls.cycle.time", "50",
    "--tls.default-type", "static",
)  # fmt: skip
SIDEWALK_OPTIONS = ("--sidewalks.guess", "true", "--sidewalks.guess.max-speed", "20", "--crossings.guess", "true")


def known_map_names() -> list[str]:
    """Return the map names of scenarios, in addition to paths of SUMO networks and OpenDRIVE files."""
    return [f"town-000 .. town-{NUM_TOWNS - 1:03d}", *PACKAGED_NETWORKS, "carla:Town01 .. carla:Town15"]


def network_file(map_name: str) -> Path:
    """Return the network of a map, built when missing in the cache.

    Args:
        map_name: A known name, the path of a .net.xml or .net.xml.gz file, or an OpenDRIVE file: its path when it ends in
            .xodr or .xodr.gz, else opendrive:FILE.

    Returns:
        Path of a .net.xml file in the cache.

    Raises:
        SimulationError: Unknown map, unreadable network, or SUMO is not installed.
    """
    town = re.fullmatch(r"town-?(\d{1,3})", map_name)
    if town:
        return _generated(f"town-{int(town.group(1)):03d}", *town_xml(int(town.group(1))))
    if map_name == AVENUES:
        return _generated(AVENUES, *avenues_xml())
    if map_name in PACKAGED_NETWORKS:
        return _rebuilt(sumo_home() / PACKAGED_NETWORKS[map_name])
    if is_opendrive(map_name):
        return _converted(map_name)
    path = Path(map_name)
    if path.name.endswith((".net.xml", ".net.xml.gz")):
        if not path.is_file():
            raise SimulationError(f"map {map_name}: expected a SUMO network file, found none; check the path")
        return _rebuilt(path)
    raise SimulationError(
        f"map {map_name!r}: unknown; expected one of {', '.join(known_map_names())}, "
        "or the path of a .net.xml or .xodr file"
    )


@lru_cache(maxsize=8)
def read_network(path: Path) -> Any:
    """Read a network with sumolib, lanes inside junctions included; the result is cached and must not be changed.

    Args:
        path: Of a .net.xml file.

    Raises:
        SimulationError: SUMO's Python library is not installed, or the file cannot be read as a network.
    """
    try:
        import sumolib
    except ImportError as error:
        raise SimulationError("simulator: sumolib is not installed; install the simulation extra") from error
    try:
        return sumolib.net.readNet(str(path), withInternal=True, withPedestrianConnections=True, withPrograms=True)
    except Exception as error:  # the XML reader raises many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SimulationError(f"network {path}: cannot be read ({reason}); give a SUMO network file") from None


def sumo_home() -> Path:
    """Return the folder of SUMO's data and example networks.

    Raises:
        SimulationError: SUMO is not installed.
    """
    try:
        import sumo
    except ImportError as error:
        raise SimulationError("simulator: SUMO is not installed; install the simulation extra") from error
    return Path(sumo.SUMO_HOME)


def cache_directory() -> Path:
    """Return the folder of built networks in the user's cache."""
    return cache_folder() / "networks"


def _generated(name: str, nodes: str, edges: str) -> Path:
    def inputs(folder: Path) -> list[str]:
        (folder / "town.nod.xml").write_text(nodes)
        (folder / "town.edg.xml").write_text(edges)
        return ["-n", str(folder / "town.nod.xml"), "-e", str(folder / "town.edg.xml"), *TOWN_OPTIONS]

    return _cached(name, (nodes + edges + " ".join(TOWN_OPTIONS)).encode(), inputs)


def _rebuilt(path: Path) -> Path:
    content = path.read_bytes()
    options = SIDEWALK_OPTIONS if not _has_sidewalks(path) else ()

    def inputs(_: Path) -> list[str]:
        return ["-s", str(path), *options]

    return _cached(path.name.split(".")[0], content + " ".join(options).encode(), inputs)


def _converted(map_name: str) -> Path:
    """Return the network of an OpenDRIVE file.

    Raises:
        SimulationError: It is missing, cannot be read, or netconvert cannot build it.
    """
    # The converter takes longer to import than the rest of a process that simulates traffic.
    from transdiffuser_planner.simulation.map.opendrive import conversion
    from transdiffuser_planner.simulation.map.opendrive.exact_lines import restore_lines
    from transdiffuser_planner.simulation.map.opendrive.plain_network import PlainNetwork

    path = opendrive_file(map_name)
    options = f"{conversion.CONVERTER_VERSION} {conversion.speed_cap_mps(map_name)} {conversion.OPTIONS}"
    name = next((path.name.removesuffix(end) for end in reversed(SUFFIXES) if path.name.endswith(end)), path.stem)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SimulationError(f"map {map_name}: cannot be read ({reason(error, path)}); check the file") from None
    plain: list[PlainNetwork] = []  # once, and only when the network is not in the cache

    def inputs(folder: Path) -> list[str]:
        plain.append(conversion.convert(map_name))
        return conversion.write_inputs(plain[0], folder)

    return _cached(name, content + options.encode(), inputs, lambda built: restore_lines(built, plain[0]))


def _has_sidewalks(path: Path) -> bool:
    """Return whether any lane of the network is for pedestrians only."""
    import gzip

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        return any('allow="pedestrian"' in line for line in stream)


def _cached(name: str, content: bytes, inputs: Any, finish: Callable[[Path], None] | None = None) -> Path:
    """Return the cached network for a content, built by netconvert when missing; safe for concurrent processes.

    Raises:
        SimulationError: It cannot be built, or the cache cannot be written.
    """
    key = hashlib.sha256(content + " ".join(TURN_OPTIONS).encode()).hexdigest()[:16]
    target = cache_directory() / f"{name}-{key}.net.xml"
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SimulationError(
            f"map {name}: {target.parent} cannot be written ({reason(error, target.parent)}); set XDG_CACHE_HOME"
        ) from None
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        built = Path(scratch) / "built.net.xml"
        run_netconvert([*inputs(Path(scratch)), *TURN_OPTIONS, "-o", str(built)], name)
        if finish is not None:
            finish(built)
        os.replace(built, target)
    return target


def run_netconvert(arguments: list[str], name: str) -> None:
    """Run SUMO's netconvert.

    Args:
        arguments: Of its command line.
        name: Of the map, for messages.

    Raises:
        SimulationError: It is not installed or failed.
    """
    program = sumo_home() / "bin" / "netconvert"
    executable = str(program) if program.is_file() else shutil.which("netconvert")
    if executable is None:
        raise SimulationError("simulator: SUMO's netconvert was not found; install the simulation extra")
    environment = {**os.environ, "SUMO_HOME": str(sumo_home())}
    done = subprocess.run([executable, *arguments], capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if "rror" in line), "no reason given")
        raise SimulationError(f"map {name}: netconvert could not build it: {reason.strip()}")
