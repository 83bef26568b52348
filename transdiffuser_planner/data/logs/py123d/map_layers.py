"""The map of a py123d log: rows with a msgpack mapping each, cut out around the drive. K points, C corners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.data.logs.arrow_tables import required
from transdiffuser_planner.data.logs.map_elements import (
    LaneUse,
    MapLane,
    MapPiece,
    PieceKind,
    center_line,
    lane_pieces,
    same_way_neighbors,
)
from transdiffuser_planner.data.logs.py123d.layout import LogTable

FloatArray = NDArray[np.float64]

REACH_M: Final = 200.0
"""Maps of whole cities are cut out this far around the driven path."""
_LANE, _LANE_GROUP = 0, 1
_AREAS: Final = {
    3: PieceKind.CROSSING,
    4: PieceKind.SIDEWALK,
    5: PieceKind.DRIVABLE_AREA,
    6: PieceKind.DRIVABLE_AREA,
}
_USES: Final = {3: LaneUse.BICYCLES, 4: LaneUse.BUSES}
_MAX_ITEMS: Final = 10_000_000


def read_map(
    path: Path, origin_2: FloatArray, low_2: FloatArray, high_2: FloatArray
) -> tuple[list[MapLane], list[MapPiece], int]:
    """Read the part of a map around a drive.

    Args:
        path: The file of the map.
        origin_2: Position of the log's origin in the frame of the map, m; it is subtracted.
        low_2: Least x and y of the drive in the frame of the map.
        high_2: Largest x and y of the drive.

    Returns:
        Lanes, pieces as messages hold them, and the number of elements that cannot be used.

    Raises:
        RecordingError: The file cannot be read.
    """
    table = LogTable(path)
    layers, numbers, packed = table.integers("map_layer"), table.integers("object_id"), table.column("features")
    in_junction = _groups_in_junctions(layers, numbers, packed)
    lanes: list[MapLane] = []
    areas: list[MapPiece] = []
    num_bad = 0
    for row in np.flatnonzero(np.isin(layers, [_LANE, *_AREAS])).tolist():
        try:
            features = _unpack(packed[row].as_py())
            layer = int(layers[row])
            outline = np.asarray(features["centerline" if layer == _LANE else "outline"], dtype=np.float64)[:, :2]
            if (outline.min(axis=0) > high_2 + REACH_M).any() or (outline.max(axis=0) < low_2 - REACH_M).any():
                continue
            if layer == _LANE:
                lanes.append(_lane(int(numbers[row]), features, origin_2, in_junction))
            elif len(outline) >= 3 and np.isfinite(outline).all():
                areas.append((int(_AREAS[layer]), outline - origin_2))
            else:
                num_bad += 1
        except (KeyError, TypeError, ValueError, IndexError):
            num_bad += 1
    neighbors = same_way_neighbors(lanes)
    lanes = [replace(lane, left=neighbors[lane.number][0], right=neighbors[lane.number][1]) for lane in lanes]
    return lanes, [*lane_pieces(lanes), *areas], num_bad


def _unpack(data: bytes) -> Mapping[str, Any]:
    """A mapping with arrays, which py123d packs as type, shape and bytes.

    Raises:
        ValueError: It is no mapping, or holds an array of objects.
    """
    msgpack = required("msgpack", "the py123d layout")

    def array(item: dict[Any, Any]) -> Any:
        if b"__ndarray__" not in item:
            return item
        kind = np.dtype(item[b"dtype"])
        if kind.hasobject:
            raise ValueError("arrays of objects are not read")
        return np.frombuffer(item[b"data"], dtype=kind).reshape(item[b"shape"])

    try:
        found = msgpack.unpackb(data, object_hook=array, raw=False, strict_map_key=False, max_array_len=_MAX_ITEMS)
    except Exception as error:  # msgpack's errors are of many kinds
        raise ValueError(str(error)) from None
    if not isinstance(found, dict):
        raise ValueError("expected a mapping")
    return found


def _groups_in_junctions(layers: NDArray[np.int64], numbers: NDArray[np.int64], packed: Any) -> frozenset[int]:
    """Numbers of the groups of lanes that lead through a junction."""
    found = set()
    for row in np.flatnonzero(layers == _LANE_GROUP).tolist():
        try:
            if _unpack(packed[row].as_py()).get("intersection_id") is not None:
                found.add(int(numbers[row]))
        except (TypeError, ValueError):
            continue
    return frozenset(found)


def _lane(number: int, features: Mapping[str, Any], origin_2: FloatArray, in_junction: frozenset[int]) -> MapLane:
    left_B2, right_B2 = (_line(features[f"{side}_boundary"], origin_2) for side in ("left", "right"))
    center = features.get("centerline")
    center_K2 = center_line(left_B2, right_B2) if center is None else _line(center, origin_2)
    limit = features.get("speed_limit_mps")
    group = features.get("lane_group_id")
    return MapLane(
        number=number,
        use=_USES.get(int(features.get("lane_type") or 0), LaneUse.CARS),
        center_K2=center_K2,
        left_B2=left_B2,
        right_B2=right_B2,
        is_in_junction=group is not None and int(group) in in_junction,
        successors=tuple(int(other) for other in features.get("successor_ids") or ()),
        predecessors=tuple(int(other) for other in features.get("predecessor_ids") or ()),
        left=_number(features.get("left_lane_id")),
        right=_number(features.get("right_lane_id")),
        speed_limit_mps=float(limit) if limit is not None and 0.0 < float(limit) < 60.0 else None,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _line(points: Any, origin_2: FloatArray) -> FloatArray:
    """Positions (K, 2) without repeated points.

    Raises:
        ValueError: There are fewer than two, or one is not finite.
    """
    line = np.asarray(points, dtype=np.float64)[:, :2] - origin_2
    line = line[np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-3])]
    if len(line) < 2 or not np.isfinite(line).all():
        raise ValueError("a line needs two finite points")
    return np.asarray(line)
