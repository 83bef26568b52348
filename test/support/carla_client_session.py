"""A session of the real carla.Client against a server at a port; prints what it saw as JSON. A process of its own, because the
client keeps Python's lock while it waits."""

from __future__ import annotations

import json
import queue
import sys
import time
from typing import Any

import carla


def connected(port: int) -> tuple[carla.Client, carla.World]:
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(120.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    return client, world


def sensor(world, library, name: str, vehicle, seen: dict, place=None, **attributes):
    blueprint = library.find(name)
    for key, value in attributes.items():
        blueprint.set_attribute(key, str(value))
    actor = world.spawn_actor(blueprint, place or carla.Transform(carla.Location(z=2.0)), attach_to=vehicle)
    seen[name] = queue.Queue()
    actor.listen(seen[name].put)
    return actor


def first_after(frame: int, received) -> Any:
    """The first data of a sensor after a frame."""
    while (data := received.get(timeout=60.0)).frame <= frame:
        pass
    return data


def drive(world, library, vehicle) -> dict:
    seen: dict = {}
    sensors = [
        sensor(world, library, "sensor.camera.rgb", vehicle, seen, image_size_x=64, image_size_y=48),
        sensor(world, library, "sensor.camera.depth", vehicle, seen, image_size_x=32, image_size_y=24),
        sensor(world, library, "sensor.camera.semantic_segmentation", vehicle, seen, image_size_x=32, image_size_y=24),
        sensor(world, library, "sensor.lidar.ray_cast", vehicle, seen, channels=16, points_per_second=32000, range=50),
        sensor(world, library, "sensor.other.radar", vehicle, seen),
        sensor(world, library, "sensor.other.gnss", vehicle, seen, carla.Transform()),
        sensor(world, library, "sensor.other.imu", vehicle, seen, carla.Transform()),
        sensor(world, library, "sensor.other.lane_invasion", vehicle, seen),
    ]
    crossings = seen.pop("sensor.other.lane_invasion")
    deadline = time.monotonic() + 300.0
    while any(data.empty() for data in seen.values()):  # until the server has the subscriptions
        assert time.monotonic() < deadline, [name for name, data in seen.items() if data.empty()]
        before = world.tick()
    frames = []
    for _ in range(60):
        vehicle.apply_control(carla.VehicleControl(throttle=0.8, steer=-0.15))
        frames.append(world.tick())
    first = {name: first_after(before, data) for name, data in seen.items()}
    origin = world.get_map().transform_to_geolocation(carla.Location())
    cloud, gnss, imu = (first[n] for n in ("sensor.lidar.ray_cast", "sensor.other.gnss", "sensor.other.imu"))
    result = {
        "frames": frames,
        "same_frame": len({data.frame for data in first.values()}),
        "image": [first["sensor.camera.rgb"].width, len(bytes(first["sensor.camera.rgb"].raw_data))],
        "channels": cloud.channels,
        "points": len(cloud),
        "radar": first["sensor.other.radar"].get_detection_count(),
        "north_of_origin": gnss.latitude - origin.latitude,
        "up_mps2": imu.accelerometer.z,
        "speed": vehicle.get_velocity().length(),
        "control": vehicle.get_control().throttle,
        "limit": vehicle.get_speed_limit(),
        "invaded": crossings.qsize(),
        "destroyed": [actor.destroy() for actor in sensors],
    }
    return result


def lights(world) -> dict:
    heads = list(world.get_actors().filter("traffic.traffic_light*"))
    head = heads[0]
    head.set_state(carla.TrafficLightState.Green)
    world.tick()
    return {
        "count": len(heads),
        "green": head.state == carla.TrafficLightState.Green,
        "sign": head.get_opendrive_id(),
        "pole": head.get_pole_index(),
        "group": len(head.get_group_traffic_lights()),
        "lanes": len(head.get_affected_lane_waypoints()),
        "found": world.get_traffic_light_from_opendrive_id(head.get_opendrive_id()) is not None,
        "times": [head.get_green_time(), head.get_yellow_time()],
    }


def batches(client, world, library, points, vehicle) -> dict:
    command = carla.command
    answers = client.apply_batch_sync(
        [
            command.SpawnActor(library.find("vehicle.audi.tt"), points[-1]).then(
                command.SetSimulatePhysics(command.FutureActor, False)
            ),
            command.SetVehicleLightState(vehicle.id, carla.VehicleLightState.Brake),
            command.ApplyVehicleControl(vehicle.id, carla.VehicleControl(brake=1.0)),
            command.DestroyActor(987654),
        ],
        True,
    )
    return {
        "errors": [bool(answer.error) for answer in answers],
        "brake_light": vehicle.get_light_state() == carla.VehicleLightState.Brake,
        "braked": vehicle.get_control().brake,
    }


def main() -> None:
    client, world = connected(int(sys.argv[1]))
    library, town = world.get_blueprint_library(), world.get_map()
    points = town.get_spawn_points()
    blueprint = library.find("vehicle.lincoln.mkz_2020")
    blueprint.set_attribute("role_name", "hero")
    vehicle = world.spawn_actor(blueprint, points[0])
    world.tick()
    result = {
        "versions": [client.get_server_version(), client.get_client_version()],
        "map": town.name,
        "on_lane_m": [town.get_waypoint(p.location).transform.location.distance(p.location) for p in points],
        "hero": [a.attributes["role_name"] for a in world.get_actors().filter("vehicle.*")],
        "wheel_deg": vehicle.get_physics_control().wheels[0].max_steer_angle,
        "drive": drive(world, library, vehicle),
        "lights": lights(world),
        "batches": batches(client, world, library, points, vehicle),
    }
    world.set_weather(carla.WeatherParameters.HardRainNoon)
    result["rain"] = world.get_weather().precipitation
    episode = world.id
    world = client.reload_world(False)
    result["reloaded"] = [world.id != episode, len(world.get_actors().filter("vehicle.*")), world.get_map().name]
    try:
        client.load_world("Atlantis")
    except RuntimeError as error:
        result["unknown_map"] = str(error)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
