"""A serialized TrackedObjects message: what the planner uses of every object, without its covariances.

Covariances are most of a message and are skipped: the thread that reads it receives all inputs. Layout as in ``serialized.py``;
a test compares both.
"""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

from transdiffuser_planner.messages.serialized.cdr_reader import ENDS_EARLY, CdrReader

_COVARIANCE = 36 * 8
_POSE, _TWIST, _ACCEL = 7 * 8 + _COVARIANCE, 6 * 8 + _COVARIANCE, 6 * 8 + _COVARIANCE
_LEAST_BYTES = 16 + 4 + 4 + _POSE + _TWIST + _ACCEL + 2 + 1 + 4 + 24
_CLASS_BYTES, _CORNER_BYTES = 8, 12


def read_tracked_objects(reader: CdrReader) -> SimpleNamespace:
    """Read a message.

    Args:
        reader: At its beginning.

    Returns:
        An object with the attributes of the message that ``decode.tracked_objects`` reads.

    Raises:
        ValueError: The message ends early.
    """
    stamp = SimpleNamespace(sec=reader.number("int32"), nanosec=reader.number("uint32"))
    header = SimpleNamespace(stamp=stamp, frame_id=reader.text())
    count = reader.count()
    if count * _LEAST_BYTES > len(reader.data) - reader.at:
        raise ValueError(ENDS_EARLY)
    try:
        return SimpleNamespace(header=header, objects=[_object(reader) for _ in range(count)])
    except struct.error:
        raise ValueError(ENDS_EARLY) from None


def _object(reader: CdrReader) -> SimpleNamespace:
    """Read one object.

    Raises:
        ValueError: A sequence is longer than the message.
    """
    data, order = reader.data, reader.order
    uuid = bytes(data[reader.at : reader.at + 16])
    at = (reader.at + 16 + 3) & -4
    existence, num_classes = struct.unpack_from(order + "fI", data, at)
    at += 8
    if num_classes * _CLASS_BYTES > len(data) - at:
        raise ValueError(ENDS_EARLY)
    classes = struct.unpack_from(order + "B3xf" * num_classes, data, at) if num_classes else ()
    at = (at + num_classes * _CLASS_BYTES + 7) & -8
    x, y, _, qx, qy, qz, qw = struct.unpack_from(order + "7d", data, at)
    (speed,) = struct.unpack_from(order + "d", data, at + _POSE)
    at += _POSE + _TWIST + _ACCEL
    orientation, _, kind = struct.unpack_from("3B", data, at)
    at = (at + 3 + 3) & -4
    (num_corners,) = struct.unpack_from(order + "I", data, at)
    at += 4
    if num_corners * _CORNER_BYTES > len(data) - at:
        raise ValueError(ENDS_EARLY)
    corners = struct.unpack_from(f"{order}{3 * num_corners}f", data, at) if num_corners else ()
    at = (at + num_corners * _CORNER_BYTES + 7) & -8
    length, width, height = struct.unpack_from(order + "3d", data, at)
    reader.at = at + 24
    pose = SimpleNamespace(position=SimpleNamespace(x=x, y=y), orientation=SimpleNamespace(x=qx, y=qy, z=qz, w=qw))
    twist = SimpleNamespace(linear=SimpleNamespace(x=speed))
    return SimpleNamespace(
        object_id=SimpleNamespace(uuid=list(uuid)),
        existence_probability=existence,
        classification=_classes(classes),
        kinematics=SimpleNamespace(
            pose_with_covariance=SimpleNamespace(pose=pose),
            twist_with_covariance=SimpleNamespace(twist=twist),
            orientation_availability=orientation,
        ),
        shape=SimpleNamespace(
            type=kind,
            dimensions=SimpleNamespace(x=length, y=width, z=height),
            footprint=SimpleNamespace(points=_corners(corners)),
        ),
    )


def _classes(values: tuple[Any, ...]) -> list[SimpleNamespace]:
    return [SimpleNamespace(label=a, probability=b) for a, b in zip(values[::2], values[1::2], strict=True)]


def _corners(values: tuple[Any, ...]) -> list[SimpleNamespace]:
    return [SimpleNamespace(x=a, y=b) for a, b in zip(values[::3], values[1::3], strict=True)]
