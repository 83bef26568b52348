"""Trajectory messages by their wire format: an answer holds several hundred poses, and an object for each takes time.

Every pose of a message is serialized to the same number of bytes, as none of its numbers may be left out; one is serialized by
the messages' own package, and the numbers of the others are put into copies of it.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_NAMES = ("x", "y", "z", "qw", "qx", "qy", "qz")
_STAMP = "timestamp_us"
_MARKS = {name: 1.5 + number for number, name in enumerate(_NAMES)}
_STAMP_MARK = 0x0123456789ABCDEF


class TrajectoryBytes:
    """Serializes Trajectory messages.

    Args:
        messages: Module of the messages.
    """

    def __init__(self, messages: Any) -> None:
        x, y, z, qw, qx, qy, qz = _MARKS.values()
        pose = messages.Pose(vec=messages.Vec3(x=x, y=y, z=z), quat=messages.Quat(w=qw, x=qx, y=qy, z=qz))
        one = messages.Trajectory(poses=[messages.PoseAtTime(pose=pose, timestamp_us=_STAMP_MARK)])
        self._one = bytes(one.SerializeToString())
        places = {name: self._one.index(struct.pack("<f", mark)) for name, mark in _MARKS.items()}
        places[_STAMP] = self._one.index(struct.pack("<Q", _STAMP_MARK))
        self._row = np.dtype(
            {
                "names": list(places),
                "formats": ["<f4"] * len(_NAMES) + ["<u8"],
                "offsets": list(places.values()),
                "itemsize": len(self._one),
            }
        )

    def of(self, stamp_us_T: NDArray[np.int64], xyz_MT3: FloatArray, wxyz_MT4: FloatArray) -> list[bytes]:
        """Return serialized Trajectory messages.

        Args:
            stamp_us_T: Times of the poses.
            xyz_MT3: Positions of M trajectories, m.
            wxyz_MT4: Unit quaternions.
        """
        num, size = len(xyz_MT3), len(stamp_us_T) * len(self._one)
        raw = bytearray(self._one * (num * len(stamp_us_T)))
        rows = np.frombuffer(raw, dtype=self._row)
        rows[_STAMP] = np.tile(stamp_us_T, num)
        columns = np.concatenate([xyz_MT3, wxyz_MT4], axis=-1).reshape(-1, len(_NAMES)).T
        for name, column in zip(_NAMES, columns, strict=True):
            rows[name] = column
        return [bytes(raw[begin : begin + size]) for begin in range(0, num * size, size)]
