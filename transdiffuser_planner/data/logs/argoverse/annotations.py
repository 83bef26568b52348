"""The labeled boxes of an Argoverse 2 log as tracks of agents. N boxes, F times of labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.data.logs.arrow_tables import read_feather
from transdiffuser_planner.data.logs.object_tracks import LabeledBoxes, tracks_of
from transdiffuser_planner.data.logs.poses import heading_of, rotations
from transdiffuser_planner.data.logs.tracks import AgentTracks

FloatArray = NDArray[np.float64]

FILE: Final = "annotations.feather"
_CAR, _TRUCK, _PERSON = AgentClass.CAR, AgentClass.TRUCK, AgentClass.PEDESTRIAN
_BICYCLE, _MOTORCYCLE = AgentClass.BICYCLE, AgentClass.MOTORCYCLE
_CLASSES: Final = {
    "REGULAR_VEHICLE": _CAR,
    "LARGE_VEHICLE": _TRUCK,
    "BOX_TRUCK": _TRUCK,
    "TRUCK": _TRUCK,
    "TRUCK_CAB": _TRUCK,
    "VEHICULAR_TRAILER": _TRUCK,
    "BUS": _TRUCK,
    "SCHOOL_BUS": _TRUCK,
    "ARTICULATED_BUS": _TRUCK,
    "RAILED_VEHICLE": _TRUCK,
    "MESSAGE_BOARD_TRAILER": _TRUCK,
    "TRAFFIC_LIGHT_TRAILER": _TRUCK,
    "MOTORCYCLE": _MOTORCYCLE,
    "MOTORCYCLIST": _MOTORCYCLE,
    "BICYCLE": _BICYCLE,
    "BICYCLIST": _BICYCLE,
    "WHEELED_DEVICE": _BICYCLE,
    "WHEELED_RIDER": _BICYCLE,
    "PEDESTRIAN": _PERSON,
    "OFFICIAL_SIGNALER": _PERSON,
    "STROLLER": _PERSON,
    "WHEELCHAIR": _PERSON,
    "DOG": _PERSON,
    "ANIMAL": _PERSON,
}
EGO: Final = "EGO_VEHICLE"
"""Category of the recording vehicle's own box in some releases."""
RIDERS: Final = ("MOTORCYCLIST", "BICYCLIST", "WHEELED_RIDER")
"""A rider's box lies within that of the vehicle, which counts; alone it stands for both."""
_NAMES = ("timestamp_ns", "track_uuid", "category", "length_m", "width_m", "height_m",
          "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")  # fmt: skip


def read_annotations(
    path: Path, stamp_ns_F: NDArray[np.int64], city_from_ego_F44: FloatArray, frame_id: str
) -> tuple[AgentTracks, list[str]]:
    """Read the boxes of all labeled agents.

    Args:
        path: The file annotations.feather.
        stamp_ns_F: Stamps of the ego's poses, increasing.
        city_from_ego_F44: Poses of the ego's origin in the log's frame.
        frame_id: Name of that frame.

    Returns:
        Tracks, and one line for each kind of box that is not an agent.

    Raises:
        RecordingError: The file cannot be read.
    """
    table = read_feather(path, _NAMES)
    at_ns_N = table["timestamp_ns"].astype(np.int64)
    index_N = np.searchsorted(stamp_ns_F, at_ns_N).clip(0, len(stamp_ns_F) - 1)
    earlier_N = (index_N - 1).clip(0)
    nearer_N = np.abs(stamp_ns_F[earlier_N] - at_ns_N) < np.abs(stamp_ns_F[index_N] - at_ns_N)
    index_N = np.where(nearer_N, earlier_N, index_N)
    is_posed_N = np.abs(stamp_ns_F[index_N] - at_ns_N) <= 10_000_000
    category_N = table["category"].astype(str)
    class_N = np.asarray([int(_CLASSES.get(name, -1)) for name in category_N], dtype=np.int64)
    kept_N = is_posed_N & (class_N >= 0)
    boxes = _boxes(table, kept_N, class_N, city_from_ego_F44[index_N])
    notes = []
    others = Counter(category_N[(class_N < 0) & (category_N != EGO)].tolist())
    if others:
        listed = ", ".join(f"{count} x {name.lower()}" for name, count in sorted(others.items()))
        notes.append(f"boxes that are no agents are left out: {listed}")
    if not is_posed_N.all():
        notes.append(f"{int((~is_posed_N).sum())} boxes are left out: the ego has no pose at their time")
    return tracks_of(boxes, frame_id), notes


def _boxes(
    table: dict[str, NDArray[Any]], kept_N: NDArray[np.bool_], class_N: NDArray[np.int64], city_from_ego_N44: FloatArray
) -> LabeledBoxes:
    own = {name: values[kept_N] for name, values in table.items()}
    transform_N44 = city_from_ego_N44[kept_N]
    xyz_N3 = np.column_stack([own["tx_m"], own["ty_m"], own["tz_m"]]).astype(np.float64)
    rotation_N33 = rotations(np.column_stack([own["qw"], own["qx"], own["qy"], own["qz"]]).astype(np.float64))
    center_N3 = np.einsum("nij,nj->ni", transform_N44[:, :3, :3], xyz_N3) + transform_N44[:, :3, 3]
    return LabeledBoxes(
        stamp_ns_N=own["timestamp_ns"].astype(np.int64),
        track_N=own["track_uuid"].astype(str),
        class_N=class_N[kept_N].astype(np.int8),
        is_rider_N=np.isin(own["category"].astype(str), RIDERS),
        x_m_N=center_N3[:, 0],
        y_m_N=center_N3[:, 1],
        heading_rad_N=heading_of(transform_N44[:, :3, :3] @ rotation_N33),
        size_N3=np.column_stack([own["length_m"], own["width_m"], own["height_m"]]).astype(np.float64),
    )
