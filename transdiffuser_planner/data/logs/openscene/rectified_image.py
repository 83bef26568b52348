"""Images of lenses with distortion as images of a pinhole camera with the same focal lengths. H rows, W columns."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.camera_image import Pixels
from transdiffuser_planner.core.lens import distorted
from transdiffuser_planner.core.types import CameraIntrinsics

Table = tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]

_KEPT_TABLES: Final = 32


class RectifiedPixels:
    """Pixels of an image after the distortion of its lens is removed; they are moved in the size that is asked for.

    Args:
        raw: Pixels of the image as recorded.
        intrinsics: With the distortion; the result belongs to ``pinhole(intrinsics)``.
    """

    def __init__(self, raw: Pixels, intrinsics: CameraIntrinsics) -> None:
        self._raw, self._intrinsics = raw, intrinsics
        self.width, self.height = raw.width, raw.height

    def unpack(self, reduction: int) -> NDArray[np.uint8]:
        """Return the pixels, interpolated linearly; 0 where the recorded image shows nothing.

        Args:
            reduction: See ``core.camera_image.Pixels``.

        Raises:
            InputError: The recorded image cannot be unpacked.
        """
        raw_HW3 = self._raw.unpack(reduction)
        height, width = raw_HW3.shape[:2]
        index_HW, right_HW, below_HW = _table(self._intrinsics, reduction, height, width)
        outside_HW = index_HW < 0
        index_HW = np.where(outside_HW, 0, index_HW)
        pixels = raw_HW3.reshape(-1, 3)
        right, below = right_HW[..., None], below_HW[..., None]
        upper = pixels[index_HW] * (1.0 - right) + pixels[index_HW + 1] * right
        lower = pixels[index_HW + width] * (1.0 - right) + pixels[index_HW + width + 1] * right
        found = np.asarray(np.rint(upper * (1.0 - below) + lower * below), dtype=np.uint8)
        found[outside_HW] = 0
        return found


def pinhole(intrinsics: CameraIntrinsics) -> CameraIntrinsics:
    """Return the intrinsics of the images that ``RectifiedPixels`` makes.

    Args:
        intrinsics: With distortion.
    """
    return replace(intrinsics, distortion_model="", distortion=(), is_rectified=True)


@lru_cache(maxsize=_KEPT_TABLES)
def _table(intrinsics: CameraIntrinsics, reduction: int, height: int, width: int) -> Table:
    """Upper left one of the four recorded pixels around each pixel, -1 outside, and its distances from it, 0 to 1."""
    fx, fy = intrinsics.fx / reduction, intrinsics.fy / reduction
    cx, cy = intrinsics.cx / reduction, intrinsics.cy / reduction
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = distorted(intrinsics, (column - cx) / fx, (row - cy) / fy)
    u, v = fx * x + cx - 0.5, fy * y + cy - 0.5
    inside = (u > -1.0) & (u < width) & (v > -1.0) & (v < height)
    u, v = np.clip(u, 0.0, width - 1.001), np.clip(v, 0.0, height - 1.001)
    left, top = np.floor(u).astype(np.intp), np.floor(v).astype(np.intp)
    index = np.where(inside, top * width + left, -1)
    return index, (u - left).astype(np.float32), (v - top).astype(np.float32)
