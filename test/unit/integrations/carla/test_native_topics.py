"""CARLA's own ROS 2 interface: names and values by the line of the server. No server of either line has been run."""

import math

import pytest

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.integrations.carla.geodesy import EARTH_RADIUS_M, LocalMap
from transdiffuser_planner.integrations.carla.native.native_imu import inertial
from transdiffuser_planner.integrations.carla.native.native_names import NativeNames, topic_map
from transdiffuser_planner.integrations.carla.native.native_odometry import NativeOdometry
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files

PRESETS = {NativeNames.RELEASED: "carla_native", NativeNames.DEVELOPMENT: "carla_development"}


@pytest.mark.parametrize("names", NativeNames)
def test_the_presets_are_the_topics_of_both_lines(names: NativeNames) -> None:
    topics, rig = preset_files(PRESETS[names])
    assert topic_map(names, Rig.load(rig)) == TopicMap.load(topics)


def test_the_point_cloud_has_moved_and_other_vehicles_have_their_own_names() -> None:
    rig = Rig.load(preset_files("carla_native")[1])
    assert topic_map(NativeNames.RELEASED, rig).lidar == "/carla/hero/lidar"
    assert topic_map(NativeNames.DEVELOPMENT, rig, "car").lidar == "/carla/car/lidar/point_cloud"
    with pytest.raises(ConfigError, match="expected released, development"):
        NativeNames.of("later")


def quaternion(yaw_rad: float) -> tuple[float, float, float, float]:
    return 0.0, 0.0, math.sin(yaw_rad / 2.0), math.cos(yaw_rad / 2.0)


def test_a_released_imu_is_left_handed_and_turned_by_45_degrees() -> None:
    # Heading east, the compass is 90 degrees: the server sends a yaw of 45 - 90 degrees.
    reading = inertial((1.0, 2.0, 9.8), (0.1, 0.2, 0.3), quaternion(math.radians(-45.0)), NativeNames.RELEASED)
    assert reading.heading_rad == pytest.approx(0.0)
    assert reading.acceleration_3.tolist() == [1.0, -2.0, 9.8] and reading.rate_3.tolist() == [-0.1, 0.2, -0.3]


def test_the_imu_of_the_development_line_is_taken_as_it_is() -> None:
    reading = inertial((1.0, 2.0, 9.8), (0.1, 0.2, 0.3), quaternion(0.7), NativeNames.DEVELOPMENT)
    assert reading.heading_rad == pytest.approx(0.7)
    assert reading.acceleration_3.tolist() == [1.0, 2.0, 9.8] and reading.rate_3.tolist() == [0.1, 0.2, 0.3]


def test_odometry_is_derived_from_positions_and_inertial_readings_in_a_left_turn() -> None:
    radius, speed, odometry = 30.0, 6.0, NativeOdometry(LocalMap(latitude_deg=0.0, longitude_deg=0.0))
    degrees = 180.0 / (math.pi * EARTH_RADIUS_M)
    found = None
    for index in range(200):
        angle, stamp_ns = speed / radius * 0.05 * index, index * 50_000_000
        x, y = radius * math.sin(angle), radius * (1.0 - math.cos(angle))
        odometry.add_position(stamp_ns, y * degrees, x * degrees)
        # What a released server sends: left-handed, and pi/4 - compass with compass = pi/2 - heading.
        turn = quaternion(math.pi / 4.0 - (math.pi / 2.0 - angle))
        values = ((0.0, -speed * speed / radius, 9.8), (0.0, 0.0, -speed / radius), turn)
        found = odometry.add_inertial(stamp_ns, inertial(*values, NativeNames.RELEASED))
        assert odometry.add_inertial(stamp_ns, inertial(*values, NativeNames.RELEASED)) is None  # repeated
    assert found is not None
    ego, acceleration = found
    assert math.hypot(ego.x_m - x, ego.y_m - y) < 0.05
    assert (ego.vx_mps, ego.yaw_rate_radps) == pytest.approx((speed, speed / radius), abs=0.05)
    assert acceleration.ay_mps2 == pytest.approx(speed * speed / radius)
