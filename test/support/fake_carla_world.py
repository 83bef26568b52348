"""A CARLA world without a server, for the leaderboard's own classes: one vehicle on a prescribed circle, and its sensors.

Geometry, map and controls are those of CARLA's package; only what a server would compute is computed here. Stamps are those that a
server sends: float32(0.05) per tick.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import carla
import numpy as np

TICK_S = float(np.float32(0.05))
EARTH_RADIUS_M = 6378137.0
AXLE_M = 1.649
"""From the rear axle to the vehicle's origin."""


class Image(SimpleNamespace):
    """Pixels of one tick."""


class LidarMeasurement(SimpleNamespace):
    """Points of one tick."""


class RadarMeasurement(SimpleNamespace):
    """Unused."""


class GnssMeasurement(SimpleNamespace):
    """Position of one tick."""


class IMUMeasurement(SimpleNamespace):
    """Inertial values of one tick."""


MEASUREMENTS = (Image, LidarMeasurement, RadarMeasurement, GnssMeasurement, IMUMeasurement)


class Circle:
    """Motion of a vehicle's rear axle to the left on a circle, in CARLA's left-handed world; it starts heading along +x."""

    def __init__(self, radius_m: float, speed_mps: float) -> None:
        self.radius_m, self.speed_mps = radius_m, speed_mps

    def yaw_rad(self, time_s: float) -> float:
        return -self.speed_mps / self.radius_m * time_s

    def transform(self, time_s: float) -> carla.Transform:
        """Of the vehicle's origin, ahead of the axle."""
        yaw = self.yaw_rad(time_s)
        x, y = -self.radius_m * math.sin(yaw), -self.radius_m * (1.0 - math.cos(yaw))
        place = carla.Location(x=x + AXLE_M * math.cos(yaw), y=y + AXLE_M * math.sin(yaw))
        return carla.Transform(place, carla.Rotation(yaw=math.degrees(yaw)))


class Vehicle:
    """The ego: moves by itself and keeps the controls that it receives."""

    id, type_id = 1, "vehicle.lincoln.mkz_2020"

    def __init__(self, world: World, motion: Circle) -> None:
        self._world, self._motion = world, motion
        self.controls: list[carla.VehicleControl] = []
        self.attributes = {"role_name": "hero"}
        self.is_alive = True

    def get_transform(self) -> carla.Transform:
        return self._motion.transform(self._world.time_s)

    def get_location(self) -> carla.Location:
        return self.get_transform().location

    def get_velocity(self) -> carla.Vector3D:
        yaw, speed = self._motion.yaw_rad(self._world.time_s), self._motion.speed_mps
        across = -speed / self._motion.radius_m * AXLE_M  # of the origin, to the right
        return carla.Vector3D(
            speed * math.cos(yaw) - across * math.sin(yaw), speed * math.sin(yaw) + across * math.cos(yaw), 0.0
        )

    def apply_control(self, control: carla.VehicleControl) -> None:
        self.controls.append(control)


class Sensor:
    """Sensor that calls back at every tick."""

    def __init__(self, world: World, kind: str, attributes: dict[str, str], mount: carla.Transform) -> None:
        self._world, self._kind, self._attributes, self._mount = world, kind, attributes, mount
        self._callback: Any = None
        self.type_id = kind

    def listen(self, callback: Any) -> None:
        self._callback = callback

    def stop(self) -> None:
        self._callback = None

    def destroy(self) -> None:
        self._callback = None

    def send(self) -> None:
        """Send the value of the present tick."""
        if self._callback is not None:
            self._callback(getattr(self, "_" + self._kind.split(".")[-1])())

    def _rgb(self) -> Image:
        width, height = int(self._attributes["image_size_x"]), int(self._attributes["image_size_y"])
        pixels = np.full((height, width, 4), (120, 110, 100, 255), np.uint8)
        return Image(frame=self._world.frame, width=width, height=height, raw_data=pixels.tobytes())

    def _ray_cast(self) -> LidarMeasurement:
        """Half a sweep of the ground, the left and the right half in turn."""
        side = 1.0 if self._world.frame % 2 else -1.0
        angle, distance = np.meshgrid(np.radians(np.arange(1.0, 180.0)), np.arange(5.0, 60.0, 1.5))
        ground = np.full_like(angle, -self._mount.location.z)
        xyzi = np.stack([distance * np.cos(angle), side * distance * np.sin(angle), ground, ground], axis=-1)
        return LidarMeasurement(frame=self._world.frame, raw_data=xyzi.astype(np.float32).tobytes())

    def _gnss(self) -> GnssMeasurement:
        """Position of the mount on the equator, where CARLA's projection is that of a small sphere."""
        vehicle = self._world.vehicle.get_transform()
        place = vehicle.transform(carla.Location(self._mount.location.x, self._mount.location.y, 0.0))
        degrees = 180.0 / (math.pi * EARTH_RADIUS_M)
        noise = self._world.random.normal(0.0, 5e-6, 2)
        return GnssMeasurement(
            frame=self._world.frame,
            latitude=-place.y * degrees + noise[0],
            longitude=place.x * degrees + noise[1],
            altitude=0.0,
        )

    def _imu(self) -> IMUMeasurement:
        motion = self._world.motion
        yaw = motion.yaw_rad(self._world.time_s)
        lateral, rate = -(motion.speed_mps**2) / motion.radius_m, -motion.speed_mps / motion.radius_m
        return IMUMeasurement(
            frame=self._world.frame,
            accelerometer=carla.Vector3D(0.0, lateral, 9.81),
            gyroscope=carla.Vector3D(0.0, 0.0, rate),
            compass=(math.pi / 2.0 + yaw) % (2.0 * math.pi),
        )


class World:
    """The world: time, one vehicle, its sensors."""

    def __init__(self, town: carla.Map, motion: Circle) -> None:
        self.frame, self.time_s = 0, 0.0
        self.random = np.random.default_rng(7)
        self.motion, self._town = motion, town
        self.vehicle = Vehicle(self, motion)
        self._sensors: list[Sensor] = []

    def tick(self, _timeout_s: float = 10.0) -> int:
        self.frame += 1
        self.time_s = self.frame * TICK_S
        for sensor in self._sensors:
            sensor.send()
        return self.frame

    def get_snapshot(self) -> SimpleNamespace:
        stamp = SimpleNamespace(
            frame=self.frame, elapsed_seconds=self.time_s, delta_seconds=TICK_S, platform_timestamp=self.time_s
        )
        return SimpleNamespace(frame=self.frame, timestamp=stamp)

    def get_settings(self) -> carla.WorldSettings:
        return carla.WorldSettings(synchronous_mode=True, fixed_delta_seconds=0.05)

    def get_map(self) -> carla.Map:
        return self._town

    def get_spectator(self) -> SimpleNamespace:
        return SimpleNamespace(set_transform=lambda _transform: None)

    def get_blueprint_library(self) -> SimpleNamespace:
        return SimpleNamespace(find=_Blueprint)

    def spawn_actor(self, blueprint: _Blueprint, mount: carla.Transform, _parent: Any) -> Sensor:
        self._sensors.append(Sensor(self, blueprint.kind, blueprint.attributes, mount))
        return self._sensors[-1]


class _Blueprint:
    def __init__(self, kind: str) -> None:
        self.kind, self.attributes = kind, {}

    def set_attribute(self, name: str, value: str) -> None:
        self.attributes[name] = value
