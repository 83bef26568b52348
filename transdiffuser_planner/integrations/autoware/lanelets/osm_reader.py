"""Reads the .osm file of a Lanelet2 map: what of it the planner uses, in one pass, without Lanelet2 itself.

Positions are the tags ``local_x`` and ``local_y`` of the nodes, as Autoware's map loader takes them; heights the tag ``ele``.
Boundaries are brought into driving order as Lanelet2 does (``lanelet2_core/geometry/impl/LineString.h``, ``align``): the right
one lies right of the left one.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import project_onto_polyline
from transdiffuser_planner.integrations.autoware.lanelets.lanelet_map import (
    Bound,
    Lanelet,
    LaneletMap,
    MapError,
    TrafficLightRule,
)

FloatArray = NDArray[np.float64]
Tags = Mapping[str, str]

_MPS_OF = {"km/h": 1.0 / 3.6, "kmh": 1.0 / 3.6, "kph": 1.0 / 3.6, "mph": 0.44704, "m/s": 1.0, "mps": 1.0}
_MAX_POSITION_M = 1e8
_WAY_NODE = "nd"  # codespell:ignore
_MAX_BYTES = 2 * 1024**3
_TURNS = ("left", "right", "straight")


@dataclass(slots=True)
class _Elements:
    """Nodes, ways and relations of a file by number; relations are (tags, [(role, type, number)])."""

    nodes: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    ways: dict[int, tuple[int, ...]] = field(default_factory=dict)
    relations: dict[int, tuple[Tags, list[tuple[str, str, int]]]] = field(default_factory=dict)
    num_without_position: int = 0


def read_osm(path: str | Path) -> LaneletMap:
    """Read a map.

    Args:
        path: An .osm file in Lanelet2's format.

    Raises:
        MapError: The file cannot be read, is no such map, or its nodes have no local coordinates.
    """
    elements = _elements(Path(path))
    lanelets: dict[int, Lanelet] = {}
    lights: dict[int, TrafficLightRule] = {}
    skipped = 0
    for number, (tags, members) in elements.relations.items():
        if tags.get("type") == "lanelet":
            lanelet = _lanelet(number, tags, members, elements)
            skipped += lanelet is None
            if lanelet is not None:
                lanelets[number] = lanelet
        elif tags.get("type") == "regulatory_element" and tags.get("subtype") == "traffic_light":
            lights[number] = TrafficLightRule(rule_id=number, stop_line_N3=_stop_line(members, elements))
    if not lanelets and elements.num_without_position:
        raise MapError(
            f"map {path}: none of its {elements.num_without_position} nodes has the tags local_x and local_y; "
            "save it in the Vector Map Builder with local coordinates"
        )
    if not lanelets:
        raise MapError(f"map {path}: it has no lanelets; expected an .osm file in Lanelet2's format")
    return LaneletMap(source=str(path), lanelets=lanelets, traffic_lights=lights, skipped=skipped)


def _elements(path: Path) -> _Elements:
    """Read all elements of a file.

    Raises:
        MapError: It cannot be read, or is no XML of this kind.
    """
    found = _Elements()
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise MapError(f"map {path}: larger than 2 GiB; give the .osm file of the vector map")
        if b"<!ENTITY" in path.read_bytes()[:4096]:
            raise MapError(f"map {path}: it declares XML entities, which no map needs")
        root_name = ""
        for event, element in ElementTree.iterparse(path, events=("start", "end")):
            root_name = root_name or element.tag
            if root_name != "osm":
                raise MapError(f"map {path}: it begins with <{root_name}>, not with <osm>")
            if event == "end" and element.tag in ("node", "way", "relation"):
                _take(element, found)
                element.clear()
    except OSError as error:
        raise MapError(f"map {path}: cannot be read ({error.strerror or error})") from None
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise MapError(f"map {path}: not a Lanelet2 map in XML ({error})") from None
    return found


def _take(element: ElementTree.Element, found: _Elements) -> None:
    """Add one element."""
    number = int(element.attrib["id"])
    tags = {tag.attrib["k"]: tag.attrib["v"] for tag in element.iter("tag")}
    if element.tag == "node":
        position = _position(tags)
        if position is None:
            found.num_without_position += 1
        else:
            found.nodes[number] = position
    elif element.tag == "way":
        found.ways[number] = tuple(int(item.attrib["ref"]) for item in element.iter(_WAY_NODE))
    else:
        members = [(m.attrib.get("role", ""), m.attrib["type"], int(m.attrib["ref"])) for m in element.iter("member")]
        found.relations[number] = tags, members


def _position(tags: Tags) -> tuple[float, float, float] | None:
    """Local position of a node; None without one.

    Raises:
        ValueError: A coordinate is no number or beyond any map.
    """
    if not tags.get("local_x") or not tags.get("local_y"):
        return None
    position = float(tags["local_x"]), float(tags["local_y"]), float(tags.get("ele") or 0.0)
    if not all(math.isfinite(value) and abs(value) <= _MAX_POSITION_M for value in position):
        raise ValueError(f"a node at {position} m")
    return position


def _bound(way_id: int, elements: _Elements) -> Bound | None:
    """A way as a boundary in the order of the file, without repeated points; None if it has no two points."""
    known = [node for node in elements.ways.get(way_id, ()) if node in elements.nodes]
    node_ids = [node for node, before in zip(known, [None, *known], strict=False) if node != before]
    if len(node_ids) < 2:
        return None
    xyz_N3 = np.asarray([elements.nodes[node] for node in node_ids], dtype=np.float64)
    if not np.ptp(xyz_N3[:, :2], axis=0).any():
        return None
    return Bound(way_id=way_id, node_ids=tuple(node_ids), xyz_N3=xyz_N3)


def _lanelet(number: int, tags: Tags, members: list[tuple[str, str, int]], elements: _Elements) -> Lanelet | None:
    """A lanelet of a relation; None without two boundaries."""
    bounds = {role: _bound(ref, elements) for role, kind, ref in members if kind == "way"}
    left, right = bounds.get("left"), bounds.get("right")
    if left is None or right is None:
        return None
    left, right = aligned(left, right)
    center = bounds.get("centerline")
    center_N3 = None if center is None else _along(center.xyz_N3, left.xyz_N3)
    turn = tags.get("turn_direction", "")
    return Lanelet(
        lanelet_id=number,
        left=left,
        right=right,
        centerline_N3=center_N3,
        speed_limit_mps=speed_mps(tags.get("speed_limit", "")),
        turn_direction=turn if turn in _TURNS else "",
        rule_ids=tuple(ref for role, _, ref in members if role == "regulatory_element"),
    )


def aligned(left: Bound, right: Bound) -> tuple[Bound, Bound]:
    """Bring two boundaries into driving order: each lies on its side of the other.

    Args:
        left: As in the file.
        right: As in the file.
    """
    if _side(left, right) > 0.0:  # the right boundary lies left of the left one: that one is reversed
        left = left.reversed()
    if _side(right, left) < 0.0:
        right = right.reversed()
    return left, right


def _side(line: Bound, other: Bound) -> float:
    """Signed distance of the middle of another boundary, positive to the left."""
    points = other.xyz_N3[:, :2]
    middle_2 = points[len(points) // 2] if len(points) > 2 else points.mean(axis=0)
    return float(project_onto_polyline(line.xyz_N3[:, :2], middle_2[None])[1][0])


def _along(line_N3: FloatArray, like_N3: FloatArray) -> FloatArray:
    """A line in the direction of another one."""
    direction = (line_N3[-1] - line_N3[0])[:2] @ (like_N3[-1] - like_N3[0])[:2]
    return line_N3 if direction >= 0.0 else line_N3[::-1]


def speed_mps(text: str) -> float | None:
    """Speed of a tag; km/h without a unit, as in Autoware's maps.

    Args:
        text: For example "50", "50 km/h" or "30 mph".

    Returns:
        m/s; None if the tag states no positive speed.
    """
    text = text.strip().lower()
    unit = next((name for name in _MPS_OF if text.endswith(name)), "")
    try:
        value = float(text.removesuffix(unit)) * _MPS_OF.get(unit, 1.0 / 3.6)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0.0 else None


def _stop_line(members: list[tuple[str, str, int]], elements: _Elements) -> FloatArray | None:
    """Stop line of a traffic light, its member ``ref_line``."""
    for role, kind, ref in members:
        bound = _bound(ref, elements) if role == "ref_line" and kind == "way" else None
        if bound is not None:
            return bound.xyz_N3
    return None
