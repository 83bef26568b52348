"""Geographic reference of a CARLA map, and which projection CARLA's package of this version measures with."""

from __future__ import annotations

import math
from typing import Any

from transdiffuser_planner.integrations.carla.geodesy import EARTH_RADIUS_M, LocalMap

_PROBE_M = 100.0


def reference_of_town(town: Any) -> tuple[LocalMap, bool]:
    """Return the map frame at CARLA's origin, and whether the package projects as that of 0.9.16, mirrored.

    Args:
        town: carla.Map.
    """
    import carla

    origin, south = (town.transform_to_geolocation(carla.Location(y=y)) for y in (0.0, _PROBE_M))
    turned_rad = math.radians(south.latitude - origin.latitude)
    is_0_9_16 = turned_rad > 0.0
    scale = _PROBE_M / (EARTH_RADIUS_M * turned_rad) if is_0_9_16 else 1.0
    return LocalMap(latitude_deg=origin.latitude, longitude_deg=origin.longitude, scale=scale), is_0_9_16
