"""Gaussian smoothing of sampled curves.

Equal to ``scipy.ndimage.gaussian_filter1d`` bit for bit. That module takes half a second to import, longer than the rest of
the process that simulates traffic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

TRUNCATE = 4.0
"""Standard deviations at which the kernel ends, as in scipy."""


def gaussian_smoothed(values_N: FloatArray, sigma: float) -> FloatArray:
    """Smooth along the first axis; beyond both ends the values count as the outermost ones.

    Args:
        values_N: Equidistant samples (N, ...), in any unit.
        sigma: Standard deviation of the kernel, in samples.

    Returns:
        Smoothed samples of the same shape.
    """
    radius = int(TRUNCATE * sigma + 0.5)
    weight_K = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    weight_K /= weight_K.sum()
    count = len(values_N)
    ends = [(radius, radius), *[(0, 0)] * (values_N.ndim - 1)]
    padded = np.pad(np.asarray(values_N, dtype=np.float64), ends, mode="edge")
    smooth = padded[radius : radius + count] * weight_K[radius]
    for k in range(radius):  # pairs of equal weight, from the outermost: the order of scipy's sums
        last = 2 * radius - k
        smooth += (padded[k : k + count] + padded[last : last + count]) * weight_K[k]
    return smooth
