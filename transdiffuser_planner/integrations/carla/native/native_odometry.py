"""Odometry and acceleration of base_link from GNSS and IMU, for servers that publish no odometry."""

from __future__ import annotations

import math

from transdiffuser_planner.core.types import Acceleration, EgoState
from transdiffuser_planner.integrations.carla.geodesy import LocalMap
from transdiffuser_planner.integrations.carla.localization import Localizer, VehicleReading
from transdiffuser_planner.integrations.carla.measurements import InertialReading

GNSS_STD_M = 0.05
"""CARLA's GNSS has no noise unless it is given one."""
_MAX_AGE_NS = 200_000_000


class NativeOdometry:
    """Filter of one vehicle's topics; IMU and GNSS are mounted on the rear axle. Not thread-safe.

    Args:
        local: Map frame: its origin is CARLA's, by the reference of the map.
        is_0_9_16: Whether the server projects as CARLA 0.9.16 does.
        gnss_std_m: Standard deviation of the GNSS per axis.
    """

    def __init__(self, local: LocalMap, *, is_0_9_16: bool = False, gnss_std_m: float = GNSS_STD_M) -> None:
        self._xy_of = local.xy_of_0_9_16 if is_0_9_16 else local.xy
        self._localizer = Localizer(gnss_std_m)
        self._position: tuple[int, float, float] | None = None
        self._used_ns = -1
        self._stamp_ns = -1

    def add_position(self, stamp_ns: int, latitude_deg: float, longitude_deg: float) -> None:
        """Take a position.

        Args:
            stamp_ns: Of the message.
            latitude_deg: Of the message.
            longitude_deg: Of the message.
        """
        if math.isfinite(latitude_deg) and math.isfinite(longitude_deg):
            self._position = (stamp_ns, latitude_deg, longitude_deg)

    def add_inertial(self, stamp_ns: int, reading: InertialReading) -> tuple[EgoState, Acceleration] | None:
        """Take an IMU reading; every position is used once.

        Args:
            stamp_ns: Of the message; older than the last is left out.
            reading: In right-handed axes.

        Returns:
            State and acceleration of base_link at the stamp; None before the first position.
        """
        if stamp_ns <= self._stamp_ns:
            return None
        self._stamp_ns = stamp_ns
        xy = None
        if self._position is not None and self._position[0] > self._used_ns:
            placed_ns, latitude, longitude = self._position
            if stamp_ns - placed_ns <= _MAX_AGE_NS:
                self._used_ns, xy = placed_ns, self._xy_of(latitude, longitude)
        ego = self._localizer.update(
            VehicleReading(
                stamp_ns=stamp_ns,
                xy_2=xy,
                heading_rad=reading.heading_rad,
                yaw_rate_radps=float(reading.rate_3[2]),
                acceleration_mps2=float(reading.acceleration_3[0]),
                speed_mps=None,
            )
        )
        if ego is None:
            return None
        ax, ay = (float(value) for value in reading.acceleration_3[:2])
        return ego, Acceleration(stamp_ns=stamp_ns, ax_mps2=ax, ay_mps2=ay)
