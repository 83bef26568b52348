"""Map features of a scenario as lanes and pieces. K points of a line, C corners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.data.logs.map_elements import (
    LaneUse,
    MapLane,
    MapPiece,
    PieceKind,
    borders_of,
    connected_by_ends,
    lane_pieces,
)

FloatArray = NDArray[np.float64]

HALF_WIDTH_M: Final = 1.75
"""Half the width of lanes without borders: connectors of junctions, and lanes whose width is not measured."""
MIN_HALF_WIDTH_M, MAX_HALF_WIDTH_M = 0.8, 4.0
END_GAP_M: Final = 2.0
END_TURN_RAD: Final = 0.6
_KMH_PER_MPS: Final = 3.6
_AREAS: Final = {
    "CROSSWALK": PieceKind.CROSSING,
    "BOUNDARY_SIDEWALK": PieceKind.SIDEWALK,
    "SIDEWALK": PieceKind.SIDEWALK,
    "DRIVEWAY": PieceKind.DRIVABLE_AREA,
}


def read_features(
    features: Mapping[Any, Any], origin_2: FloatArray, *, limits_are_real: bool
) -> tuple[list[MapLane], list[MapPiece], dict[str, int], int]:
    """Read lanes and areas.

    Args:
        features: ``map_features`` of a scenario.
        origin_2: Subtracted from all positions, m.
        limits_are_real: Whether speed limits are those of the map; the converter of nuScenes writes a constant.

    Returns:
        Lanes, pieces as messages hold them, number of the lane for each name, and how many features cannot be used.
    """
    numbers = {str(name): index + 1 for index, name in enumerate(features)}
    lanes: list[MapLane] = []
    areas: list[MapPiece] = []
    num_bad = 0
    for name, feature in features.items():
        try:
            kind = str(feature["type"])
            if kind.startswith("LANE_"):
                lanes.append(_lane(numbers, str(name), feature, origin_2, limits_are_real=limits_are_real))
            elif kind in _AREAS and "polygon" in feature:
                areas.append((int(_AREAS[kind]), _line(feature["polygon"], origin_2, 3)))
        except (KeyError, TypeError, ValueError, IndexError):
            num_bad += 1
    if not any(lane.successors for lane in lanes):
        following = connected_by_ends(lanes, END_GAP_M, END_TURN_RAD)
        lanes = [replace(lane, successors=following[lane.number]) for lane in lanes]
        before: dict[int, list[int]] = {lane.number: [] for lane in lanes}
        for lane in lanes:
            for number in lane.successors:
                before[number].append(lane.number)
        lanes = [replace(lane, predecessors=tuple(before[lane.number])) for lane in lanes]
    return lanes, [*lane_pieces(lanes), *areas], numbers, num_bad


def _lane(
    numbers: Mapping[str, int], name: str, feature: Mapping[str, Any], origin_2: FloatArray, *, limits_are_real: bool
) -> MapLane:
    """One lane.

    Raises:
        ValueError: Its center line has fewer than two different points.
    """
    line = np.asarray(feature["polyline"], dtype=np.float64)
    center_K2 = line[:, :2] - origin_2
    kept_K = np.concatenate([[True], np.hypot(*np.diff(center_K2, axis=0).T) > 1e-3])
    center_K2 = center_K2[kept_K]
    if len(center_K2) < 2 or not np.isfinite(center_K2).all():
        raise ValueError("a lane needs two finite points")
    kind, area_C2 = str(feature["type"]), None
    if "polygon" in feature and len(feature["polygon"]) >= 3:
        area_C2 = _line(feature["polygon"], origin_2, 3)
    left_m: Any = HALF_WIDTH_M
    right_m: Any = HALF_WIDTH_M
    width = np.asarray(feature.get("width", ()), dtype=np.float64)
    if width.shape == (len(kept_K), 2):
        usable = np.where(width[kept_K] >= MIN_HALF_WIDTH_M, width[kept_K].clip(max=MAX_HALF_WIDTH_M), HALF_WIDTH_M)
        left_m, right_m = usable[:, 0], usable[:, 1]
    left_B2, right_B2 = borders_of(center_K2, left_m, right_m)
    is_in_junction = "UNSTRUCTURE" in kind or bool(feature.get("interpolating", False))
    is_in_junction |= area_C2 is None and "speed_limit_kmh" in feature and not limits_are_real
    return MapLane(
        number=numbers[name],
        use=LaneUse.BICYCLES if "BIKE" in kind else LaneUse.BUSES if "BUS" in kind else LaneUse.CARS,
        center_K2=center_K2,
        left_B2=left_B2,
        right_B2=right_B2,
        area_C2=area_C2,
        is_in_junction=is_in_junction,
        successors=_known(numbers, feature.get("exit_lanes", ())),
        predecessors=_known(numbers, feature.get("entry_lanes", ())),
        left=_nearest(numbers, reversed(list(feature.get("left_neighbor", ())))),
        right=_nearest(numbers, feature.get("right_neighbor", ())),
        speed_limit_mps=_limit_mps(feature) if limits_are_real else None,
    )


def _known(numbers: Mapping[str, int], names: Iterable[Any]) -> tuple[int, ...]:
    return tuple(numbers[str(name)] for name in names if str(name) in numbers)


def _nearest(numbers: Mapping[str, int], neighbors: Iterable[Any]) -> int | None:
    """The lane next to this one; Waymo lists those next to a part of it, nuPlan all lanes of the road from left to right."""
    for neighbor in neighbors:
        name = neighbor.get("feature_id") if isinstance(neighbor, Mapping) else neighbor
        if str(name) in numbers:
            return numbers[str(name)]
    return None


def _limit_mps(feature: Mapping[str, Any]) -> float | None:
    value = feature.get("speed_limit_mps")
    if value is None and feature.get("speed_limit_kmh") is not None:
        value = float(feature["speed_limit_kmh"]) / _KMH_PER_MPS
    return float(value) if value is not None and 0.0 < float(value) < 60.0 else None


def _line(points: Any, origin_2: FloatArray, at_least: int) -> FloatArray:
    """Positions (C, 2).

    Raises:
        ValueError: There are too few, or one is not finite.
    """
    found = np.asarray(points, dtype=np.float64)[:, :2] - origin_2
    if len(found) < at_least or not np.isfinite(found).all():
        raise ValueError("too few finite points")
    return np.asarray(found)
