"""Frames and vehicles: CARLA's left-handed conventions over the project's bicycle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from transdiffuser_planner.integrations.carla.geodesy import DEFAULT_REFERENCE, EARTH_RADIUS_M, LocalMap
from transdiffuser_planner.integrations.carla_server.sensors import navigation
from transdiffuser_planner.integrations.carla_server.world.blueprints import vehicle_model
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.integrations.carla_server.world.vehicle_motion import (
    AckermannTarget,
    VehicleControl,
    VehicleMotion,
)


@pytest.fixture
def motion() -> VehicleMotion:
    return VehicleMotion(vehicle_model("vehicle.lincoln.mkz_2020"), Transform(10.0, 20.0, 0.3, 0.0, 30.0, 0.0))


def drive(motion: VehicleMotion, seconds: float, **control) -> Transform:
    motion.control = VehicleControl(**control)
    for _ in range(round(seconds / 0.05)):
        motion.step(0.05)
    return motion.transform()


def test_frames_turn_as_carla_turns_them() -> None:
    yawed = Transform(1.0, 2.0, 3.0, 0.0, 90.0, 0.0)
    right = yawed.compose(Transform(1.0, 0.0, 0.0))
    assert right.six[:3] == pytest.approx((1.0, 3.0, 3.0))  # yaw is clockwise from above: ahead is +y, which is south
    nose_up = Transform(pitch=90.0).compose(Transform(1.0))
    assert nose_up.six[:3] == pytest.approx((0.0, 0.0, 1.0))
    child = Transform(pitch=10.0, yaw=20.0, roll=30.0)
    assert Transform().compose(child).six == pytest.approx(child.six)
    assert Transform(yaw=-90.0).heading_rad == pytest.approx(math.pi / 2.0)
    assert np.linalg.det(child.rotation()) == pytest.approx(1.0)


def test_throttle_drives_ahead_brake_stops_and_nothing_rolls(motion: VehicleMotion) -> None:
    place = drive(motion, 3.0, throttle=0.7)
    assert 5.0 < motion.speed_mps < 10.0 and place.z == 0.0
    assert math.degrees(math.atan2(place.y - 20.0, place.x - 10.0)) == pytest.approx(30.0, abs=0.1)
    drive(motion, 3.0, brake=1.0)
    stopped = motion.transform()
    assert motion.speed_mps == 0.0 and drive(motion, 1.0) == stopped


def test_positive_steering_turns_right_which_is_a_larger_yaw(motion: VehicleMotion) -> None:
    drive(motion, 2.0, throttle=0.5)
    before = motion.transform().yaw
    assert drive(motion, 1.0, throttle=0.3, steer=0.1).yaw > before + 2.0 and motion.yaw_rate_radps < 0.0


def test_reverse_drives_backwards_and_steers_mirrored(motion: VehicleMotion) -> None:
    place = drive(motion, 2.0, throttle=0.5, reverse=True, steer=0.2)
    assert motion.speed_mps < -1.0 and place.x < 10.0 and place.yaw < 30.0
    drive(motion, 3.0, throttle=0.5)
    assert motion.speed_mps > 0.0


def test_hand_brake_holds(motion: VehicleMotion) -> None:
    assert drive(motion, 1.0, throttle=1.0, hand_brake=True).six[:2] == pytest.approx((10.0, 20.0))


def test_ackermann_reaches_speed_and_angle(motion: VehicleMotion) -> None:
    motion.ackermann = AckermannTarget(steering_rad=0.1, rate_radps=0.0, speed_mps=6.0, acceleration_mps2=2.0)
    for _ in range(120):
        motion.step(0.05)
    assert motion.speed_mps == pytest.approx(6.0, abs=0.1) and motion.steering_rad == pytest.approx(0.1, abs=0.01)
    assert motion.yaw_rate_radps == pytest.approx(6.0 * math.tan(0.1) / motion.model.wheelbase_m, rel=0.05)


def test_the_place_turns_into_latitude_and_longitude_as_in_carla() -> None:
    stated = navigation.reference("<geoReference>+lat_0=49.5 +lon_0=8.25</geoReference>")
    assert (stated.latitude_deg, stated.longitude_deg) == (49.5, 8.25)
    assert navigation.reference("<x/>") is DEFAULT_REFERENCE
    town = LocalMap(latitude_deg=49.0, longitude_deg=8.0)
    assert town.latitude_longitude((0.0, 0.0)) == pytest.approx((49.0, 8.0))
    north, east = town.latitude_longitude((100.0, 100.0))
    assert math.radians(north - 49.0) * EARTH_RADIUS_M == pytest.approx(100.0, rel=1e-3) and east > 8.0
    assert town.xy(north, east) == pytest.approx((100.0, 100.0), abs=1e-6)
