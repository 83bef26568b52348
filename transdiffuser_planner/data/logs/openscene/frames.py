"""Frames of an OpenScene log: a pickle with a list of mappings, one for each half second.

Layout: the scripts of OpenScene that write the logs (DriveEngine/process_data). Poses are those of the rear axle in UTM
coordinates, quaternions w, x, y, z, stamps in microseconds.
"""

from __future__ import annotations

import pickletools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.data.logs.plain_pickle import load_plain_pickle
from transdiffuser_planner.data.logs.poses import transforms

FloatArray = NDArray[np.float64]

INTERVAL_NS: Final = 500_000_000
JITTER_NS: Final = 100_000_000
"""Frames whose distance differs less from half a second count as consecutive."""
_REQUIRED: Final = ("token", "timestamp", "ego2global_translation", "ego2global_rotation", "ego_dynamic_state", "cams")
_LEADING: Final = ("PROTO", "FRAME")
_PEEKED: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSceneFrame:
    """One frame.

    Attributes:
        token: Its name in the data set.
        stamp_ns: Its time; consecutive frames are exactly half a second apart, as in NAVSIM.
        is_first: Whether the frame before it is missing.
        utm_from_axle_44: Pose of the rear axle.
        velocity_2, acceleration_2: Of the rear axle, forward and left, m/s and m/s2.
        command: Driving command.
        cameras: Calibration and image of each camera, by its name in the data set.
        cloud: Path of the point cloud below the folder of the sensors, or "".
        annotations: Boxes; None in logs of the test server.
        place: City of the map.
    """

    token: str
    stamp_ns: int
    is_first: bool
    utm_from_axle_44: FloatArray
    velocity_2: tuple[float, float]
    acceleration_2: tuple[float, float]
    command: DrivingCommand
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cloud: str = ""
    annotations: Mapping[str, Any] | None = None
    place: str = ""


def is_openscene(path: Path) -> bool:
    """Whether a path is a pickle whose outermost value is a list, as logs of OpenScene are; scenarios are mappings.

    Args:
        path: Any path.
    """
    if not path.is_file() or path.suffix != ".pkl":
        return False
    with path.open("rb") as file:
        head = file.read(_PEEKED)
    try:
        names = (opcode.name for opcode, _, _ in islice(pickletools.genops(head), 4))
        return next((name for name in names if name not in _LEADING), "") == "EMPTY_LIST"
    except ValueError:
        return False


def read_frames(path: Path) -> tuple[list[OpenSceneFrame], list[str]]:
    """Read the frames of a log in order of time.

    Args:
        path: The pickle.

    Returns:
        The frames, and one line for what cannot be used.

    Raises:
        RecordingError: It is no log of OpenScene, or fewer than two of its frames can be used.
    """
    content = load_plain_pickle(path)
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        raise RecordingError(f"{path}: expected a log of OpenScene, a list of frames; give a file of navsim_logs/SPLIT")
    absent = [name for name in _REQUIRED if content and name not in content[0]]
    if absent:
        raise RecordingError(f"{path}: its frames are without {', '.join(absent)}, which logs of OpenScene have")
    frames: list[OpenSceneFrame] = []
    num_bad = num_early = last_us = 0
    for entry in sorted(content, key=_time_us):
        try:
            time_us = int(entry["timestamp"])
            gap_ns = (time_us - last_us) * 1000
            if frames and gap_ns < INTERVAL_NS - JITTER_NS:
                num_early += 1
                continue
            is_first = not frames or gap_ns > INTERVAL_NS + JITTER_NS
            stamp_ns = time_us * 1000 if not frames else frames[-1].stamp_ns + (gap_ns if is_first else INTERVAL_NS)
            frames.append(_frame(entry, stamp_ns, is_first=is_first))
            last_us = time_us
        except (KeyError, TypeError, ValueError, IndexError):
            num_bad += 1
    if len(frames) < 2:
        raise RecordingError(f"{path}: {len(frames)} of its {len(content)} frames have a usable pose; two are needed")
    notes = [f"{num_bad} frames cannot be used and are left out"] if num_bad else []
    notes += [f"{num_early} frames less than 0.4 s after another are left out"] if num_early else []
    return frames, notes


def _time_us(entry: Mapping[str, Any]) -> int:
    value = entry.get("timestamp", 0)
    return int(value) if isinstance(value, (int, np.integer)) else 0


def _frame(entry: Mapping[str, Any], stamp_ns: int, *, is_first: bool) -> OpenSceneFrame:
    """One frame.

    Raises:
        ValueError: A value is not finite or of another shape.
    """
    xyz_3 = np.asarray(entry["ego2global_translation"], dtype=np.float64).reshape(3)
    wxyz_4 = np.asarray(entry["ego2global_rotation"], dtype=np.float64).reshape(4)
    vx, vy, ax, ay = (float(value) for value in entry["ego_dynamic_state"])
    if not np.isfinite([*xyz_3, *wxyz_4, vx, vy, ax, ay]).all() or abs(float(np.linalg.norm(wxyz_4)) - 1.0) > 0.1:
        raise ValueError("a pose that is none")
    cameras = entry.get("cams")
    annotations = entry.get("anns")
    return OpenSceneFrame(
        token=str(entry["token"]),
        stamp_ns=stamp_ns,
        is_first=is_first,
        utm_from_axle_44=transforms(wxyz_4[None], xyz_3[None])[0],
        velocity_2=(vx, vy),
        acceleration_2=(ax, ay),
        command=command_of(entry.get("driving_command", ())),
        cameras=cameras if isinstance(cameras, Mapping) else {},
        cloud=str(entry.get("lidar_path") or ""),
        annotations=annotations if isinstance(annotations, Mapping) else None,
        place=str(entry.get("map_location", "")),
    )


def heading_of(rotation_N33: FloatArray) -> FloatArray:
    """Return headings (N,), rad, as OpenScene and NAVSIM compute them: the last of the turns about x, y and z of pyquaternion.

    It differs from the direction of the x axis in the plane by the product of roll and pitch, up to a milliradian on banked roads.

    Args:
        rotation_N33: Rotation matrices.
    """
    return np.asarray(np.arctan2(-rotation_N33[..., 0, 1], rotation_N33[..., 0, 0]))


def command_of(one_hot: Sequence[Any] | NDArray[Any]) -> DrivingCommand:
    """Return the driving command; OpenScene's order is this package's: left, forward, right, unknown.

    Args:
        one_hot: Four numbers.
    """
    values = np.asarray(one_hot, dtype=np.float64).reshape(-1)
    if values.shape != (4,) or not np.isfinite(values).all() or values.max() <= 0.0:
        return DrivingCommand.UNKNOWN
    return DrivingCommand(int(values.argmax()))
