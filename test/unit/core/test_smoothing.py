"""Smoothing gives scipy's values."""

import numpy as np
import pytest

from transdiffuser_planner.core.smoothing import gaussian_smoothed, savitzky_golay

ndimage = pytest.importorskip("scipy.ndimage")
signal = pytest.importorskip("scipy.signal")


@pytest.mark.parametrize("sigma", [0.3, 3.0, 7.7])
@pytest.mark.parametrize("shape", [(5,), (120,), (120, 2)])
def test_smoothed_values_are_those_of_scipy(shape: tuple[int, ...], sigma: float) -> None:
    values = np.random.default_rng(3).normal(0.0, 100.0, shape)
    for is_mirrored, mode in ((False, "nearest"), (True, "reflect")):
        expected = ndimage.gaussian_filter1d(values, sigma, axis=0, mode=mode)
        found = gaussian_smoothed(values, sigma, is_mirrored=is_mirrored)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize(
    ("window", "order", "derivative"), [(5, 3, 2), (5, 2, 1), (8, 2, 0), (15, 2, 1), (40, 2, 1), (41, 2, 0)]
)
@pytest.mark.parametrize("shape", [(41,), (41, 3)])
def test_local_polynomials_are_those_of_scipy(shape: tuple[int, ...], window: int, order: int, derivative: int) -> None:
    values = np.random.default_rng(3).normal(0.0, 10.0, shape)
    expected = signal.savgol_filter(values, window, order, deriv=derivative, delta=0.1, axis=0)
    found = savitzky_golay(values, window, order, derivative=derivative, step=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
