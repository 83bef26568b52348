"""Gaussian smoothing gives scipy's values."""

import numpy as np
import pytest

from transdiffuser_planner.core.smoothing import gaussian_smoothed

ndimage = pytest.importorskip("scipy.ndimage")


@pytest.mark.parametrize("sigma", [0.3, 3.0, 7.7])
@pytest.mark.parametrize("shape", [(5,), (120,), (120, 2)])
def test_smoothed_values_are_those_of_scipy(shape: tuple[int, ...], sigma: float) -> None:
    values = np.random.default_rng(3).normal(0.0, 100.0, shape)
    expected = ndimage.gaussian_filter1d(values, sigma, axis=0, mode="nearest")
    np.testing.assert_allclose(gaussian_smoothed(values, sigma), expected, rtol=1e-13, atol=1e-12)
