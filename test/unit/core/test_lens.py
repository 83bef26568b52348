"""How far a lens shifts pixels, against projections computed point by point."""

import math

import numpy as np
import pytest

from transdiffuser_planner.core.lens import largest_shift
from transdiffuser_planner.core.types import CameraIntrinsics


def camera(model, *distortion, f=120.0, width=240, height=128):
    return CameraIntrinsics(width=width, height=height, fx=f, fy=f, cx=width / 2, cy=height / 2, distortion_model=model,
                            distortion=distortion)  # fmt: skip


def test_a_lens_without_distortion_shifts_nothing():
    assert largest_shift(camera("plumb_bob")) == 0.0
    assert largest_shift(camera("")) == 0.0


def test_a_fisheye_shifts_the_corner_by_the_difference_of_tangent_and_angle():
    r = math.hypot(1.0, 64.0 / 120.0)  # the corner, in focal lengths
    assert largest_shift(camera("equidistant")) == pytest.approx((r - math.atan(r)) * 120.0 / 240.0)
    assert largest_shift(camera("equidistant", 0.1, 0.01, -0.02, 0.003, f=90.0)) > 0.1


def test_radial_distortion_shifts_the_corner_most():
    r2 = 1.0 + (64.0 / 120.0) ** 2
    assert largest_shift(camera("plumb_bob", -0.1, 0.0, 0.0, 0.0, 0.0)) == pytest.approx(0.1 * r2**1.5 * 0.5)
    rational = largest_shift(camera("rational_polynomial", 0.3, 0.0, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0))
    assert rational == pytest.approx(0.0, abs=1e-12)  # numerator and denominator cancel


def test_tangential_distortion_counts():
    assert largest_shift(camera("plumb_bob", 0.0, 0.0, 0.01, 0.0)) > 0.005


def test_unknown_models_and_polynomials_without_meaning_are_large():
    assert largest_shift(camera("omnidirectional", 0.1)) == math.inf
    assert largest_shift(camera("plumb_bob", 1e30, 1e300, 0.0, 0.0, 1e300)) == 10.0
    assert np.isfinite(largest_shift(camera("rational_polynomial", 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0)))
