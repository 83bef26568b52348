"""Smoothing of sampled curves: Gaussian, and by local polynomials (A. Savitzky and M. Golay 1964).

Equal to ``gaussian_filter1d`` of scipy.ndimage, bit for bit, and to ``savgol_filter`` of scipy.signal. These modules take
half a second and more than a second to import, longer than the rest of the processes that simulate traffic and drive suites.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

TRUNCATE = 4.0
"""Standard deviations at which the kernel ends, as in scipy."""


def gaussian_smoothed(values_N: FloatArray, sigma: float, *, is_mirrored: bool = False) -> FloatArray:
    """Smooth along the first axis.

    Args:
        values_N: Equidistant samples (N, ...), in any unit.
        sigma: Standard deviation of the kernel, in samples.
        is_mirrored: Beyond both ends the samples are mirrored; otherwise the outermost ones continue.

    Returns:
        Smoothed samples of the same shape.
    """
    radius = int(TRUNCATE * sigma + 0.5)
    weight_K = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    weight_K /= weight_K.sum()
    count = len(values_N)
    ends = [(radius, radius), *[(0, 0)] * (values_N.ndim - 1)]
    values = np.asarray(values_N, dtype=np.float64)
    padded = np.pad(values, ends, mode="symmetric") if is_mirrored else np.pad(values, ends, mode="edge")
    smooth = padded[radius : radius + count] * weight_K[radius]
    for k in range(radius):  # pairs of equal weight, from the outermost: the order of scipy's sums
        last = 2 * radius - k
        smooth += (padded[k : k + count] + padded[last : last + count]) * weight_K[k]
    return np.asarray(smooth)


def savitzky_golay(
    values_N: FloatArray, window: int, order: int, *, derivative: int = 0, step: float = 1.0
) -> FloatArray:
    """Fit a polynomial in a moving window along the first axis; both ends are those of the first and the last window.

    Args:
        values_N: Equidistant samples (N, ...), at least as many as the window has.
        window: Samples of each fit; in the middle of an even one, its polynomial is taken between two samples, as scipy does.
        order: Of the polynomials.
        derivative: Derivative to return, 0 for the smoothed values.
        step: Between two samples.

    Returns:
        The polynomials or their derivatives at the samples, of the same shape.
    """

    def weights_W(position: float) -> FloatArray:
        powers = (np.arange(window) - position)[:, None] ** np.arange(order + 1)
        return np.asarray(np.linalg.pinv(powers)[derivative] * (math.factorial(derivative) / step**derivative))

    windows = sliding_window_view(np.asarray(values_N, dtype=np.float64), window, axis=0)
    half, count = window // 2, len(values_N)
    before = (window - 1) // 2
    found = np.empty(values_N.shape)
    found[half : count - half] = windows[half - before : count - half - before] @ weights_W(0.5 * (window - 1))
    for k in range(half):
        found[k] = windows[0] @ weights_W(k)
        found[count - half + k] = windows[-1] @ weights_W(window - half + k)
    return found
