"""The points of a sensor_msgs/PointCloud2 of any layout, read from its bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError

_POINT_FIELD = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_MAX_RANGE_M = 1e4
_NO_RETURN_M = 0.05
"""Drivers write "no return" as the sensor's own origin, some in a frame that is slightly shifted."""


def points(message: Any) -> NDArray[np.float32]:
    """Return the points (N, 3) in meters, float32.

    Points that are NaN, infinite, beyond 10 km or within 5 cm of the sensor's own origin are no returns and dropped.

    Args:
        message: The PointCloud2.

    Raises:
        InputError: A coordinate field is missing, the data is truncated, there is no point, or no return.
    """
    fields = {field.name: field for field in message.fields}
    missing = [name for name in ("x", "y", "z") if name not in fields]
    if missing:
        raise InputError(f"lidar: cloud is missing field {', '.join(missing)}; it has {', '.join(fields) or 'none'}")
    width, height, step = int(message.width), int(message.height), int(message.point_step)
    if width * height == 0:
        raise InputError("lidar: cloud is empty")
    order = ">" if message.is_bigendian else "<"
    packed = _packed(np.frombuffer(message.data, dtype=np.uint8), width * step, height, int(message.row_step))
    xyz = packed.view(_layout([fields[name] for name in ("x", "y", "z")], order, step))
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.stack([xyz[name] for name in ("x", "y", "z")], axis=-1).astype(np.float32, copy=False)
        x, y, z = np.abs(found).T
        distance = np.maximum(np.maximum(x, y), z)
        usable = (distance <= _MAX_RANGE_M) & (distance > _NO_RETURN_M)
    if not usable.all():
        found = found.compress(usable, axis=0)  # four times as fast as indexing by the mask
        if len(found) == 0:
            raise InputError("lidar: no return: every point of the cloud is NaN, infinite or the sensor's own origin")
    return np.ascontiguousarray(found)


def _packed(data: NDArray[np.uint8], row_bytes: int, height: int, row_step: int) -> NDArray[np.uint8]:
    """The bytes of all points without the gaps between rows.

    Drivers that merge or reshape clouds leave any row_step: it counts only where longer data is padded by it.

    Args:
        data: Of the message.
        row_bytes: Bytes of the points of a row.
        height: Number of rows.
        row_step: Bytes from one row to the next, as the message states it.

    Raises:
        InputError: The data is too short for all points.
    """
    total = row_bytes * height
    is_padded = row_step > row_bytes and height > 1 and len(data) >= row_step * (height - 1) + row_bytes
    if is_padded and len(data) != total:
        rows = np.zeros(row_step * height, dtype=np.uint8)
        kept = min(len(data), len(rows))
        rows[:kept] = data[:kept]  # the last row may have no padding
        return np.ascontiguousarray(rows.reshape(height, row_step)[:, :row_bytes]).reshape(-1)
    if len(data) < total:
        raise InputError(f"lidar: truncated cloud, expected {total} bytes, got {len(data)}")
    return np.ascontiguousarray(data[:total])


def _layout(fields: list[Any], order: str, step: int) -> np.dtype[Any]:
    """Structured dtype of x, y, z within a point of step bytes.

    Raises:
        InputError: A field has an unknown type or reaches beyond the point.
    """
    formats = []
    for field in fields:
        if int(field.datatype) not in _POINT_FIELD or int(field.offset) + 1 > step:
            raise InputError(f"lidar: field '{field.name}' has datatype {field.datatype} at offset {field.offset}")
        formats.append(order + _POINT_FIELD[int(field.datatype)])
    offsets = [int(field.offset) for field in fields]
    if any(offset + np.dtype(kind).itemsize > step for offset, kind in zip(offsets, formats, strict=True)):
        raise InputError(f"lidar: fields reach beyond the point's {step} bytes")
    return np.dtype({"names": ["x", "y", "z"], "formats": formats, "offsets": offsets, "itemsize": step})
