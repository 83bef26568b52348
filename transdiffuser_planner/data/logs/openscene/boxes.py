"""Labeled boxes of OpenScene as tracks of agents. N boxes of one frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.data.logs.object_tracks import LONG_VEHICLE_M, LabeledBoxes, tracks_of
from transdiffuser_planner.data.logs.openscene.ego import MAP_FRAME
from transdiffuser_planner.data.logs.openscene.frames import heading_of
from transdiffuser_planner.data.logs.tracks import AgentTracks

FloatArray = NDArray[np.float64]

CLASSES: Final = {
    "vehicle": AgentClass.CAR,
    "bicycle": AgentClass.BICYCLE,
    "pedestrian": AgentClass.PEDESTRIAN,
}
"""Names of the data set that are agents; cones, barriers, signs and generic objects are none."""


def read_boxes(
    labeled: Sequence[tuple[int, FloatArray, Mapping[str, Any]]], origin_3: FloatArray
) -> tuple[AgentTracks, list[str]]:
    """Return the boxes of all frames as tracks.

    Args:
        labeled: Stamp of each frame in ns, pose (4, 4) of its rear axle in UTM, and its annotations: ``gt_boxes`` (N, 7) x, y,
            z (m) of the centers relative to the rear axle, length, width, height, heading relative to the vehicle; ``gt_names``,
            ``gt_velocity_3d`` relative to the vehicle's axes, ``track_tokens``.
        origin_3: Origin of the odometry's frame in UTM, m.

    Returns:
        Tracks in that frame, and one line for what is left out.
    """
    parts: list[LabeledBoxes] = []
    others: Counter[str] = Counter()
    num_bad = 0
    for stamp_ns, utm_from_axle_44, content in labeled:
        try:
            parts.append(_boxes(stamp_ns, utm_from_axle_44, content, origin_3, others))
        except (KeyError, TypeError, ValueError, IndexError):
            num_bad += 1
    listed = ", ".join(f"{count} x {name}" for name, count in sorted(others.items()))
    notes = [f"boxes that are no agents are left out: {listed}"] if others else []
    notes += [f"labels of {num_bad} frames cannot be used and are left out"] if num_bad else []
    return (tracks_of(_joined(parts), MAP_FRAME) if parts else AgentTracks()), notes


def _boxes(
    stamp_ns: int,
    utm_from_axle_44: FloatArray,
    annotations: Mapping[str, Any],
    origin_3: FloatArray,
    others: Counter[str],
) -> LabeledBoxes:
    """Boxes of one frame.

    Raises:
        ValueError: Their arrays are not as long as one another.
    """
    names = [str(name) for name in annotations["gt_names"]]
    tokens = [str(token) for token in annotations["track_tokens"]]
    box_N7 = np.asarray(annotations["gt_boxes"], dtype=np.float64).reshape(-1, 7)
    velocity_N3 = np.asarray(annotations["gt_velocity_3d"], dtype=np.float64).reshape(-1, 3)
    if not len(names) == len(tokens) == len(box_N7) == len(velocity_N3):
        raise ValueError("as many names, tokens, boxes and velocities are needed")
    others.update(name for name in names if name not in CLASSES)
    kept_N = np.asarray([name in CLASSES for name in names], dtype=np.bool_)
    class_N = np.asarray([int(CLASSES[name]) for name in names if name in CLASSES], dtype=np.int8)
    box_N7, velocity_N3 = box_N7[kept_N], velocity_N3[kept_N]
    class_N[(class_N == AgentClass.CAR) & (box_N7[:, 3] >= LONG_VEHICLE_M)] = int(AgentClass.TRUCK)
    rotation_33 = utm_from_axle_44[:3, :3]
    xyz_N3 = box_N7[:, :3] @ rotation_33.T + (utm_from_axle_44[:3, 3] - origin_3)
    along_N2 = np.stack([np.cos(box_N7[:, 6]), np.sin(box_N7[:, 6])], axis=-1)
    return LabeledBoxes(
        stamp_ns_N=np.full(len(class_N), stamp_ns, dtype=np.int64),
        track_N=np.asarray([token for token, kept in zip(tokens, kept_N, strict=True) if kept], dtype=str),
        class_N=class_N,
        is_rider_N=np.zeros(len(class_N), dtype=np.bool_),
        x_m_N=xyz_N3[:, 0],
        y_m_N=xyz_N3[:, 1],
        heading_rad_N=box_N7[:, 6] + heading_of(rotation_33),
        size_N3=box_N7[:, 3:6],
        speed_mps_N=(velocity_N3[:, :2] * along_N2).sum(axis=1),
    )


def _joined(parts: Sequence[LabeledBoxes]) -> LabeledBoxes:
    names = LabeledBoxes.__dataclass_fields__
    return LabeledBoxes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
