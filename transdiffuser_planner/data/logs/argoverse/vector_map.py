"""The vector map of an Argoverse 2 log: lanes, drivable areas and crossings. B points of a border, C corners."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.data.logs.map_elements import (
    LaneUse,
    MapLane,
    MapPiece,
    PieceKind,
    center_line,
    lane_pieces,
    same_way_neighbors,
)

FloatArray = NDArray[np.float64]

_USES: Final = {"VEHICLE": LaneUse.CARS, "BUS": LaneUse.BUSES, "BIKE": LaneUse.BICYCLES}


def read_vector_map(path: Path, origin_2: FloatArray) -> tuple[list[MapLane], list[MapPiece], int]:
    """Read a map.

    Args:
        path: The file map/log_map_archive_*.json.
        origin_2: Position of the log's origin in the city frame, m; it is subtracted.

    Returns:
        Lanes, pieces as messages hold them, and the number of elements that could not be used.

    Raises:
        RecordingError: The file is no such map.
    """
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read ({str(error).splitlines()[0]}); fetch the file again") from None
    if not isinstance(content, dict) or not isinstance(content.get("lane_segments"), dict):
        raise RecordingError(f"{path}: expected a vector map of Argoverse 2 with lane_segments, got another file")
    lanes, areas = [], []
    num_bad = 0
    for segment in content["lane_segments"].values():
        try:
            lanes.append(_lane(segment, origin_2))
        except (KeyError, TypeError, ValueError, AttributeError):
            num_bad += 1
    for area in _values(content, "drivable_areas"):
        try:
            areas.append((int(PieceKind.DRIVABLE_AREA), _points(area["area_boundary"], origin_2)))
        except (KeyError, TypeError, ValueError):
            num_bad += 1
    for crossing in _values(content, "pedestrian_crossings"):
        try:
            areas.append((int(PieceKind.CROSSING), _crossing(crossing, origin_2)))
        except (KeyError, TypeError, ValueError):
            num_bad += 1
    neighbors = same_way_neighbors(lanes)
    lanes = [replace(lane, left=neighbors[lane.number][0], right=neighbors[lane.number][1]) for lane in lanes]
    return lanes, [*lane_pieces(lanes), *areas], num_bad


def _values(content: Mapping[str, Any], name: str) -> list[Any]:
    part = content.get(name)
    return list(part.values()) if isinstance(part, dict) else []


def _lane(segment: Mapping[str, Any], origin_2: FloatArray) -> MapLane:
    left_B2 = _points(segment["left_lane_boundary"], origin_2)
    right_B2 = _points(segment["right_lane_boundary"], origin_2)
    return MapLane(
        number=int(segment["id"]),
        use=_USES[segment["lane_type"]],
        center_K2=center_line(left_B2, right_B2),
        left_B2=left_B2,
        right_B2=right_B2,
        is_in_junction=bool(segment["is_intersection"]),
        successors=tuple(int(number) for number in segment["successors"]),
        predecessors=tuple(int(number) for number in segment["predecessors"]),
        left=_number(segment.get("left_neighbor_id")),
        right=_number(segment.get("right_neighbor_id")),
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _points(points: Any, origin_2: FloatArray) -> FloatArray:
    """Positions (B, 2) of at least two finite points.

    Raises:
        ValueError: There are fewer, or one is not finite.
    """
    found = np.asarray([[point["x"], point["y"]] for point in points], dtype=np.float64) - origin_2
    if len(found) < 2 or not np.isfinite(found).all():
        raise ValueError("a line needs two finite points")
    return found


def _crossing(crossing: Mapping[str, Any], origin_2: FloatArray) -> FloatArray:
    """Corners (4, 2) around a crossing; its edges run the same way or opposite ways."""
    first, second = _points(crossing["edge1"], origin_2), _points(crossing["edge2"], origin_2)
    if (first[-1] - first[0]) @ (second[-1] - second[0]) > 0.0:
        second = second[::-1]
    return np.concatenate([first, second])
