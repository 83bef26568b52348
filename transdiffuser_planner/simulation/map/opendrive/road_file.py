"""Reader of OpenDRIVE files."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.simulation.map.opendrive.reference_line import Geometry
from transdiffuser_planner.simulation.map.opendrive.road_records import (
    LaneRecord,
    LaneSection,
    Link,
    ObjectRecord,
    Road,
    RoadFile,
    SignalRecord,
    has_driving_lane,
)

FloatArray = NDArray[np.float64]

ALL_LANES = 1000
"""Larger than the number of any lane: signals without a validity are valid for all."""
MPS_PER_UNIT = {"m/s": 1.0, "km/h": 1.0 / 3.6, "mph": 0.44704, "": 1.0}


def parse_roads(content: bytes, where: str) -> RoadFile:
    """Read an OpenDRIVE file.

    Args:
        content: The file.
        where: Its name, for messages.

    Raises:
        SimulationError: It is no OpenDRIVE, is incomplete, or holds no lane for cars or left-hand traffic.
    """
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise SimulationError(f"map {where}: expected OpenDRIVE, it is no XML ({error}); check the file") from None
    if root.tag.rpartition("}")[2] != "OpenDRIVE":
        raise SimulationError(f"map {where}: expected OpenDRIVE, found <{root.tag}>; give an .xodr file")
    if any(road.get("rule") == "LHT" for road in root.iterfind("road")):
        raise SimulationError(f"map {where}: traffic drives on the left; only right-hand traffic is supported")
    try:
        roads = {road.road: road for road in map(_road, root.iterfind("road"))}
        sequences = {
            junction.attrib["id"]: sorted(
                (int(c.get("sequence") or 0), c.attrib["id"]) for c in junction.iterfind("controller")
            )
            for junction in root.iterfind("junction")
        }
        controller_of = {
            control.attrib["signalId"]: controller.attrib["id"]
            for controller in root.iterfind("controller")
            for control in controller.iterfind("control")
        }
    except (KeyError, ValueError, IndexError) as error:
        raise SimulationError(
            f"map {where}: incomplete OpenDRIVE ({type(error).__name__}: {error}); check the file"
        ) from None
    if not any(map(has_driving_lane, roads.values())):
        raise SimulationError(f"map {where}: expected drivable roads, found no lane of type driving; give another file")
    return RoadFile(
        roads=roads,
        controllers={key: tuple(name for _, name in found) for key, found in sequences.items() if found},
        controller_of=controller_of,
    )


def _road(element: ElementTree.Element) -> Road:
    length = _number(element, "length")
    line = tuple(_geometry(item) for item in element.iterfind("planView/geometry"))
    starts = [_number(section, "s") for section in element.iterfind("lanes/laneSection")]
    if not line or not starts:
        raise ValueError(f"road {element.attrib['id']} has no plan view or no lanes")
    ends = [*starts[1:], length]
    sections = tuple(
        _section(section, start, end)
        for section, start, end in zip(element.iterfind("lanes/laneSection"), starts, ends, strict=True)
    )
    speed = next((_speed(item) for item in element.iterfind("type/speed")), None)
    junction = element.get("junction", "-1")
    return Road(
        road=element.attrib["id"],
        junction="" if junction == "-1" else junction,
        length_m=length,
        line=line,
        offset_K5=_pieces(element.iterfind("lanes/laneOffset"), 0.0),
        elevation_K5=_pieces(element.iterfind("elevationProfile/elevation"), 0.0),
        sections=sections,
        predecessor=_link(element.find("link/predecessor")),
        successor=_link(element.find("link/successor")),
        speed_mps=speed,
        signals=tuple(_signals(element)),
        objects=tuple(_objects(element)),
    )


def _number(element: ElementTree.Element, key: str, default: float | None = None) -> float:
    text = element.get(key)
    if text is None and default is not None:
        return default
    value = float(element.attrib[key])
    if not np.isfinite(value):
        raise ValueError(f"{key} of <{element.tag}> is {text}")
    return value


def _geometry(element: ElementTree.Element) -> Geometry:
    shape = element[0]
    names = {
        "line": (),
        "arc": ("curvature",),
        "spiral": ("curvStart", "curvEnd"),
        "poly3": ("a", "b", "c", "d"),
        "paramPoly3": ("aU", "bU", "cU", "dU", "aV", "bV", "cV", "dV"),
    }
    if shape.tag not in names:
        raise ValueError(f"geometry of kind {shape.tag} is not known")
    length = _number(element, "length")
    values = [_number(shape, name) for name in names[shape.tag]]
    if shape.tag == "paramPoly3":
        values.append(length if shape.get("pRange") == "arcLength" else 1.0)
    return Geometry(
        s_m=_number(element, "s"),
        x_m=_number(element, "x"),
        y_m=_number(element, "y"),
        heading_rad=_number(element, "hdg"),
        length_m=length,
        kind=shape.tag,
        values=tuple(values),
    )


def _pieces(elements: Iterable[ElementTree.Element], start_m: float, key: str = "s") -> FloatArray:
    rows = [[_number(e, key) + start_m, *(_number(e, name) for name in "abcd")] for e in elements]
    return np.asarray(sorted(rows), dtype=np.float64).reshape(-1, 5)


def _section(element: ElementTree.Element, start_m: float, end_m: float) -> LaneSection:
    lanes = {}
    for lane in [*element.iterfind("left/lane"), *element.iterfind("right/lane")]:
        number = int(lane.attrib["id"])
        links = [lane.find(f"link/{name}") for name in ("predecessor", "successor")]
        predecessor, successor = (None if link is None else int(link.attrib["id"]) for link in links)
        lanes[number] = LaneRecord(
            number=number,
            kind=lane.get("type", "none"),
            width_K5=_pieces(lane.iterfind("width"), start_m, "sOffset"),
            predecessor=predecessor,
            successor=successor,
            speed_mps=next((_speed(item) for item in lane.iterfind("speed")), None),
        )
    return LaneSection(start_m=start_m, end_m=end_m, lanes=lanes)


def _speed(element: ElementTree.Element) -> float | None:
    text = element.get("max", "")
    if text in ("no limit", "undefined", ""):
        return None
    return float(text) * MPS_PER_UNIT[element.get("unit", "")]


def _link(element: ElementTree.Element | None) -> Link | None:
    if element is None:
        return None
    at_start = element.get("contactPoint", "start") == "start"
    return Link(kind=element.get("elementType", "road"), element=element.attrib["elementId"], at_start=at_start)


def _signals(road: ElementTree.Element) -> Iterable[SignalRecord]:
    for element in [*road.iterfind("signals/signal"), *road.iterfind("signals/signalReference")]:
        valid = element.find("validity")
        yield SignalRecord(
            signal=element.attrib["id"],
            s_m=_number(element, "s"),
            t_m=_number(element, "t"),
            is_reference=element.tag == "signalReference",
            is_dynamic=element.get("dynamic") == "yes",
            orientation=element.get("orientation", "none"),
            from_lane=-ALL_LANES if valid is None else int(valid.attrib["fromLane"]),
            to_lane=ALL_LANES if valid is None else int(valid.attrib["toLane"]),
        )


def _objects(road: ElementTree.Element) -> Iterable[ObjectRecord]:
    for element in road.iterfind("objects/object"):
        is_crosswalk = element.get("type") == "crosswalk"
        if is_crosswalk or element.get("name", "").lower().replace(" ", "") in ("stopline", "stencil_stopline"):
            yield ObjectRecord(
                kind="crosswalk" if is_crosswalk else "stop line",
                s_m=_number(element, "s"),
                t_m=_number(element, "t"),
                heading_rad=_number(element, "hdg", 0.0),
                length_m=_number(element, "length", 0.0),
                width_m=_number(element, "width", 0.0),
            )
