"""Vertical patterns of spinning LiDARs. Elevations from data sheets of the sensors named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def elevations_rad(pattern: str, random: np.random.Generator) -> FloatArray:
    """Return the elevations of all beams, from low to high.

    Args:
        pattern: One of the options ``beams`` of a recipe.
        random: Of the drive; draws what the pattern leaves open.
    """
    return np.radians(np.sort(_PATTERNS[pattern](random)))


def _uniform(random: np.random.Generator) -> FloatArray:
    """16 to 128 beams at equal distances; the field of view is that of common sensors."""
    beams = int(random.choice([16, 24, 32, 40, 48, 64, 96, 128]))
    low, high = random.uniform(-30.0, -15.0), random.uniform(2.0, 15.0)
    return np.linspace(low, high, beams)


def _dense(random: np.random.Generator) -> FloatArray:
    """32 to 128 beams, closer together around the horizon: a cubic curve through the field of view."""
    beams = int(random.choice([32, 40, 64, 96, 128]))
    low, high, horizon = random.uniform(-30.0, -18.0), random.uniform(5.0, 15.0), random.uniform(-5.0, 0.0)
    linear = random.uniform(0.2, 0.6)
    place = np.linspace(-1.0, 1.0, beams)
    curve = linear * place + (1.0 - linear) * place**3
    return np.asarray(horizon + np.where(curve < 0.0, curve * (horizon - low), curve * (high - horizon)))


def _hdl64(_: np.random.Generator) -> FloatArray:
    """Velodyne HDL-64E: 32 beams a third of a degree apart, 32 below them half a degree apart."""
    return np.concatenate([np.linspace(-8.33, 2.0, 32), np.linspace(-24.33, -8.83, 32)])


def _hdl32(_: np.random.Generator) -> FloatArray:
    """Velodyne HDL-32E."""
    return np.linspace(-30.67, 10.67, 32)


def _vlp32(_: np.random.Generator) -> FloatArray:
    """Velodyne VLP-32C: a third of a degree apart around the horizon, up to 9 degrees below."""
    sparse = [-25.0, -15.639, -11.31, -8.843, -7.254, -6.148, -5.333, -4.667]
    return np.concatenate([sparse, np.arange(-4.0, 1.7, 1.0 / 3.0), [2.333, 3.333, 4.667, 7.0, 10.333, 15.0]])


def _two_vlp32(random: np.random.Generator) -> FloatArray:
    """Two VLP-32C, one above the other and upside down, as one cloud (Argoverse 2)."""
    return np.concatenate([_vlp32(random), -_vlp32(random) * random.uniform(0.9, 1.1)])


def _pandar64(_: np.random.Generator) -> FloatArray:
    """Hesai Pandar64: a sixth of a degree apart from -6 to 2 degrees, one degree and more elsewhere."""
    middle = [np.arange(-14.0, -6.0, 1.0), np.arange(-6.0, 2.01, 1.0 / 6.0)]
    return np.concatenate([[-25.0, -19.0], *middle, [3.0, 5.0, 8.0, 11.0, 15.0]])


def _os1(random: np.random.Generator) -> FloatArray:
    """Ouster OS1: 32, 64 or 128 beams over 45 degrees."""
    return np.linspace(-22.5, 22.5, int(random.choice([32, 64, 128])))


_PATTERNS = {
    "uniform": _uniform,
    "dense": _dense,
    "hdl64": _hdl64,
    "hdl32": _hdl32,
    "vlp32": _vlp32,
    "two_vlp32": _two_vlp32,
    "pandar64": _pandar64,
    "os1": _os1,
}
