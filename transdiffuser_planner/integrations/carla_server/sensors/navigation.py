"""GNSS and IMU from the true state, with the noise that their blueprints state.

The projection is that of CARLA up to 0.9.15 (``integrations.carla.geodesy``).
"""

from __future__ import annotations

import math
import re

import numpy as np

from transdiffuser_planner.integrations.carla.geodesy import DEFAULT_REFERENCE, LocalMap
from transdiffuser_planner.integrations.carla_server.protocol import payloads
from transdiffuser_planner.integrations.carla_server.world.actors import Actor

GNSS, IMU = "sensor.other.gnss", "sensor.other.imu"
GRAVITY_MPS2 = 9.81


def reference(opendrive: str) -> LocalMap:
    """Return the frame of a map, whose origin has latitude and longitude.

    Args:
        opendrive: Text of the map.
    """
    text = re.search(r"<geoReference>(.*?)</geoReference>", opendrive, re.DOTALL)
    values = []
    for name in ("lat_0", "lon_0"):
        found = re.search(rf"\+{name}=([-+0-9.eE]+)", text.group(1)) if text else None
        values.append(float(found.group(1)) if found else math.nan)
    is_known = not (math.isnan(values[0]) or math.isnan(values[1]))
    return LocalMap(latitude_deg=values[0], longitude_deg=values[1]) if is_known else DEFAULT_REFERENCE


def fix(sensor: Actor, origin: LocalMap, rng: np.random.Generator) -> bytes:
    """Return the payload of a GNSS receiver.

    Args:
        sensor: The receiver.
        origin: Of the map.
        rng: Of the noise.
    """
    place = sensor.transform
    latitude, longitude = origin.latitude_longitude((place.x, -place.y))
    noisy = [
        value + _number(sensor, f"noise_{axis}_bias") + _number(sensor, f"noise_{axis}_stddev") * rng.standard_normal()
        for axis, value in (("lat", latitude), ("lon", longitude), ("alt", place.z))
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
