"""Where lenses image rays, against formulas written out ray by ray, and the view that is stitched through them."""

import math

import numpy as np
import pytest

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.lens import project
from transdiffuser_planner.core.lens_models import FisheyeLens, FThetaLens, RadialLens
from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.core.types import CameraImage, CameraIntrinsics
from transdiffuser_planner.planning.observation.stitched_view import ImageView, view_rays

WIDTH, HEIGHT = 640, 480


def ray(azimuth_rad, below_rad=0.0):
    """A ray of the optical frame, this far to the right of and below the axis."""
    return [math.sin(azimuth_rad), math.tan(below_rad), math.cos(azimuth_rad)]


def test_f_theta_images_a_ray_at_the_distance_of_its_angle():
    lens = FThetaLens(cx=320.0, cy=240.0, angle_to_distance=(0.0, 300.0, 0.0, -10.0), max_angle_rad=1.2)
    pixel_N2, seen = lens.project(np.asarray([ray(0.0), ray(0.9), ray(-0.9), ray(1.3)]))
    reach = 300.0 * 0.9 - 10.0 * 0.9**3
    np.testing.assert_allclose(
        pixel_N2[:3], [[320.0, 240.0], [320.0 + reach, 240.0], [320.0 - reach, 240.0]], atol=1e-9
    )
    assert seen.tolist() == [True, True, True, False]


def test_the_linear_part_of_f_theta_shears_and_scales():
    lens = FThetaLens(cx=0.0, cy=0.0, angle_to_distance=(0.0, 100.0), linear=(1.1, 0.2, -0.3))
    x, y = 100.0 * math.atan(math.hypot(0.3, 0.4)) * np.asarray([0.6, 0.8])
    pixel_N2, _ = lens.project(np.asarray([[0.3, 0.4, 1.0]]))
    np.testing.assert_allclose(pixel_N2[0], [1.1 * x + 0.2 * y, -0.3 * x + y])


def test_a_fisheye_without_coefficients_is_f_theta_with_a_line():
    rays = np.random.default_rng(0).normal(size=(50, 3))
    fisheye = FisheyeLens(fx=250.0, fy=250.0, cx=10.0, cy=20.0, max_angle_rad=2.0)
    line = FThetaLens(cx=10.0, cy=20.0, angle_to_distance=(0.0, 250.0), max_angle_rad=2.0)
    for one, other in zip(fisheye.project(rays), line.project(rays), strict=True):
        np.testing.assert_allclose(one, other)


def test_radial_tangential_and_prism_terms_of_one_ray():
    lens = RadialLens(fx=500.0, fy=400.0, cx=0.0, cy=0.0, radial=(-0.1, 0.02), tangential=(0.003, -0.002),
                      thin_prism=(0.001, 0.0, 0.002))  # fmt: skip
    x, y = 0.4, -0.2
    r2 = x * x + y * y
    factor = 1.0 - 0.1 * r2 + 0.02 * r2**2
    expected = [
        500.0 * (x * factor + 2 * 0.003 * x * y - 0.002 * (r2 + 2 * x * x) + 0.001 * r2),
        400.0 * (y * factor + 0.003 * (r2 + 2 * y * y) - 2 * 0.002 * x * y + 0.002 * r2),
    ]
    pixel_N2, seen = lens.project(np.asarray([[x, y, 1.0]]))
    np.testing.assert_allclose(pixel_N2[0], expected)
    assert seen[0]


def test_rays_that_a_polynomial_folds_back_are_not_imaged():
    lens = RadialLens(fx=300.0, fy=300.0, cx=320.0, cy=240.0, radial=(-0.3,))
    turning = 1.0 / math.sqrt(3.0 * 0.3)  # where r (1 - 0.3 r2) is largest
    rays = np.asarray([[0.95 * turning, 0.0, 1.0], [1.1 * turning, 0.0, 1.0], [0.0, 0.0, -1.0]])
    assert lens.project(rays)[1].tolist() == [True, False, False]


@pytest.mark.parametrize(
    "lens",
    [
        FThetaLens(cx=320.0, cy=240.0, angle_to_distance=(0.0, 280.0, 0.0, -8.0), max_angle_rad=1.3),
        FisheyeLens(fx=280.0, fy=280.0, cx=320.0, cy=240.0, k=(-0.02, 0.004)),
        RadialLens(fx=280.0, fy=280.0, cx=320.0, cy=240.0, radial=(-0.05, 0.01)),
    ],
)
def test_the_view_shows_directions_as_they_are_whatever_the_lens(lens):
    """The image holds in each pixel the azimuth and elevation that the lens sees there; so must the view."""
    mount = CameraMount(name="front", width=WIDTH, height=HEIGHT, fx=280.0, fy=280.0, cx=320.0, cy=240.0, yaw_rad=0.1)
    intrinsics = CameraIntrinsics(width=WIDTH, height=HEIGHT, fx=280.0, fy=280.0, cx=320.0, cy=240.0, lens=lens)
    grid = np.stack(np.meshgrid(np.linspace(-1.1, 1.1, 900), np.linspace(-0.7, 0.7, 600)), axis=-1).reshape(-1, 2)
    rays_N3 = np.stack([np.sin(grid[:, 0]), -np.tan(grid[:, 1]), np.cos(grid[:, 0])], axis=1)
    pixel_N2, seen = lens.project(rays_N3)
    raw = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    column, row = np.floor(pixel_N2[seen]).astype(int).T
    inside = (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
    encoded = np.stack([127.0 + 100.0 * grid[:, 0], 127.0 + 100.0 * grid[:, 1], np.full(len(grid), 255.0)], axis=1)
    raw[row[inside], column[inside]] = encoded[seen][inside].astype(np.uint8)
    contract = ModelContract()
    view, covered = ImageView(contract, (mount,)).stitch(
        {"front": CameraImage(stamp_ns=0, name="front", rgb_HW3=raw)}, {"front": intrinsics}
    )
    assert covered[1] > 0.9
    rays = view_rays(contract)
    azimuth = -np.arctan2(rays[..., 1], rays[..., 0]) + 0.1
    elevation = np.arctan2(rays[..., 2], np.hypot(rays[..., 0], rays[..., 1]))
    known = view[..., 2] > 0
    assert known.mean() > 0.4
    np.testing.assert_allclose(view[known][:, 0], 127.0 + 100.0 * azimuth[known], atol=2.0)
    np.testing.assert_allclose(view[known][:, 1], 127.0 + 100.0 * elevation[known], atol=2.0)


def test_without_a_lens_a_camera_is_a_pinhole():
    plain = CameraIntrinsics(width=WIDTH, height=HEIGHT, fx=300.0, fy=310.0, cx=320.0, cy=240.0)
    column, row, seen = project(plain, np.asarray([[2.0, 0.5, -0.25], [-1.0, 0.0, 0.0]]))
    assert (column[0], row[0]) == (320.0 - 300.0 * 0.25, 240.0 + 310.0 * 0.125)
    assert seen.tolist() == [True, False]
