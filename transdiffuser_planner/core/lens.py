"""Lenses of cameras: where rays appear in an image, and how far from where a pinhole camera would show them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.lens_models import brown_conrady, kannala_brandt
from transdiffuser_planner.core.types import CameraIntrinsics

FloatArray = NDArray[np.float64]

FISHEYE_MODELS = ("equidistant", "fisheye", "kannala_brandt")
_RADIAL_MODELS = ("", "plumb_bob", "rational_polynomial", "thin_prism", "radial_tangential", "radtan")
_COLUMNS, _ROWS = 25, 17
_LEAST_AHEAD = 0.1
_FARTHEST = 10.0
"""No polynomial means anything far outside the image; more than ten widths is as bad as ten."""


def project(intrinsics: CameraIntrinsics, ray_N3: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Project rays into a camera's images.

    Args:
        intrinsics: Of the images.
        ray_N3: Directions in the camera's frame (x ahead, y left, z up), not normalized.

    Returns:
        Columns (N,), rows (N,), pixels, and which of the rays are imaged (N,); the others' pixels mean nothing.
    """
    if intrinsics.lens is not None:
        pixel_N2, seen = intrinsics.lens.project(np.stack([-ray_N3[:, 1], -ray_N3[:, 2], ray_N3[:, 0]], axis=1))
        return pixel_N2[:, 0], pixel_N2[:, 1], seen
    ahead = ray_N3[:, 0] > _LEAST_AHEAD
    depth = np.where(ahead, ray_N3[:, 0], 1.0)
    column = intrinsics.cx - intrinsics.fx * ray_N3[:, 1] / depth
    return column, intrinsics.cy - intrinsics.fy * ray_N3[:, 2] / depth, ahead


def largest_shift(intrinsics: CameraIntrinsics) -> float:
    """Return the largest distance between a pixel's place in the raw image and in a pinhole camera's, in image widths.

    Args:
        intrinsics: Size, focal lengths, principal point and distortion; its rays cover the whole image.

    Returns:
        0 without distortion; infinity for an unknown model.
    """
    model, values = intrinsics.distortion_model, intrinsics.distortion
    is_fisheye = model in FISHEYE_MODELS
    if not values and not is_fisheye:
        return 0.0
    if not is_fisheye and model not in _RADIAL_MODELS:
        return float("inf")
    column, row = np.meshgrid(np.linspace(0, intrinsics.width, _COLUMNS), np.linspace(0, intrinsics.height, _ROWS))
    x, y = (column - intrinsics.cx) / intrinsics.fx, (row - intrinsics.cy) / intrinsics.fy
    with np.errstate(all="ignore"):
        bent_x, bent_y = distorted(intrinsics, x, y)
        shift = np.hypot(intrinsics.fx * (bent_x - x), intrinsics.fy * (bent_y - y)) / intrinsics.width
    return float(np.nan_to_num(shift, nan=_FARTHEST, posinf=_FARTHEST).clip(max=_FARTHEST).max())


def distorted(intrinsics: CameraIntrinsics, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where rays appear in an image that is not rectified.

    Args:
        intrinsics: With the distortion of the lens.
        x: Tangents of the rays to the right of the optical axis, as a pinhole camera would show them.
        y: Tangents below it.

    Returns:
        The tangents at which the lens shows them.
    """
    values = intrinsics.distortion
    if intrinsics.distortion_model in FISHEYE_MODELS:
        r = np.maximum(np.hypot(x, y), 1e-9)
        scale = kannala_brandt(np.arctan(r), values) / r
        return x * scale, y * scale
    if not values:
        return x, y
    k1, k2, p1, p2, k3, k4, k5, k6, *thin_prism = (*values, *(0.0,) * 12)[:12]  # in the order of OpenCV and ROS
    return brown_conrady(x, y, (k1, k2, k3, k4, k5, k6), (p1, p2), tuple(thin_prism))
