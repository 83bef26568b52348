"""Images of lenses with distortion as images of a pinhole camera with the same focal lengths, for readers that expect those."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.lens import project
from transdiffuser_planner.core.types import CameraIntrinsics

Table = tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]

_KEPT_TABLES: Final = 16


def rectified(raw_HW3: NDArray[np.uint8], intrinsics: CameraIntrinsics) -> NDArray[np.uint8]:
    """Return an image without the distortion of its lens, interpolated linearly; 0 where the recorded image shows nothing.

    Args:
        raw_HW3: As recorded, in the size of the intrinsics.
        intrinsics: With the lens.
    """
    width = raw_HW3.shape[1]
    index_HW, right_HW, below_HW = _table(intrinsics)
    outside_HW = index_HW < 0
    index_HW = np.where(outside_HW, 0, index_HW)
    pixels = raw_HW3.reshape(-1, 3)
    right, below = right_HW[..., None], below_HW[..., None]
    upper = pixels[index_HW] * (1.0 - right) + pixels[index_HW + 1] * right
    lower = pixels[index_HW + width] * (1.0 - right) + pixels[index_HW + width + 1] * right
    found = np.asarray(np.rint(upper * (1.0 - below) + lower * below), dtype=np.uint8)
    found[outside_HW] = 0
    return found


@lru_cache(maxsize=_KEPT_TABLES)
def _table(intrinsics: CameraIntrinsics) -> Table:
    """Upper left one of the four recorded pixels around each pixel, -1 outside, and its distances from it, 0 to 1."""
    width, height = intrinsics.width, intrinsics.height
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    left, up = (intrinsics.cx - column) / intrinsics.fx, (intrinsics.cy - row) / intrinsics.fy
    rays_N3 = np.stack([np.ones(left.size), left.ravel(), up.ravel()], axis=-1)
    column_N, row_N, seen_N = project(intrinsics, rays_N3)
    u_N, v_N = column_N - 0.5, row_N - 0.5
    inside_N = seen_N & (u_N > -1.0) & (u_N < width) & (v_N > -1.0) & (v_N < height)
    u_N, v_N = np.clip(u_N, 0.0, width - 1.001), np.clip(v_N, 0.0, height - 1.001)
    first_N, top_N = np.floor(u_N).astype(np.intp), np.floor(v_N).astype(np.intp)
    shape = (height, width)
    index_HW = np.where(inside_N, top_N * width + first_N, -1).reshape(shape)
    right_HW, below_HW = ((u_N - first_N).reshape(shape), (v_N - top_N).reshape(shape))
    return index_HW, right_HW.astype(np.float32), below_HW.astype(np.float32)
