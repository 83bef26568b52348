"""A serialized nav_msgs/Path as an array of positions: 20 000 poses take a millisecond instead of one second as objects."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.messages.serialized.cdr_reader import ENDS_EARLY, CdrReader

PATH = "nav_msgs/msg/Path"
MAX_POSES = 1_000_000
_LEAST_BYTES = 12 + 56  # stamp and length of the frame's name, then seven float64
_POSE_BYTES = 56


def read_path(reader: CdrReader) -> SimpleNamespace:
    """Read a path.

    Args:
        reader: At the beginning of the message.

    Returns:
        Its ``header``, and ``xy_N2`` (m, float64) with the positions of its poses.

    Raises:
        ValueError: The message ends early, or has more than ``MAX_POSES`` poses.
    """
    stamp = SimpleNamespace(sec=reader.number("int32"), nanosec=reader.number("uint32"))
    header = SimpleNamespace(stamp=stamp, frame_id=reader.text())
    count = reader.count()
    if count > MAX_POSES:
        raise ValueError(f"it has more than {MAX_POSES} poses")
    if count * _LEAST_BYTES > len(reader.data) - reader.at:
        raise ValueError(ENDS_EARLY)
    xy_N2 = np.zeros((count, 2), dtype=np.float64)
    if count:
        xy_N2[0] = _next_position(reader)
        xy_N2[1:] = _positions(reader, count - 1)
    return SimpleNamespace(header=header, xy_N2=xy_N2)


def _next_position(reader: CdrReader) -> NDArray[np.float64]:
    """Read one geometry_msgs/PoseStamped.

    Raises:
        ValueError: The message ends within it.
    """
    reader.align(4)
    reader.at += 8
    size = reader.count()
    if size > len(reader.data) - reader.at:
        raise ValueError(ENDS_EARLY)
    reader.at += size
    reader.align(8)
    at, reader.at = reader.at, reader.at + _POSE_BYTES
    if reader.at > len(reader.data):
        raise ValueError(ENDS_EARLY)
    return np.frombuffer(reader.data, dtype=reader.order + "f8", count=2, offset=at)


def _positions(reader: CdrReader, count: int) -> NDArray[np.float64]:
    """Read the poses after the first, at once if all frames' names are of one length: then all poses are of one size."""
    begin = reader.at  # a multiple of eight, as poses end with float64
    if count and begin + 12 <= len(reader.data):
        size = int(np.frombuffer(reader.data, dtype=reader.order + "u4", count=1, offset=begin + 8)[0])
        stride = ((12 + size + 7) & -8) + _POSE_BYTES
        if count * stride <= len(reader.data) - begin:
            layout = np.dtype(
                {
                    "names": ["size", "xy"],
                    "formats": [reader.order + "u4", (reader.order + "f8", 2)],
                    "offsets": [8, stride - _POSE_BYTES],
                    "itemsize": stride,
                }
            )
            rows = np.frombuffer(reader.data, dtype=layout, count=count, offset=begin)
            if (rows["size"] == size).all():
                return np.asarray(rows["xy"], dtype=np.float64)
    return np.asarray([_next_position(reader) for _ in range(count)], dtype=np.float64).reshape(-1, 2)
