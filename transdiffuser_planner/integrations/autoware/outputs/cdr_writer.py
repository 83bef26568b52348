"""Writes messages as CDR bytes, which rclpy publishes as they are.

Poses and points are written as one block, without an object for each. Tests read the bytes back with the definitions.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_ENCAPSULATION = b"\0\1\0\0"  # little-endian plain CDR
_PACKED = {"u1": struct.Struct("<B"), "i4": struct.Struct("<i"), "u4": struct.Struct("<I"), "f4": struct.Struct("<f")}
_POINT = np.dtype([("sec", "<i4"), ("nanosec", "<u4"), ("pose", "<f8", 7), ("rest", "<f4", 6)])


class CdrWriter:
    """A message that grows at its end; alignment counts from after the encapsulation."""

    def __init__(self) -> None:
        self._data = bytearray()

    def message(self) -> bytes:
        """Return the whole message."""
        return _ENCAPSULATION + bytes(self._data)

    def _align(self, size: int) -> None:
        self._data += bytes(-len(self._data) % size)

    def number(self, kind: str, value: float) -> None:
        """Write a number.

        Args:
            kind: "u1", "i4", "u4" or "f4".
            value: Integral for the first three.
        """
        packed = _PACKED[kind]
        self._align(packed.size)
        self._data += packed.pack(value if kind == "f4" else int(value))

    def raw(self, value: bytes) -> None:
        """Write bytes of an array of fixed size."""
        self._data += value

    def text(self, value: str) -> None:
        """Write a string."""
        encoded = value.encode() + b"\0"
        self.number("u4", len(encoded))
        self._data += encoded

    def doubles(self, values: FloatArray) -> None:
        """Write float64 numbers one after another: vectors, covariances, poses."""
        if values.size:
            self._align(8)
            self._data += np.ascontiguousarray(values, dtype="<f8").tobytes()

    def time(self, stamp_ns: int) -> None:
        """Write a builtin_interfaces/Time or Duration."""
        self.number("i4", stamp_ns // 10**9)
        self.number("u4", stamp_ns % 10**9)

    def header(self, stamp_ns: int, frame_id: str) -> None:
        """Write a std_msgs/Header."""
        self.time(stamp_ns)
        self.text(frame_id)

    def poses(self, pose_N3: FloatArray, altitude_m: float) -> None:
        """Write a sequence of geometry_msgs/Pose.

        Args:
            pose_N3: x, y, heading.
            altitude_m: Height of all.
        """
        self.number("u4", len(pose_N3))
        self.doubles(_poses(pose_N3, altitude_m))

    def points(self, row_N8: FloatArray, altitude_m: float) -> None:
        """Write a sequence of autoware_planning_msgs/TrajectoryPoint.

        Args:
            row_N8: Time, x, y, heading, speed, acceleration, heading rate, front-wheel angle.
            altitude_m: Height of all.
        """
        self.number("u4", len(row_N8))
        points = np.zeros(len(row_N8), dtype=_POINT)
        time_ns = np.rint(row_N8[:, 0] * 1e9).astype(np.int64)
        points["sec"], points["nanosec"] = time_ns // 10**9, time_ns % 10**9
        points["pose"] = _poses(row_N8[:, 1:4], altitude_m)
        speed, accel, turn, wheel = row_N8[:, 4:8].T
        zero = np.zeros(len(row_N8))
        points["rest"] = np.stack([speed, zero, accel, turn, wheel, zero], axis=-1)
        block = points.tobytes()
        if len(self._data) % 8 and block:  # the pose of the first point is aligned by itself, all others then are
            block = block[:8] + bytes(4) + block[8:]
        self._data += block


def _poses(pose_N3: FloatArray, altitude_m: float) -> FloatArray:
    """Position and quaternion (N, 7) of poses with a rotation about z only."""
    row_N7 = np.zeros((len(pose_N3), 7))
    row_N7[:, :2], row_N7[:, 2] = pose_N3[:, :2], altitude_m
    row_N7[:, 5], row_N7[:, 6] = np.sin(pose_N3[:, 2] / 2.0), np.cos(pose_N3[:, 2] / 2.0)
    return row_N7
