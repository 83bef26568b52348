"""Accelerations and steering angles of the tracker as throttle, brake and steering of a CARLA vehicle.

Pedals: the wanted acceleration, plus what rolling and air resistance take, divided by what a full pedal gives. An integrator
on the difference between wanted and measured acceleration removes what these constants do not know: gears, slopes, mass.
Steering: the wheel angle as a share of the largest one, divided by the vehicle's steering curve, which reduces
steering with speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from transdiffuser_planner.planning.trajectory.pure_pursuit import ControlCommand

STANDING_MPS = 0.1
HOLDING_BRAKE = 0.6
_INTEGRAL_PER_S = 0.6
_MAX_INTEGRAL_MPS2 = 2.0
_SMOOTHING_S = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class CarlaVehicle:
    """What turns wheel angles and accelerations of a CARLA vehicle into its controls; the defaults are the Lincoln MKZ 2020's.

    Attributes:
        max_steer_rad: Wheel angle at full steering.
        steering_curve: (speed in km/h, share of the steering that is left), by speed.
        full_throttle_mps2: Acceleration at full throttle and low speed.
        full_brake_mps2: Deceleration at full brake.
        resistance_mps2: Deceleration without pedals at low speed.
        drag_per_m: Deceleration by air, times the speed squared.
    """

    max_steer_rad: float = math.radians(70.0)
    steering_curve: tuple[tuple[float, float], ...] = ((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7))
    full_throttle_mps2: float = 4.0
    full_brake_mps2: float = 8.0
    resistance_mps2: float = 0.3
    drag_per_m: float = 0.0005

    def steering_share(self, speed_mps: float) -> float:
        """Return the share of the steering that is left at a speed.

        Args:
            speed_mps: Of the vehicle.
        """
        speeds, shares = zip(*self.steering_curve, strict=True)
        return float(np.interp(abs(speed_mps) * 3.6, speeds, shares))


@dataclass(frozen=True, kw_only=True, slots=True)
class Controls:
    """Controls of a CARLA vehicle: throttle and brake 0 to 1, steering -1 (left) to 1 (right)."""

    throttle: float
    brake: float
    steer: float


class Actuation:
    """Controller of one vehicle's pedals and steering. Not thread-safe.

    Args:
        vehicle: Constants of the vehicle.
    """

    def __init__(self, vehicle: CarlaVehicle) -> None:
        self._vehicle = vehicle
        self._integral_mps2 = 0.0
        self._measured_mps2 = 0.0
        self._speed_mps: float | None = None
        self._wanted_mps2 = 0.0

    def controls(self, command: ControlCommand, speed_mps: float, dt_s: float) -> Controls:
        """Compute the controls of one tick.

        Args:
            command: Of the tracker.
            speed_mps: Along the heading.
            dt_s: Time since the last tick.
        """
        vehicle = self._vehicle
        self._observe(speed_mps, dt_s)
        share = max(vehicle.steering_share(speed_mps), 0.1)
        steer = -command.steering_rad / (vehicle.max_steer_rad * share)
        throttle, brake = self._pedals(command.acceleration_mps2, speed_mps)
        return Controls(throttle=throttle, brake=brake, steer=float(np.clip(steer, -1.0, 1.0)))

    def _observe(self, speed_mps: float, dt_s: float) -> None:
        """Measure the acceleration and integrate its difference to the wanted one, unless the vehicle stands."""
        if self._speed_mps is not None and dt_s > 0.0:
            raw = (speed_mps - self._speed_mps) / dt_s
            self._measured_mps2 += (raw - self._measured_mps2) * min(1.0, dt_s / _SMOOTHING_S)
            missing = self._wanted_mps2 - self._measured_mps2
            limit = _MAX_INTEGRAL_MPS2
            self._integral_mps2 = float(np.clip(self._integral_mps2 + _INTEGRAL_PER_S * missing * dt_s, -limit, limit))
        if abs(speed_mps) < STANDING_MPS and self._wanted_mps2 <= 0.0:
            self._integral_mps2 = self._measured_mps2 = 0.0
        self._speed_mps = speed_mps

    def _pedals(self, wanted_mps2: float, speed_mps: float) -> tuple[float, float]:
        """Throttle and brake for an acceleration; a vehicle that is to stand is held."""
        vehicle = self._vehicle
        self._wanted_mps2 = wanted_mps2
        if wanted_mps2 <= 0.0 and abs(speed_mps) < STANDING_MPS:
            return 0.0, HOLDING_BRAKE
        resistance = vehicle.resistance_mps2 + vehicle.drag_per_m * speed_mps**2
        drive = wanted_mps2 + self._integral_mps2 + resistance
        if drive >= 0.0:
            return min(drive / vehicle.full_throttle_mps2, 1.0), 0.0
        return 0.0, min(-drive / vehicle.full_brake_mps2, 1.0)
