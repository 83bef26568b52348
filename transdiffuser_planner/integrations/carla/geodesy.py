"""Latitude and longitude of CARLA's GNSS sensor and of the leaderboard's GPS route as meters in a local map frame.

CARLA up to 0.9.15, and the leaderboard's plans with any version, project the flat world by a Mercator projection of radius
R = 6378137 m whose scale is the cosine of the map's reference latitude: x = R k lon, y = R k ln tan(pi / 4 + lat / 2),
k = cos(lat_ref), y north. An agent does not know the reference; with the latitude of the first point instead lengths
differ by tan(lat) times the difference of the latitudes, 1.4e-4 for a map 1 km across at 42 degrees, alike for route and vehicle.

CARLA 0.9.16 projects the sphere by a transverse Mercator projection with a scale k, 0.9996 unless the map states one, and
its latitudes grow to the south (carla issue 9389, pull request 9552). Within a kilometer of the reference, to 0.1 m,
x = k R cos(lat_ref) lon, y = -k R lat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.errors import InputError

EARTH_RADIUS_M = 6378137.0
_MAX_LATITUDE_DEG = 85.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalMap:
    """Frame with its origin at a geographic point: x to the east, y to the north, meters.

    Attributes:
        latitude_deg: Of the origin; it also determines the scale.
        longitude_deg: Of the origin.
        scale: Scale of the projection of CARLA 0.9.16.

    Raises:
        InputError: The origin is no point that CARLA's projection has.
    """

    latitude_deg: float
    longitude_deg: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (abs(self.latitude_deg) <= _MAX_LATITUDE_DEG and abs(self.longitude_deg) <= 360.0):
            raise InputError(
                f"GPS: latitude {self.latitude_deg}, longitude {self.longitude_deg} is no place in CARLA's projection"
            )

    def xy(self, latitude_deg: ArrayLike, longitude_deg: ArrayLike) -> NDArray[np.float64]:
        """Return positions (..., 2) in this frame.

        Args:
            latitude_deg: Latitudes (...,).
            longitude_deg: Longitudes (...,).
        """
        radius_m = EARTH_RADIUS_M * math.cos(math.radians(self.latitude_deg))
        x = radius_m * np.radians(np.asarray(longitude_deg, dtype=np.float64) - self.longitude_deg)
        y = radius_m * (_stretched(latitude_deg) - _stretched(self.latitude_deg))
        return np.stack([x, y], axis=-1)

    def latitude_longitude(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Return latitudes and longitudes (..., 2) in degrees of positions, the inverse of ``xy``.

        Args:
            xy: Positions (..., 2) in this frame, m.
        """
        radius_m = EARTH_RADIUS_M * math.cos(math.radians(self.latitude_deg))
        east_north = np.asarray(xy, dtype=np.float64) / radius_m
        latitude = 2.0 * np.arctan(np.exp(east_north[..., 1] + _stretched(self.latitude_deg))) - np.pi / 2.0
        return np.stack([np.degrees(latitude), np.degrees(east_north[..., 0]) + self.longitude_deg], axis=-1)

    def xy_of_0_9_16(self, latitude_deg: ArrayLike, longitude_deg: ArrayLike) -> NDArray[np.float64]:
        """Return positions (..., 2) in this frame of what the GNSS of CARLA 0.9.16 measures; its origin must be the map's.

        Args:
            latitude_deg: Latitudes (...,).
            longitude_deg: Longitudes (...,).
        """
        radius_m = EARTH_RADIUS_M * self.scale
        east_m = radius_m * math.cos(math.radians(self.latitude_deg))
        x = east_m * np.radians(np.asarray(longitude_deg, dtype=np.float64) - self.longitude_deg)
        y = -radius_m * np.radians(np.asarray(latitude_deg, dtype=np.float64) - self.latitude_deg)
        return np.stack([x, y], axis=-1)


DEFAULT_REFERENCE = LocalMap(latitude_deg=42.0, longitude_deg=2.0)
"""Of CARLA and the leaderboard for maps without a reference."""


def _stretched(latitude_deg: ArrayLike) -> NDArray[np.float64]:
    """Mercator's ordinate of a latitude, for a radius of 1."""
    return np.asarray(np.log(np.tan(np.pi / 4.0 + np.radians(np.asarray(latitude_deg, dtype=np.float64)) / 2.0)))
