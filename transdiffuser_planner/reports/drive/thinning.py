"""Makes sensor data small enough for a page: fewer messages, fewer points, smaller images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

T = TypeVar("T")

MAX_POINTS = 1800
MAX_IMAGE_WIDTH = 720
JPEG_QUALITY = 62
CLOUD_RANGE_M = 70.0
CLOUD_CELL_M = 0.3
MIN_HEIGHT_M, MAX_HEIGHT_M = -0.6, 5.0
RAISED_M = 0.35
RAISED_SHARE = 0.85


@dataclass(frozen=True, kw_only=True, slots=True)
class ThinCloud:
    """Points of one sweep: xy_cm_N2 in base_link, and heights above the ground scaled to 0..255."""

    xy_cm_N2: NDArray[np.int16]
    height_N: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thumbnail:
    """A JPEG and its size in pixels."""

    jpeg: bytes
    width: int
    height: int


class Pace:
    """Lets through messages at a largest mean rate without beating against the source's own rate."""

    def __init__(self, interval_s: float) -> None:
        self._interval_ns = round(interval_s * 1e9)
        self._next_ns: int | None = None

    def is_due(self, stamp_ns: int) -> bool:
        """Whether to keep a message of this stamp."""
        if self._next_ns is not None and stamp_ns < self._next_ns - self._interval_ns // 5:
            return False
        expected = stamp_ns if self._next_ns is None else max(self._next_ns, stamp_ns - self._interval_ns)
        self._next_ns = expected + self._interval_ns
        return True


def thin_cloud(xyz_N3: NDArray[np.float32], max_points: int = MAX_POINTS) -> ThinCloud:
    """The points that matter for a look from above, evenly spread, mostly those above the road.

    Args:
        xyz_N3: In base_link.
        max_points: Largest number kept.
    """
    x, y, z = xyz_N3.T
    near = (np.abs(x) < CLOUD_RANGE_M) & (np.abs(y) < CLOUD_RANGE_M) & (z > MIN_HEIGHT_M) & (z < MAX_HEIGHT_M)
    points = xyz_N3[near]
    raised = points[:, 2] > RAISED_M
    high = _one_per_cell(points[raised])
    low = _one_per_cell(points[~raised])
    num_high = min(len(high), max(round(max_points * RAISED_SHARE), max_points - len(low)))
    kept = np.concatenate([_evenly(high, num_high), _evenly(low, max_points - num_high)])
    height = np.clip((kept[:, 2] - MIN_HEIGHT_M) / (MAX_HEIGHT_M - MIN_HEIGHT_M), 0.0, 1.0)
    return ThinCloud(
        xy_cm_N2=np.round(kept[:, :2] * 100.0).astype(np.int16), height_N=np.round(height * 255.0).astype(np.uint8)
    )


def _one_per_cell(points_N3: NDArray[np.float32]) -> NDArray[np.float32]:
    cell = np.floor(points_N3[:, :2] / CLOUD_CELL_M).astype(np.int64)
    _, first = np.unique(cell[:, 0] * 100_000 + cell[:, 1], return_index=True)
    return np.asarray(points_N3[first])


def _evenly(points_N3: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    if len(points_N3) <= count:
        return points_N3
    return np.asarray(points_N3[np.linspace(0, len(points_N3) - 1, max(count, 0)).astype(np.int64)])


def thumbnail(rgb_HW3: NDArray[np.uint8], max_width: int = MAX_IMAGE_WIDTH) -> Thumbnail:
    """An image as a small JPEG, of at most so many pixels across."""
    image = Image.fromarray(rgb_HW3)
    if image.width > max_width:
        size = (max_width, max(1, round(image.height * max_width / image.width)))
        image = image.resize(size, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return Thumbnail(jpeg=buffer.getvalue(), width=image.width, height=image.height)


def within_budget(items: Sequence[T], sizes: Sequence[int], budget: int) -> list[T]:
    """Every n-th item such that the kept ones' sizes sum to about the budget at most."""
    stride = max(1, -(-sum(sizes) // max(budget, 1)))
    return list(items[::stride])
