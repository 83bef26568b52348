"""Pedals and steering: signs, limits, and a vehicle of other constants that reaches the wanted acceleration all the same."""

import math

import pytest

from transdiffuser_planner.integrations.carla.actuation import HOLDING_BRAKE, Actuation, CarlaVehicle
from transdiffuser_planner.planning.trajectory.pure_pursuit import ControlCommand


def command(acceleration_mps2: float, steering_rad: float = 0.0) -> ControlCommand:
    return ControlCommand(acceleration_mps2=acceleration_mps2, steering_rad=steering_rad)


def test_a_left_wheel_angle_is_negative_steering_and_grows_with_speed() -> None:
    vehicle = CarlaVehicle(max_steer_rad=1.0, steering_curve=((0.0, 1.0), (36.0, 0.5)))
    slow = Actuation(vehicle).controls(command(0.0, 0.2), 0.0, 0.05)
    fast = Actuation(vehicle).controls(command(0.0, 0.2), 10.0, 0.05)
    assert slow.steer == pytest.approx(-0.2) and fast.steer == pytest.approx(-0.4)
    assert Actuation(vehicle).controls(command(0.0, -3.0), 0.0, 0.05).steer == 1.0


def test_pedals_exclude_each_other_and_a_vehicle_that_is_to_stand_is_held() -> None:
    go, stop = Actuation(CarlaVehicle()), Actuation(CarlaVehicle())
    driven, braked = go.controls(command(2.0), 5.0, 0.05), stop.controls(command(-4.0), 5.0, 0.05)
    assert driven.throttle == pytest.approx(2.3125 / 4.0) and driven.brake == 0.0
    assert braked.brake == pytest.approx(3.6875 / 8.0) and braked.throttle == 0.0
    assert stop.controls(command(-1.0), 0.0, 0.05).brake == HOLDING_BRAKE
    assert Actuation(CarlaVehicle()).controls(command(50.0), 0.0, 0.05).throttle == 1.0


@pytest.mark.parametrize(
    ("throttle_mps2", "brake_mps2", "slope_mps2"), [(4.0, 8.0, 0.0), (2.8, 6.0, 0.0), (5.0, 9.0, 0.5)]
)
def test_the_wanted_acceleration_is_reached_whatever_the_vehicle(
    throttle_mps2: float, brake_mps2: float, slope_mps2: float
) -> None:
    speed = 3.0
    reached = {}
    for wanted in (1.0, -1.5):
        speed = 12.0 if wanted < 0.0 else speed
        actuation = Actuation(CarlaVehicle())
        for _ in range(80):
            controls = actuation.controls(command(wanted), speed, 0.05)
            real = controls.throttle * throttle_mps2 - controls.brake * brake_mps2 - 0.2 - slope_mps2
            speed += 0.05 * real
        reached[wanted] = real
    assert reached == {1.0: pytest.approx(1.0, abs=0.2), -1.5: pytest.approx(-1.5, abs=0.25)}


def test_standing_at_a_light_does_not_charge_the_integrator() -> None:
    actuation = Actuation(CarlaVehicle())
    for _ in range(400):
        actuation.controls(command(-1.0), 0.0, 0.05)
    fresh = Actuation(CarlaVehicle()).controls(command(1.0), 0.0, 0.05)
    assert actuation.controls(command(1.0), 0.0, 0.05).throttle == pytest.approx(fresh.throttle, abs=0.02)


def test_the_steering_curve_is_interpolated() -> None:
    assert CarlaVehicle().steering_share(40.0 / 3.6) == pytest.approx(0.85)
    assert CarlaVehicle().max_steer_rad == pytest.approx(math.radians(70.0))
