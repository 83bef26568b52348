"""Position and speed of base_link from GNSS, compass and, where there is one, speedometer: a linear Kalman filter.

The compass gives the heading without noise worth mentioning, which makes the motion linear: with state (x, y, v),

    x' = x + v cos(h) dt,  y' = y + v sin(h) dt,  v' = v + a dt

(Kalman, 1960). The GNSS of the leaderboard has a standard deviation of 0.55 m; the filter averages it over many ticks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.integrations.carla.frames import MAP_FRAME

GNSS_STD_M = 0.55
"""5e-6 degrees, as the leaderboard sets its GNSS."""
_SPEED_STD_MPS = 0.02
_DRIFT_M_PER_SQRT_S = 0.045
"""Of dead reckoning: side slip and the compass; 0.01 m per tick of 20 Hz."""
_ACCELERATION_STD_MPS2 = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleReading:
    """Readings of one tick.

    Attributes:
        stamp_ns: Time of the tick.
        xy_2: GNSS position of base_link in the map frame, m; None without one.
        heading_rad: Of the compass, counter-clockwise from +x.
        yaw_rate_radps: Of the gyroscope, counter-clockwise.
        acceleration_mps2: Along the heading.
        speed_mps: Of the speedometer; None without one.
    """

    stamp_ns: int
    xy_2: NDArray[np.float64] | None
    heading_rad: float
    yaw_rate_radps: float
    acceleration_mps2: float
    speed_mps: float | None


class Localizer:
    """Filter of one vehicle. Not thread-safe.

    Args:
        gnss_std_m: Standard deviation of the GNSS per axis.
    """

    def __init__(self, gnss_std_m: float = GNSS_STD_M) -> None:
        self._gnss_variance = gnss_std_m**2
        self._state = np.zeros(3)
        self._covariance = np.zeros((3, 3))
        self._stamp_ns: int | None = None

    def update(self, reading: VehicleReading) -> EgoState | None:
        """Take the readings of a tick.

        Args:
            reading: In order of stamps.

        Returns:
            The state of base_link in the map frame; None before the first GNSS position.
        """
        if self._stamp_ns is None:
            if reading.xy_2 is None:
                return None
            speed = 0.0 if reading.speed_mps is None else reading.speed_mps
            self._state = np.asarray([*reading.xy_2, speed])
            self._covariance = np.diag([self._gnss_variance, self._gnss_variance, 1.0])
        else:
            self._predict(reading, (reading.stamp_ns - self._stamp_ns) * 1e-9)
            if reading.xy_2 is not None:
                for axis in (0, 1):
                    self._correct(axis, float(reading.xy_2[axis]), self._gnss_variance)
            if reading.speed_mps is not None:
                self._correct(2, reading.speed_mps, _SPEED_STD_MPS**2)
        self._stamp_ns = reading.stamp_ns
        return EgoState(
            stamp_ns=reading.stamp_ns,
            frame_id=MAP_FRAME,
            x_m=float(self._state[0]),
            y_m=float(self._state[1]),
            heading_rad=reading.heading_rad,
            vx_mps=float(self._state[2]),
            yaw_rate_radps=reading.yaw_rate_radps,
        )

    def _predict(self, reading: VehicleReading, dt_s: float) -> None:
        """Move the state by the motion since the last tick, along the heading halfway through it."""
        heading = reading.heading_rad - 0.5 * reading.yaw_rate_radps * dt_s
        step = np.eye(3)
        step[0, 2], step[1, 2] = math.cos(heading) * dt_s, math.sin(heading) * dt_s
        mean_speed = self._state[2] + 0.5 * reading.acceleration_mps2 * dt_s
        change = (step[0, 2] * mean_speed, step[1, 2] * mean_speed, reading.acceleration_mps2 * dt_s)
        self._state = self._state + np.asarray(change)
        noise = np.diag([_DRIFT_M_PER_SQRT_S**2, _DRIFT_M_PER_SQRT_S**2, _ACCELERATION_STD_MPS2**2]) * dt_s
        self._covariance = step @ self._covariance @ step.T + noise

    def _correct(self, index: int, measured: float, variance: float) -> None:
        """Correct the state by one measured component."""
        gain = self._covariance[:, index] / (self._covariance[index, index] + variance)
        self._state = self._state + gain * (measured - self._state[index])
        self._covariance = self._covariance - np.outer(gain, self._covariance[index])
