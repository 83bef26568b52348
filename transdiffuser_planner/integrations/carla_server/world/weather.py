"""CARLA's weather parameters as the simulator's weather."""

from __future__ import annotations

import math
from typing import Any

from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world.frames import number
from transdiffuser_planner.simulation.scenario import Weather

CLEAR = (10.0, 0.0, 0.0, 10.0, 310.0, 45.0, 2.0, 0.75, 0.1, 0.0, 1.0, 0.03, 0.0331, 0.0)
"""Cloudiness, precipitation, deposits, wind, sun azimuth and altitude (deg), fog density, distance (m), falloff, wetness,
scattering, Mie and Rayleigh scattering, dust: shares in percent."""
_FOG_PER_M = 0.0004
"""Extinction by percent of CARLA's fog density: at 100 the sight is about 75 m."""
_AZIMUTH_STEP_DEG, _SHARE_STEP = 0.5, 0.01


def parse(value: Any) -> tuple[float, ...]:
    """Check parameters that came over the network.

    Args:
        value: As unpacked.

    Raises:
        CallError: They are not 14 numbers.
    """
    if not isinstance(value, list) or len(value) != len(CLEAR):
        raise CallError(f"weather: expected {len(CLEAR)} numbers, as CARLA 0.9.16 sends them")
    return tuple(number(item, "weather") for item in value)


def weather_of(parameters: tuple[float, ...]) -> Weather:
    """Return the simulator's weather; wind, dust and scattering have no effect.

    Values are rounded, so that a weather that a program changes at every tick is not lit again for differences that cannot be seen.

    Args:
        parameters: In the order of ``CLEAR``.
    """
    clouds, rain, puddles, _, azimuth, altitude, fog, _, _, wetness = parameters[:10]
    azimuth = round(azimuth / _AZIMUTH_STEP_DEG) * _AZIMUTH_STEP_DEG
    altitude = round(max(-90.0, min(90.0, altitude)) / _AZIMUTH_STEP_DEG) * _AZIMUTH_STEP_DEG
    return Weather(
        sun_azimuth_rad=math.remainder(-math.radians(azimuth), 2.0 * math.pi),
        sun_elevation_rad=math.radians(max(3.0, altitude)),
        cloudiness=_share(max(clouds, rain) / 100.0),
        fog_density_per_m=_FOG_PER_M * round(max(0.0, min(100.0, fog))),
        darkness=_share((8.0 - altitude) / 16.0) * 0.85,
        wetness=_share(max(wetness, puddles, rain) / 100.0),
    )


def _share(value: float) -> float:
    return round(max(0.0, min(1.0, value)) / _SHARE_STEP) * _SHARE_STEP
