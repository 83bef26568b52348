"""Makes vehicle and sensors in a server started with `--ros2`, ticks it in real time, and publishes what it does not.

Planner and tracker are nodes of their own: `transdiffuser plan --preset carla_native`, `transdiffuser track --preset carla_native`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import Mount
from transdiffuser_planner.integrations.carla import frames
from transdiffuser_planner.integrations.carla.client import ego as ego_vehicle
from transdiffuser_planner.integrations.carla.client.choose_route import choose_route
from transdiffuser_planner.integrations.carla.client.connection import TICK_S, Connection, carla_package
from transdiffuser_planner.integrations.carla.client.drive import GOAL_M, DriveOptions
from transdiffuser_planner.integrations.carla.client.lights import WorldLights
from transdiffuser_planner.integrations.carla.client.traffic import spawn_traffic
from transdiffuser_planner.integrations.carla.map_reference import reference_of_town
from transdiffuser_planner.integrations.carla.native import native_names
from transdiffuser_planner.integrations.carla.native.native_names import NativeNames
from transdiffuser_planner.integrations.carla.native.native_odometry import NativeOdometry
from transdiffuser_planner.integrations.carla.route.road_limits import RoadLimits
from transdiffuser_planner.integrations.carla.route.route_guide import RouteGuide
from transdiffuser_planner.integrations.carla.sensor_setup import (
    Placement,
    cameras_of,
    lidar_attributes,
    placement_of,
)

_KMH = 3.6
_MAX_MPS = 70.0
SpinOnce = Callable[[], None]


def sensor_blueprints(options: DriveOptions, origin_m: float) -> list[tuple[str, str, dict[str, str], Placement]]:
    """Return (blueprint, name, attributes, mount) of every sensor of a rig, and of GNSS and IMU on the rear axle.

    Args:
        options: Its rig.
        origin_m: Distance of the vehicle's origin ahead of base_link.

    Raises:
        ConfigError: A camera is a window of CARLA's image, which the server does not cut.
    """
    found = []
    for camera in cameras_of(options.rig, origin_m):
        if (camera.left, camera.top) != (0, 0) or (camera.width, camera.height) != (
            camera.mount.width,
            camera.mount.height,
        ):
            raise ConfigError(
                f"rig camera '{camera.name}': its principal point is not in the middle of the image, which CARLA's own ROS 2 "
                f"interface publishes whole; use {camera.width}x{camera.height} pixels with cx {camera.width / 2:g} and cy "
                f"{camera.height / 2:g}, as the rig carla_native has"
            )
        size = {"image_size_x": str(camera.width), "image_size_y": str(camera.height), "fov": repr(camera.fov_deg)}
        found.append(("sensor.camera.rgb", camera.name, size, camera.placement))
    lidar = options.rig.lidar
    if lidar is not None:
        attributes = lidar_attributes(0.5 / TICK_S)
        found.append(("sensor.lidar.ray_cast", lidar.name, attributes, placement_of(lidar, origin_m)))
    axle = placement_of(Mount(), origin_m)
    found.append(("sensor.other.gnss", "gnss", {}, axle))
    found.append(("sensor.other.imu", "imu", {}, axle))
    return found


def run(
    options: DriveOptions, names: NativeNames, spin_of: Callable[[Any], SpinOnce], keep_on: Callable[[], bool]
) -> str:
    """Tick the world until the goal or until a stop is requested.

    Args:
        options: Server, vehicle, rig, route and traffic.
        names: Line of the server.
        spin_of: Returns a function that lets a node take its messages.
        keep_on: False ends the session.

    Returns:
        Reason that it ended.

    Raises:
        PlannerError: Server, map or vehicle cannot be used.
    """
    from transdiffuser_planner.integrations.carla.native.native_inputs_node import NativeInputsNode

    with Connection(options.host, options.port, options.town, options.timeout_s) as connection:
        town, limits = connection.town, RoadLimits(connection.town.to_opendrive())
        start, route = choose_route(
            town,
            limits.limit_of,
            seed=options.seed,
            length_m=options.length_m,
            start=options.start,
            goal=options.goal,
        )
        vehicle = ego_vehicle.spawn_vehicle(connection, options.vehicle, start, native_names.ROS_NAME)
        connection.tick()
        origin_m = ego_vehicle.origin_ahead_m(vehicle, options.rig.vehicle.center_offset_m)
        _spawn_sensors(connection, vehicle, options, origin_m)
        spawn_traffic(connection, vehicle, options.num_vehicles, options.seed, options.traffic_port)
        guide = RouteGuide(route, options.rig.vehicle.front_offset_m)
        node = NativeInputsNode(names, options.rig, guide, _odometry(town), native_names.ROS_NAME)
        try:
            return _tick_on(connection, vehicle, node, guide, spin_of(node), keep_on, options.duration_s)
        finally:
            node.destroy_node()


def _odometry(town: Any) -> NativeOdometry:
    """Odometry by the projection of CARLA's package, which is the server's."""
    local, is_0_9_16 = reference_of_town(town)
    return NativeOdometry(local, is_0_9_16=is_0_9_16)


def _spawn_sensors(connection: Connection, vehicle: Any, options: DriveOptions, origin_m: float) -> None:
    """Spawn all sensors and switch their topics on.

    Raises:
        ConfigError: The package has no ROS 2 interface.
    """
    carla = carla_package()
    library = connection.world.get_blueprint_library()
    for kind, name, attributes, placement in sensor_blueprints(options, origin_m):
        blueprint = library.find(kind)
        for key, value in {**attributes, "role_name": name, "ros_name": name, "ros_frame_id": name}.items():
            if blueprint.has_attribute(key):
                blueprint.set_attribute(key, value)
        mount = carla.Transform(
            carla.Location(placement.x, placement.y, placement.z),
            carla.Rotation(roll=placement.roll, pitch=placement.pitch, yaw=placement.yaw),
        )
        sensor = connection.world.spawn_actor(blueprint, mount, attach_to=vehicle)
        connection.actors.append(sensor)
        if not hasattr(sensor, "enable_for_ros"):
            raise ConfigError("this version of CARLA has no ROS 2 interface; use CARLA 0.9.16 or 0.10")
        sensor.enable_for_ros()


def _tick_on(
    connection: Connection,
    vehicle: Any,
    node: Any,
    guide: RouteGuide,
    spin_once: SpinOnce,
    keep_on: Callable[[], bool],
    duration_s: float,
) -> str:
    """Tick in real time and publish command, limit and signal of the route."""
    lights, due, first_s = WorldLights(connection.world), time.monotonic(), None
    while keep_on():
        snapshot = connection.tick()
        time_s = float(snapshot.timestamp.elapsed_seconds)
        first_s = time_s if first_s is None else first_s
        spin_once()
        stamp_ns = round(time_s * 1e9)
        if node.newest is None:  # before the first IMU message the route is followed by the server's truth
            guide.update(
                frames.ego_state(
                    vehicle.get_transform(),
                    vehicle.get_velocity(),
                    vehicle.get_angular_velocity(),
                    stamp_ns=stamp_ns,
                    origin_ahead_m=0.0,
                )
            )
        limit = float(vehicle.get_speed_limit()) / _KMH
        limit = limit if 0.0 < limit < _MAX_MPS else guide.speed_limit_mps
        node.publish_guide(stamp_ns, limit, guide.signal(lights.letter, stamp_ns))
        if guide.remaining_m < GOAL_M:
            return "goal"
        if time_s - first_s >= duration_s:
            return "time"
        due += TICK_S
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - TICK_S)  # a slow server is not caught up with
    return "interrupted"
