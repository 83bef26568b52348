"""OpenDRIVE text of a map: of the file that it was made from, else as netconvert writes the SUMO network."""

from __future__ import annotations

import gzip
import re
import tempfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.simulation.map.opendrive.map_names import is_opendrive, opendrive_file
from transdiffuser_planner.simulation.map.sumo_networks import network_file, run_netconvert

GEO_REFERENCE = "+proj=tmerc +lat_0=49 +lon_0=8 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
"""Of generated maps, which lie nowhere."""
_FOR_CARS = "driving"


def opendrive_text(map_name: str) -> str:
    """Return a map as OpenDRIVE, with a geodetic reference.

    Coordinates are those of the SUMO network. Signals of networks that netconvert writes are named "LIGHT_LINK".

    Args:
        map_name: Of a scenario.

    Raises:
        SimulationError: Unknown map, its file cannot be read, or netconvert failed.
    """
    text = _file_text(opendrive_file(map_name), map_name) if is_opendrive(map_name) else _network_text(map_name)
    if re.search(r"<geoReference>[^<]*(<!\[CDATA\[)?[^<]*lat_0", text):
        return text
    return _with_reference(re.sub(r"<geoReference>.*?</geoReference>", "", text, flags=re.DOTALL))


def _file_text(path: Path, map_name: str) -> str:
    """Read an OpenDRIVE file.

    Raises:
        SimulationError: It cannot be read.
    """
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise SimulationError(f"map {map_name}: cannot be read ({error}); check the file") from None


def _network_text(map_name: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "map.xodr"
        network = network_file(map_name)
        run_netconvert(["-s", str(network), "--no-warnings", "true", "--opendrive-output", str(target)], map_name)
        text = target.read_text(encoding="utf-8")
    return without_mixed_links(text)


def without_mixed_links(text: str) -> str:
    """Leave out ways through junctions that lead from a lane for cars onto one for others, which cars cannot drive on from.

    SUMO's bicycles enter bicycle lanes there. Route planners of CARLA's programs follow such a way and fail at its end.

    Args:
        text: OpenDRIVE.
    """
    root = ElementTree.fromstring(text)
    kinds = {
        (road.get("id"), lane.get("id")): lane.get("type") for road in root.iter("road") for lane in road.iter("lane")
    }
    for junction in root.iter("junction"):
        for connection in junction.findall("connection"):
            links = connection.findall("laneLink")
            for link in links:
                before = kinds.get((connection.get("incomingRoad"), link.get("from")))
                through = kinds.get((connection.get("connectingRoad"), link.get("to")))
                if before == _FOR_CARS and through != _FOR_CARS:
                    connection.remove(link)
            if links and not connection.findall("laneLink"):
                junction.remove(connection)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _with_reference(text: str) -> str:
    reference = f"<geoReference><![CDATA[{GEO_REFERENCE}]]></geoReference>"
    if re.search(r"<header[^>]*/>", text):
        return re.sub(r"<header([^>]*)/>", lambda m: f"<header{m.group(1)}>{reference}</header>", text, count=1)
    return re.sub(r"<header[^>]*>", lambda m: m.group(0) + reference, text, count=1)
