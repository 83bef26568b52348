"""Longitude and latitude to UTM coordinates, north of the equator.

Formulas: Krüger's series of third order as in Kawase (2011), "A General Formula for Calculating Meridian Arc Length and its
Application to Coordinate Conversion in the Gauss-Krüger Projection"; exact to less than a millimeter within a zone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_RADIUS_M: Final = 6_378_137.0
_N: Final = (1.0 / 298.257223563) / (2.0 - 1.0 / 298.257223563)
_A_M: Final = _RADIUS_M / (1.0 + _N) * (1.0 + _N**2 / 4.0 + _N**4 / 64.0)
_ALPHA: Final = (
    _N / 2.0 - 2.0 * _N**2 / 3.0 + 5.0 * _N**3 / 16.0,
    13.0 * _N**2 / 48.0 - 3.0 * _N**3 / 5.0,
    61.0 * _N**3 / 240.0,
)
_SCALE: Final = 0.9996
_FALSE_EAST_M: Final = 500_000.0


def utm_of(lonlat_N2: FloatArray, zone: int) -> FloatArray:
    """Return eastings and northings (N, 2), m.

    Args:
        lonlat_N2: Longitude and latitude on WGS 84, degrees.
        zone: Number of the zone, 1 to 60.
    """
    lon_N, lat_N = np.deg2rad(lonlat_N2[:, 0] - (6.0 * zone - 183.0)), np.deg2rad(lonlat_N2[:, 1])
    k = 2.0 * np.sqrt(_N) / (1.0 + _N)
    t_N = np.sinh(np.arctanh(np.sin(lat_N)) - k * np.arctanh(k * np.sin(lat_N)))
    xi_N = np.arctan2(t_N, np.cos(lon_N))
    eta_N = np.arctanh(np.sin(lon_N) / np.hypot(1.0, t_N))
    east_N, north_N = eta_N.copy(), xi_N.copy()
    for j, alpha in enumerate(_ALPHA, start=1):
        east_N += alpha * np.cos(2 * j * xi_N) * np.sinh(2 * j * eta_N)
        north_N += alpha * np.sin(2 * j * xi_N) * np.cosh(2 * j * eta_N)
    return np.stack([_FALSE_EAST_M + _SCALE * _A_M * east_N, _SCALE * _A_M * north_N], axis=-1)
