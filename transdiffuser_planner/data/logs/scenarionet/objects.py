"""Tracks of a scenario as agents. T steps, N boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.data.logs.object_tracks import LONG_VEHICLE_M, LabeledBoxes, tracks_of
from transdiffuser_planner.data.logs.tracks import AgentTracks

_TRUCKS: Final = ("truck", "bus", "trailer", "construction")
_KINDS: Final = {"VEHICLE": AgentClass.CAR, "PEDESTRIAN": AgentClass.PEDESTRIAN, "CYCLIST": AgentClass.BICYCLE}


def read_objects(
    tracks: Mapping[str, Mapping[str, Any]], stamp_ns_T: NDArray[np.int64], origin_2: NDArray[np.float64], frame_id: str
) -> tuple[AgentTracks, Counter[str], int]:
    """Read all tracks but the ego's.

    Args:
        tracks: Name -> track of a scenario.
        stamp_ns_T: Stamps of the steps.
        origin_2: Subtracted from all positions, m.
        frame_id: Frame of the positions.

    Returns:
        Tracks, numbers of those that are no agents by kind, and how many cannot be used.
    """
    left_out: Counter[str] = Counter()
    num_bad = 0
    parts: list[LabeledBoxes] = []
    for name, track in tracks.items():
        kind = str(track.get("type", "")) if isinstance(track, Mapping) else ""
        if kind not in _KINDS:
            left_out[kind.lower() or "unnamed"] += 1
            continue
        try:
            parts.append(_boxes(name, track, stamp_ns_T, origin_2))
        except (KeyError, TypeError, ValueError, IndexError):
            num_bad += 1
    if not parts:
        return AgentTracks(), left_out, num_bad
    joined = {
        field: np.concatenate([getattr(part, field) for part in parts])
        for field in ("stamp_ns_N", "track_N", "class_N", "is_rider_N", "x_m_N", "y_m_N", "heading_rad_N", "size_N3")
    }
    return tracks_of(LabeledBoxes(**joined), frame_id), left_out, num_bad


def _boxes(
    name: str, track: Mapping[str, Any], stamp_ns_T: NDArray[np.int64], origin_2: NDArray[np.float64]
) -> LabeledBoxes:
    state, count = track["state"], len(stamp_ns_T)
    valid_T = np.asarray(state["valid"]).reshape(-1)[:count].astype(bool)
    rows = np.flatnonzero(valid_T)
    position_T2 = np.asarray(state["position"], dtype=np.float64)[:count, :2] - origin_2
    size_T3 = np.stack(
        [np.asarray(state[side], dtype=np.float64).reshape(-1)[:count] for side in ("length", "width", "height")],
        axis=-1,
    )
    heading_T = np.asarray(state["heading"], dtype=np.float64).reshape(-1)[:count]
    kind = _kind(track, float(size_T3[rows, 0].max(initial=0.0)))
    return LabeledBoxes(
        stamp_ns_N=stamp_ns_T[rows],
        track_N=np.full(len(rows), name, dtype=f"<U{max(1, len(name))}"),
        class_N=np.full(len(rows), int(kind), dtype=np.int8),
        is_rider_N=np.zeros(len(rows), dtype=np.bool_),
        x_m_N=position_T2[rows, 0],
        y_m_N=position_T2[rows, 1],
        heading_rad_N=heading_T[rows],
        size_N3=size_T3[rows],
    )


def _kind(track: Mapping[str, Any], length_m: float) -> AgentClass:
    """Class by the type, refined by the data set's own category where the track states it."""
    own = track.get("metadata", {})
    category = str(own.get("type", "") if isinstance(own, Mapping) else "").lower()
    kind = _KINDS[str(track["type"])]
    if "motorcycle" in category:
        return AgentClass.MOTORCYCLE
    if kind is AgentClass.CAR:
        is_truck = any(word in category for word in _TRUCKS) or ("." not in category and length_m >= LONG_VEHICLE_M)
        return AgentClass.TRUCK if is_truck else AgentClass.CAR
    return kind
