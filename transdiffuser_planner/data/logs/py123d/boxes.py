"""The boxes of a py123d log as tracks of agents. N boxes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.logs.object_tracks import LONG_VEHICLE_M, LabeledBoxes, tracks_of
from transdiffuser_planner.data.logs.poses import heading_of, rotations
from transdiffuser_planner.data.logs.py123d.labels import LABELS, ONE_VEHICLE_LABEL, RIDERS
from transdiffuser_planner.data.logs.py123d.layout import LogTable
from transdiffuser_planner.data.logs.tracks import AgentTracks

FloatArray = NDArray[np.float64]


def read_boxes(path: Path, origin_2: FloatArray, frame_id: str) -> tuple[AgentTracks, list[str]]:
    """Read the boxes of all agents.

    Args:
        path: The file box_detections_se3.arrow.
        origin_2: Subtracted from all positions, m.
        frame_id: Frame of the positions.

    Returns:
        Tracks, and one line for boxes that are no agents.

    Raises:
        RecordingError: It is missing, cannot be read, or its labels are not known.
    """
    table = LogTable(path)
    kind = str(table.metadata.get("box_detection_label_class", "")).rpartition(".")[2]
    if kind not in LABELS:
        raise RecordingError(f"{path}: its labels '{kind}' are not known; known are {', '.join(sorted(LABELS))}")
    stamps_ns = table.integers("timestamp_us") * 1000
    count_R, box_N10 = _flat(table, "bounding_box_se3", 10)
    _, label_N1 = _flat(table, "label", 1)
    tokens = [token for row in table.column("track_token").to_pylist() for token in row or ()]
    if not len(box_N10) == len(label_N1) == len(tokens):
        raise RecordingError(f"{path}: expected as many labels and tokens as boxes; convert the log again")
    label_N = label_N1[:, 0].astype(np.int64)
    class_N = np.asarray([LABELS[kind].get(label, -1) for label in label_N.tolist()], dtype=np.int64)
    if kind in ONE_VEHICLE_LABEL:
        class_N[(class_N == AgentClass.CAR) & (box_N10[:, 7] >= LONG_VEHICLE_M)] = int(AgentClass.TRUCK)
    norm_N = np.linalg.norm(box_N10[:, 3:7], axis=1)
    kept_N = (class_N >= 0) & np.isfinite(box_N10).all(axis=1) & (np.abs(norm_N - 1.0) < 0.1)
    box_K10 = box_N10[kept_N]
    boxes = LabeledBoxes(
        stamp_ns_N=np.repeat(stamps_ns, count_R)[kept_N],
        track_N=np.asarray(tokens, dtype=str)[kept_N],
        class_N=class_N[kept_N].astype(np.int8),
        is_rider_N=np.isin(label_N[kept_N], RIDERS.get(kind, ())),
        x_m_N=box_K10[:, 0] - origin_2[0],
        y_m_N=box_K10[:, 1] - origin_2[1],
        heading_rad_N=heading_of(rotations(box_K10[:, 3:7])),
        size_N3=box_K10[:, 7:10],
    )
    others = Counter(label_N[class_N < 0].tolist())
    listed = ", ".join(f"{count} x label {label}" for label, count in sorted(others.items()))
    return tracks_of(boxes, frame_id), [f"boxes that are no agents are left out: {listed}"] if others else []


def _flat(table: LogTable, name: str, size: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Lengths of the lists of all rows (R,), and the values of all of them (N, size).

    Raises:
        RecordingError: The column is missing or of another form.
    """
    counts, parts = [], [np.zeros((0, size))]
    for chunk in table.column(name).chunks:
        counts.append(np.asarray(chunk.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64))
        values: Any = chunk.flatten()
        numbers = values.flatten() if size > 1 else values
        flat = np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
        if len(flat) != len(values) * size:
            raise RecordingError(f"{table.path}: column '{name}': expected {size} numbers for each box")
        parts.append(flat.reshape(-1, size))
    return np.concatenate([np.zeros(0, dtype=np.int64), *counts]), np.concatenate(parts)
