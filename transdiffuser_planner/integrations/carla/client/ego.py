"""The ego vehicle: its blueprint, its dimensions and controls as CARLA knows them, its sensors."""

from __future__ import annotations

import math
import queue
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError, SimulationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.carla.actuation import CarlaVehicle
from transdiffuser_planner.integrations.carla.client.connection import TICK_S, Connection, carla_package
from transdiffuser_planner.integrations.carla.sensor_setup import CarlaCamera, Placement, lidar_attributes, placement_of

ROLE_NAME = "hero"
_CENTIMETERS = 100.0
_MIN_WHEELBASE_M = 0.5


def spawn_vehicle(connection: Connection, blueprint: str, transform: Any, role_name: str = ROLE_NAME) -> Any:
    """Spawn the vehicle; returns carla.Vehicle.

    Args:
        connection: To the server.
        blueprint: Name of its blueprint.
        transform: carla.Transform of a spawn point.
        role_name: Its role.

    Raises:
        ConfigError: There is no such blueprint.
        SimulationError: The place is occupied.
    """
    library = connection.world.get_blueprint_library()
    try:
        found = library.find(blueprint)
    except (IndexError, RuntimeError):
        raise ConfigError(f"--vehicle {blueprint}: the server has no such blueprint") from None
    found.set_attribute("role_name", role_name)
    vehicle = connection.world.try_spawn_actor(found, transform)
    if vehicle is None:
        place = transform.location
        raise SimulationError(
            f"vehicle: the spawn point x {place.x:.1f} m, y {place.y:.1f} m is occupied; choose another with --from"
        )
    connection.actors.append(vehicle)
    return vehicle


def origin_ahead_m(vehicle: Any, default_m: float) -> float:
    """Return the distance of the vehicle's origin ahead of its rear axle.

    Args:
        vehicle: carla.Vehicle, after a tick.
        default_m: Where the server does not give the places of the wheels.
    """
    along = _wheels_ahead_m(vehicle)
    return default_m if along is None else -float(along[2:4].mean())


def _wheels_ahead_m(vehicle: Any) -> NDArray[np.float64] | None:
    """Place of the four wheels along the vehicle's axis, from its origin, m: front left, front right, rear left, rear right."""
    wheels = vehicle.get_physics_control().wheels
    if len(wheels) != 4:
        return None
    transform = vehicle.get_transform()
    ahead, place = transform.get_forward_vector(), transform.location
    along = np.asarray(
        [
            (wheel.position.x / _CENTIMETERS - place.x) * ahead.x
            + (wheel.position.y / _CENTIMETERS - place.y) * ahead.y
            for wheel in wheels
        ]
    )
    return along if along[:2].mean() - along[2:].mean() > _MIN_WHEELBASE_M else None


def dimensions(vehicle: Any, rig: Rig, origin_m: float) -> VehicleModel:
    """Return the vehicle's dimensions by its bounding box and wheels; limits are those of the rig.

    Args:
        vehicle: carla.Vehicle, after a tick.
        rig: Its vehicle has the limits, and the wheelbase where the server does not give the wheels.
        origin_m: Distance of the vehicle's origin ahead of its rear axle.
    """
    box, along = vehicle.bounding_box, _wheels_ahead_m(vehicle)
    length, width, height = (2.0 * float(value) for value in (box.extent.x, box.extent.y, box.extent.z))
    if min(length, width, height) <= 0.0:
        return rig.vehicle
    wheelbase = rig.vehicle.wheelbase_m if along is None else float(along[:2].mean() - along[2:].mean())
    rear = max(0.0, length / 2.0 - float(box.location.x) - origin_m)
    return replace(
        rig.vehicle,
        length_m=max(length, wheelbase + rear),
        width_m=width,
        height_m=height,
        wheelbase_m=wheelbase,
        rear_overhang_m=rear,
    )


def controls_of(vehicle: Any) -> CarlaVehicle:
    """Return the steering of the vehicle's physics; pedals are those of the default.

    Args:
        vehicle: carla.Vehicle.
    """
    physics = vehicle.get_physics_control()
    angles = [wheel.max_steer_angle for wheel in physics.wheels if wheel.max_steer_angle > 0.0]
    curve = tuple((float(point.x), float(point.y)) for point in physics.steering_curve)
    default = CarlaVehicle()
    is_curve = len(curve) > 0 and all(share > 0.0 for _speed, share in curve)
    return replace(
        default,
        max_steer_rad=math.radians(max(angles)) if angles else default.max_steer_rad,
        steering_curve=tuple(sorted(curve)) if is_curve else default.steering_curve,
    )


class Sensors:
    """Cameras and LiDAR of the ego; every tick has one value of each.

    Args:
        connection: To the server.
        vehicle: carla.Vehicle.
        cameras: The rig's cameras in CARLA.
        rig: Its LiDAR.
        origin_m: Distance of the vehicle's origin ahead of base_link.
    """

    def __init__(
        self, connection: Connection, vehicle: Any, cameras: tuple[CarlaCamera, ...], rig: Rig, origin_m: float
    ) -> None:
        self._connection, self._vehicle = connection, vehicle
        self._queues: dict[str, queue.Queue[Any]] = {}
        self.cameras = cameras
        self.actors: dict[str, Any] = {}
        """carla.Sensor by name."""
        for camera in cameras:
            size = {"image_size_x": str(camera.width), "image_size_y": str(camera.height), "fov": repr(camera.fov_deg)}
            self._spawn("sensor.camera.rgb", camera.name, size, camera.placement)
        if rig.lidar is not None:
            attributes = lidar_attributes(0.5 / TICK_S)
            self._spawn("sensor.lidar.ray_cast", rig.lidar.name, attributes, placement_of(rig.lidar, origin_m))
        self.lidar_name = None if rig.lidar is None else rig.lidar.name

    def _spawn(self, kind: str, name: str, attributes: dict[str, str], placement: Placement) -> None:
        carla = carla_package()
        blueprint = self._connection.world.get_blueprint_library().find(kind)
        for key, value in {**attributes, "role_name": name}.items():
            if blueprint.has_attribute(key):
                blueprint.set_attribute(key, value)
        mount = carla.Transform(
            carla.Location(placement.x, placement.y, placement.z),
            carla.Rotation(roll=placement.roll, pitch=placement.pitch, yaw=placement.yaw),
        )
        sensor = self._connection.world.spawn_actor(blueprint, mount, attach_to=self._vehicle)
        self._connection.actors.append(sensor)
        values: queue.Queue[Any] = queue.Queue()
        sensor.listen(values.put)
        self._queues[name], self.actors[name] = values, sensor

    def read(self, frame: int, timeout_s: float) -> dict[str, Any]:
        """Return the measurement of every sensor of a tick.

        Args:
            frame: Number of the tick.
            timeout_s: Longest time to wait for one of them.

        Raises:
            SimulationError: One did not arrive.
        """
        found = {}
        for name, values in self._queues.items():
            while True:
                try:
                    value = values.get(timeout=timeout_s)
                except queue.Empty:
                    raise SimulationError(
                        f"sensor '{name}' sent nothing for tick {frame} within {timeout_s:g} s"
                    ) from None
                if value.frame >= frame:
                    break
            found[name] = value
        return found
