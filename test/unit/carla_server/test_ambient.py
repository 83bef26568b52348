"""The server's own traffic: SUMO's road users as actors that see the vehicles of clients."""

from __future__ import annotations

import math

import pytest
from carla_wire import EGO, small_town

from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.protocol.streams import StreamHub
from transdiffuser_planner.integrations.carla_server.world.blueprints import parse_description
from transdiffuser_planner.integrations.carla_server.world.collisions import blocking
from transdiffuser_planner.integrations.carla_server.world.frames import Transform


def test_traffic_moves_smoothly_and_stops_behind_a_parked_car_of_a_client(tmp_path) -> None:
    pytest.importorskip("libsumo")
    world = World(small_town(tmp_path), StreamHub(), port=0, seed=3, num_ambient=12)
    try:
        parked = None
        speeds, before = [], {}
        for tick in range(400):
            world.tick()
            ambient = [actor for actor in world.actors.of_kind("vehicle") if actor.is_ambient]
            for actor in ambient:
                place = actor.transform
                if actor.actor_id in before:
                    old = before[actor.actor_id]
                    moved = math.hypot(place.x - old.x, place.y - old.y)
                    assert moved < 1.5  # at 30 m/s; no jumps between SUMO's steps
                    speeds.append(moved / world.step_s)
            before = {actor.actor_id: actor.transform for actor in ambient}
            if tick == 20:
                parked = world.spawn(parse_description([0, EGO, []]), Transform(60.0, 1.75, 0.0), check_room=False)
        assert parked is not None and speeds and max(speeds) > 2.0
        roles = {actor.description.text("role_name") for actor in ambient}
        assert roles <= {"ambient"}
        assert not [other for other in blocking(parked, parked.transform, world.actors) if other.is_ambient]
    finally:
        world.close()
