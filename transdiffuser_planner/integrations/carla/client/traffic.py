"""Other road users, driven by CARLA's Traffic Manager, which lives in this process and steps with its ticks."""

from __future__ import annotations

import random
from typing import Any

from transdiffuser_planner.integrations.carla.client.connection import Connection

PORT = 8000
_MIN_DISTANCE_M = 12.0
_GAP_M = 2.5


def spawn_traffic(connection: Connection, ego: Any, num_vehicles: int, seed: int, port: int = PORT) -> int:
    """Spawn vehicles at random spawn points and let the Traffic Manager drive them.

    Args:
        connection: To the server, in synchronous mode.
        ego: carla.Vehicle; no vehicle is put near it.
        num_vehicles: Number wanted.
        seed: Of places, kinds and of the Traffic Manager.
        port: Of the Traffic Manager.

    Returns:
        Number of vehicles, fewer where places are occupied.
    """
    if num_vehicles < 1:
        return 0
    manager = connection.client.get_trafficmanager(port)
    connection.traffic_manager = manager
    manager.set_synchronous_mode(True)
    manager.set_random_device_seed(seed)
    manager.set_global_distance_to_leading_vehicle(_GAP_M)
    draw = random.Random(seed)
    here = ego.get_transform().location
    places = [p for p in connection.town.get_spawn_points() if p.location.distance(here) > _MIN_DISTANCE_M]
    draw.shuffle(places)
    kinds = [kind for kind in connection.world.get_blueprint_library().filter("vehicle.*") if _has_four_wheels(kind)]
    kinds.sort(key=lambda kind: kind.id)
    num = 0
    for place in places:
        if num == num_vehicles or not kinds:
            break
        kind = draw.choice(kinds)
        kind.set_attribute("role_name", "autopilot")
        vehicle = connection.world.try_spawn_actor(kind, place)
        if vehicle is not None:
            connection.actors.append(vehicle)
            vehicle.set_autopilot(True, port)
            num += 1
    return num


def _has_four_wheels(blueprint: Any) -> bool:
    return not blueprint.has_attribute("number_of_wheels") or int(blueprint.get_attribute("number_of_wheels")) == 4
