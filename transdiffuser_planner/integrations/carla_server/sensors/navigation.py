"""GNSS and IMU from the true state, with the noise that their blueprints state.

The projection is CARLA's: spherical Mercator about the map's reference (``LibCarla/source/carla/geom/GeoLocation.cpp``).
"""

from __future__ import annotations

import math
import re

import numpy as np

from transdiffuser_planner.integrations.carla_server.protocol import payloads
from transdiffuser_planner.integrations.carla_server.world.actors import Actor

GNSS, IMU = "sensor.other.gnss", "sensor.other.imu"
EARTH_RADIUS_M = 6378137.0
GRAVITY_MPS2 = 9.81
_DEFAULT_REFERENCE = (42.0, 2.0)


def reference(opendrive: str) -> tuple[float, float]:
    """Return latitude and longitude of a map's origin, degrees.

    Args:
        opendrive: Text of the map.
    """
    text = re.search(r"<geoReference>(.*?)</geoReference>", opendrive, re.DOTALL)
    values = []
    for name in ("lat_0", "lon_0"):
        found = re.search(rf"\+{name}=([-+0-9.eE]+)", text.group(1)) if text else None
        values.append(float(found.group(1)) if found else math.nan)
    return _DEFAULT_REFERENCE if math.isnan(values[0]) or math.isnan(values[1]) else (values[0], values[1])


def geolocation(origin: tuple[float, float], x_m: float, y_m: float) -> tuple[float, float]:
    """Convert a place to latitude and longitude, degrees.

    Args:
        origin: As ``reference`` returns it.
        x_m: East.
        y_m: South, as CARLA's y.
    """
    scale = math.cos(math.radians(origin[0])) * EARTH_RADIUS_M
    east = scale * math.radians(origin[1]) + x_m
    north = scale * math.log(math.tan(math.radians(90.0 + origin[0]) / 2.0)) - y_m
    latitude = 2.0 * math.degrees(math.atan(math.exp(north / scale))) - 90.0
    return latitude, math.degrees(east / scale)


def fix(sensor: Actor, origin: tuple[float, float], rng: np.random.Generator) -> bytes:
    """Return the payload of a GNSS receiver.

    Args:
        sensor: The receiver.
        origin: Of the map.
        rng: Of the noise.
    """
    latitude, longitude = geolocation(origin, sensor.transform.x, sensor.transform.y)
    noisy = [
        value + _number(sensor, f"noise_{axis}_bias") + _number(sensor, f"noise_{axis}_stddev") * rng.standard_normal()
        for axis, value in (("lat", latitude), ("lon", longitude), ("alt", sensor.transform.z))
    ]
    return payloads.gnss(*noisy)


def inertia(sensor: Actor, gravity_mps2: float, rng: np.random.Generator) -> bytes:
    """Return the payload of an inertial measurement unit.

    Args:
        sensor: The unit.
        gravity_mps2: That it measures.
        rng: Of the noise.
    """
    carrier = sensor if sensor.parent is None else sensor.parent
    own = sensor.transform.rotation()
    acceleration = own.T @ np.add(carrier.acceleration, (0.0, 0.0, gravity_mps2))
    rate = own.T @ np.radians(carrier.turn_degps)
    for index, axis in enumerate("xyz"):
        acceleration[index] += _number(sensor, f"noise_accel_stddev_{axis}") * rng.standard_normal()
        rate[index] += _number(sensor, f"noise_gyro_bias_{axis}")
        rate[index] += _number(sensor, f"noise_gyro_stddev_{axis}") * rng.standard_normal()
    compass = math.radians(sensor.transform.yaw + 90.0) % (2.0 * math.pi)
    return payloads.imu(acceleration, rate, compass)


def check(sensor: Actor) -> None:
    """Check the attributes of a sensor that is to be made.

    Args:
        sensor: With its description.

    Raises:
        CallError: A value is out of range.
    """
    for name in sensor.description.attributes:
        if name.startswith("noise_"):
            _number(sensor, name)


def _number(sensor: Actor, name: str) -> float:
    return sensor.description.number(name, -1e6, 1e6) if name in sensor.description.attributes else 0.0
