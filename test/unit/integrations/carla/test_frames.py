"""CARLA's left-handed values become right-handed ones, compared with numbers worked out by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from transdiffuser_planner.core.errors import ConfigError, InputError
from transdiffuser_planner.core.rig import CameraMount, Mount
from transdiffuser_planner.integrations.carla import frames, measurements
from transdiffuser_planner.integrations.carla.sensor_setup import Placement, camera_of, placement_of


def vector(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(x=x, y=y, z=z)


def transform(x: float, y: float, yaw_deg: float) -> SimpleNamespace:
    return SimpleNamespace(location=vector(x, y, 0.5), rotation=SimpleNamespace(roll=0.0, pitch=0.0, yaw=yaw_deg))


def test_a_vehicle_heading_to_carlas_right_heads_south_in_the_map() -> None:
    # Yaw 90 degrees is CARLA's +y, the map's -y. The rear axle is 1.5 m behind the origin: at larger y of the map.
    ego = frames.ego_state(transform(10.0, 20.0, 90.0), vector(0.0, 4.0), vector(), stamp_ns=7, origin_ahead_m=1.5)
    assert (ego.x_m, ego.y_m, ego.z_m) == pytest.approx((10.0, -18.5, 0.5))
    assert ego.heading_rad == pytest.approx(-math.pi / 2.0)
    assert (ego.vx_mps, ego.vy_mps, ego.yaw_rate_radps) == pytest.approx((4.0, 0.0, 0.0))
    assert (ego.stamp_ns, ego.frame_id) == (7, "map")


def test_a_left_turn_has_a_positive_yaw_rate_and_no_slip_at_the_rear_axle() -> None:
    # Turning left at 0.5 rad/s, the origin 2 m ahead of the axle moves to the left at 1 m/s: CARLA's -y.
    rate_deg = -math.degrees(0.5)
    ego = frames.ego_state(
        transform(0.0, 0.0, 0.0), vector(6.0, -1.0), vector(z=rate_deg), stamp_ns=0, origin_ahead_m=2.0
    )
    assert ego.yaw_rate_radps == pytest.approx(0.5)
    assert (ego.vx_mps, ego.vy_mps) == pytest.approx((6.0, 0.0))
    # Of the acceleration the centripetal part of the offset, 2 m times 0.25 per s2, is missing at the origin.
    found = frames.ego_acceleration(vector(1.0, -3.0), 0.0, 0.5, stamp_ns=0, origin_ahead_m=2.0)
    assert (found.ax_mps2, found.ay_mps2) == pytest.approx((1.5, 3.0))


@pytest.mark.parametrize(("compass_deg", "heading_deg"), [(0.0, 90.0), (90.0, 0.0), (180.0, -90.0), (270.0, -180.0)])
def test_the_compass_counts_from_north_clockwise(compass_deg: float, heading_deg: float) -> None:
    heading = frames.heading_of_compass(math.radians(compass_deg))
    assert math.cos(heading - math.radians(heading_deg)) == pytest.approx(1.0)


def test_points_rates_and_accelerations_are_mirrored() -> None:
    cloud = measurements.cloud(np.asarray([1.0, 2.0, 3.0, 0.5, 4.0, -5.0, 6.0, 0.1], np.float32), 9)
    assert cloud.xyz_N3.tolist() == [[1.0, -2.0, 3.0], [4.0, 5.0, 6.0]] and cloud.stamp_ns == 9
    reading = measurements.inertial([1.0, 2.0, 9.8, 0.1, 0.2, 0.3, math.pi / 2.0])
    assert reading.acceleration_3.tolist() == [1.0, -2.0, 9.8]
    assert reading.rate_3.tolist() == [-0.1, 0.2, -0.3]
    assert reading.heading_rad == pytest.approx(0.0)


def test_points_that_are_no_numbers_are_left_out() -> None:
    raw = np.asarray([[1.0, 2.0, 3.0, 0.0], [np.nan, 0.0, 0.0, 0.0]], np.float32)
    assert measurements.cloud(raw, 0).xyz_N3.tolist() == [[1.0, -2.0, 3.0]]
    with pytest.raises(InputError, match="four values per point"):
        measurements.cloud(np.zeros(5, np.float32), 0)
    with pytest.raises(InputError, match="7 finite numbers"):
        measurements.inertial([0.0, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_a_mount_to_the_left_looking_left_and_down_is_mirrored() -> None:
    mount = Mount(x_m=1.0, y_m=0.5, z_m=1.6, roll_rad=0.1, pitch_rad=math.radians(10.0), yaw_rad=math.radians(30.0))
    found = placement_of(mount, 1.5)
    expected = Placement(x=-0.5, y=-0.5, z=1.6, roll=math.degrees(0.1), pitch=-10.0, yaw=-30.0)
    assert found.to_dict() == pytest.approx(expected.to_dict())


def camera(**values: float) -> CameraMount:
    given = {"width": 240, "height": 128, "fx": 198.0, "fy": 198.0, "cx": 120.0, "cy": 80.0, **values}
    return CameraMount(name="front", **given)  # type: ignore[arg-type]


def test_a_principal_point_below_the_middle_makes_a_window_of_a_higher_image() -> None:
    found = camera_of(camera(), 0.0)
    assert (found.width, found.height, found.left, found.top) == (240, 160, 0, 0)
    assert found.fov_deg == pytest.approx(2.0 * math.degrees(math.atan(120.0 / 198.0)))
    above = camera_of(camera(cy=48.0), 0.0)
    assert (above.height, above.top, above.mount.cy) == (160, 32, 48.0)
    with pytest.raises(ConfigError, match="square pixels"):
        camera_of(camera(fy=220.0), 0.0)


def test_an_image_is_cut_and_its_colors_are_in_order() -> None:
    setup = camera_of(camera(width=4, height=2, fx=3.0, fy=3.0, cx=1.0, cy=2.0), 0.0)
    assert (setup.width, setup.height, setup.left, setup.top) == (6, 4, 2, 0)
    bgra = np.zeros((4, 6, 4), np.uint8)
    bgra[1, 2] = (10, 20, 30, 255)
    image = measurements.image(setup, bgra.reshape(-1), 5)
    assert image.rgb_HW3.shape == (2, 4, 3) and image.stamp_ns == 5
    assert image.rgb_HW3[1, 0].tolist() == [30, 20, 10] and image.rgb_HW3.sum() == 60
    with pytest.raises(InputError, match="expected 6x4 pixels"):
        measurements.image(setup, bgra[:3], 5)


def _matrix(mount: Mount) -> np.ndarray:
    carla = pytest.importorskip("carla")
    place = placement_of(mount, 0.0)
    made = carla.Transform(
        carla.Location(place.x, place.y, place.z), carla.Rotation(roll=place.roll, pitch=place.pitch, yaw=place.yaw)
    )
    return np.asarray(made.get_matrix())


@pytest.mark.parametrize("seed", range(5))
def test_mounts_are_those_of_carlas_own_transforms(seed: int) -> None:
    pytest.importorskip("carla")
    values = np.random.default_rng(seed).uniform(-1.0, 1.0, 6)
    names = ("x_m", "y_m", "z_m", "roll_rad", "pitch_rad", "yaw_rad")
    mount = Mount(**dict(zip(names, values.tolist(), strict=True)))
    mirror = np.diag([1.0, -1.0, 1.0, 1.0])
    assert mirror @ _matrix(mount) @ mirror == pytest.approx(mount.base_from_sensor(), abs=1e-5)
