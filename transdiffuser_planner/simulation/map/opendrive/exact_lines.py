"""Lane lines of a built network as in the OpenDRIVE file: netconvert trims and moves lanes, short ones by meters."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.lane_lines import simplified
from transdiffuser_planner.simulation.map.opendrive.network_edges import NetEdge
from transdiffuser_planner.simulation.map.opendrive.plain_network import PlainNetwork, shape_text

FloatArray = NDArray[np.float64]

GAP_M = 0.05
"""Left between two streets that meet without a junction: SUMO needs a lane between them."""
MIN_LENGTH_M = 0.1


def restore_lines(net_file: Path, plain: PlainNetwork) -> None:
    """Give all lanes for cars of a network the lines and lengths of the file.

    Args:
        net_file: Written by netconvert; changed in place.
        plain: Its input.
    """
    tree = ElementTree.parse(net_file)
    root = tree.getroot()
    lanes = {lane.attrib["id"]: lane for lane in root.iter("lane")}
    gaps = {link.start[0] for link in plain.links if len(link.line_N2) < 2}
    lines = {}
    for edge in plain.edges.edges.values():
        restored = _restored(edge, shorten=edge.edge in gaps)
        length = float(np.mean([_length(line) for line in restored]))
        for index, line in enumerate(restored):
            name = f"{edge.edge}_{index}"
            if name in lanes:
                lines[name] = line
                _set(lanes[name], line, length)
    via = {
        (c.attrib["from"], int(c.attrib["fromLane"]), c.attrib["to"], int(c.attrib["toLane"])): c.get("via", "")
        for c in root.iter("connection")
    }
    inner = {(c.attrib["from"], c.attrib["fromLane"]): c.get("via", "") for c in root.iter("connection")}
    for link in plain.links:
        first = via.get(link.start + link.end, "")
        if first not in lanes:
            continue
        ends = [lines[f"{name}_{index}"] for name, index in (link.start, link.end)]
        line = link.line_N2 if len(link.line_N2) > 1 else np.stack([ends[0][-1], ends[1][0]])
        edge_id, _, lane_index = first.rpartition("_")
        second = inner.get((edge_id, lane_index), "")
        if second in lanes:
            head, line = _cut(line, _points(lanes[first])[-1])
            _set(lanes[first], head, _length(head))
        _set(lanes[second if second in lanes else first], line, _length(line))
    tree.write(net_file, encoding="utf-8", xml_declaration=True)


def _restored(edge: NetEdge, *, shorten: bool) -> list[FloatArray]:
    lines = [lane.line_N2 for lane in edge.lanes]
    return [_shortened(line) if shorten else line for line in lines]


def _shortened(line_N2: FloatArray) -> FloatArray:
    """Return a polyline without its last 5 cm, at most half of its last segment."""
    last = line_N2[-1] - line_N2[-2]
    cut = min(GAP_M / max(float(np.hypot(*last)), 1e-9), 0.5)
    return np.vstack([line_N2[:-1], line_N2[-1] - cut * last])


def _cut(line_N2: FloatArray, at_2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the parts of a polyline before and after the point that is nearest to a given one."""
    start, edge = line_N2[:-1], np.diff(line_N2, axis=0)
    t = np.clip(((at_2 - start) * edge).sum(axis=1) / np.maximum((edge**2).sum(axis=1), 1e-12), 0.0, 1.0)
    foot = start + t[:, None] * edge
    index = int(np.argmin(np.hypot(*(foot - at_2).T)))
    before, after = np.vstack([line_N2[: index + 1], foot[index]]), np.vstack([foot[index], line_N2[index + 1 :]])
    return before, after


def _points(lane: ElementTree.Element) -> FloatArray:
    return np.asarray([[float(v) for v in point.split(",")[:2]] for point in lane.attrib["shape"].split()])


def _length(line_N2: FloatArray) -> float:
    return float(np.hypot(*np.diff(line_N2, axis=0).T).sum())


def _set(lane: ElementTree.Element, line_N2: FloatArray, length_m: float) -> None:
    lane.set("shape", shape_text(simplified(line_N2)))
    lane.set("length", f"{max(length_m, MIN_LENGTH_M):.2f}")
