"""The server over sockets: calls, streams, episodes, and clients that misbehave."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import msgpack
import numpy as np
import pytest
from carla_wire import CAMERA, COLLISION, EGO, LIDAR, Wire, receive, small_town, started, subscribe

from transdiffuser_planner.integrations.carla_server.calls.names import UNANSWERED, WITHOUT_EFFECT
from transdiffuser_planner.integrations.carla_server.calls.table import CALLS
from transdiffuser_planner.integrations.carla_server.server import CarlaServer
from transdiffuser_planner.integrations.carla_server.world.town import Town

SYNCHRONOUS = [True, False, [True, 0.05], True, 0.01, 10, 0.0, True, 3000.0, 2000.0, True]
PLACE = [[-60.0, 1.75, 0.3], [0.0, 0.0, 0.0]]


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Town:
    pytest.importorskip("sumolib")
    return small_town(tmp_path_factory.mktemp("maps"))


def served(town: Town, session: Callable[[CarlaServer, Wire], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await started(town)
        try:
            wire = await Wire.open(server.port)
            await wire.value("set_episode_settings", SYNCHRONOUS)
            await session(server, wire)
        finally:
            await server.close()

    with ThreadPoolExecutor(max_workers=1) as own_thread:  # a browser of other tests may have a loop in this one
        own_thread.submit(asyncio.run, run()).result()


async def spawn(wire: Wire, name: str, place=PLACE, parent: int = 0, **attributes: str) -> list:
    description = [0, name, [[key, 4, text] for key, text in attributes.items()]]
    if parent:
        return await wire.value("spawn_actor_with_parent", description, place, parent, 0, "")
    return await wire.value("spawn_actor", description, place)


def test_a_car_is_spawned_driven_seen_and_destroyed(town: Town) -> None:
    async def session(server: CarlaServer, wire: Wire) -> None:
        assert await wire.value("version") == "0.9.16"
        episode, (token,) = await wire.value("get_episode_info")
        stream, port = struct.unpack("<IH", token[:6])
        snapshots, _ = await subscribe(port, stream)
        car = (await spawn(wire, EGO, role_name="hero"))[0]
        origin = [[1.2, 0.0, 1.6], [0.0, 0.0, 0.0]]
        camera = await spawn(wire, CAMERA, origin, car, image_size_x="64", image_size_y="32", fov="90")
        lidar = await spawn(wire, LIDAR, origin, car, channels="8", points_per_second="16000", range="50")
        images, _ = await subscribe(port, struct.unpack("<I", camera[5][:4])[0])
        clouds, _ = await subscribe(port, struct.unpack("<I", lidar[5][:4])[0])
        while not all(server.world.hub.has_subscribers(n) for n in (1, 2, 3)):
            await asyncio.sleep(0.01)
        await wire.raw("apply_control_to_vehicle", car, [1.0, 0.0, 0.0, False, False, False, 0])
        for _ in range(40):
            frame = await wire.value("tick_cue")
        kind, seen, data = await receive(snapshots)
        assert kind == 17 and struct.unpack("<Q", data[:8])[0] == episode and (len(data) - 36) % 119 == 0
        kind, seen, data = await receive(images)
        width, height, fov = struct.unpack("<2If", data[:12])
        assert (kind, width, height, fov) == (13, 64, 32, 90.0) and seen <= frame
        pixels = np.frombuffer(data[12:], np.uint8).reshape(32, 64, 4)
        assert pixels[:4].mean() > pixels[-4:, 24:40].mean()  # sky is brighter than asphalt
        kind, _, data = await receive(clouds)
        _, channels = struct.unpack("<fI", data[:8])
        counts = np.frombuffer(data[8 : 8 + 4 * channels], np.uint32)
        points = np.frombuffer(data[8 + 4 * channels :], np.float32).reshape(-1, 4)
        assert (kind, channels, counts.sum()) == (11, 8, len(points)) and len(points) > 50
        assert points[:, 2].min() == pytest.approx(-1.6, abs=0.2)  # the ground, below the sensor
        assert np.all(points[:, 1] > -0.1)  # the first half of its clockwise turn: all to the right
        moved = server.world.actors.get(car).transform
        assert moved.x > -55.0 and moved.y == pytest.approx(1.75, abs=0.05) and moved.z == 0.0
        assert await wire.value("destroy_actor", car) is True
        assert [row[0] for row in await wire.value("get_actors_by_id", [car, camera[0], 1])] == [1]

    served(town, session)


def test_a_crash_stops_the_car_and_is_reported(town: Town) -> None:
    async def session(server: CarlaServer, wire: Wire) -> None:
        car = (await spawn(wire, EGO))[0]
        sensor = await spawn(wire, COLLISION, [[0.0] * 3, [0.0] * 3], car)
        other = (await spawn(wire, "vehicle.tesla.model3", [[-45.0, 1.75, 0.3], [0.0, 0.0, 0.0]]))[0]
        hits, _ = await subscribe(server.world.port, sensor[5][0])
        while not server.world.hub.has_subscribers(sensor[5][0]):
            await asyncio.sleep(0.01)
        await wire.raw("apply_control_to_vehicle", car, [1.0, 0.0, 0.0, False, False, False, 0])
        for _ in range(80):
            await wire.value("tick_cue")
        kind, _, data = await receive(hits)
        own, hit, impulse = msgpack.unpackb(data)
        assert (kind, own[0], hit[0]) == (0, car, other) and impulse[0] < -1000.0
        gap = server.world.actors.get(other).transform.x - server.world.actors.get(car).transform.x
        assert 4.7 < gap < 5.8
        assert "collision" in await wire.refusal("spawn_actor", [0, EGO, []], [[-45.0, 1.75, 0.3], [0.0] * 3])

    served(town, session)


def test_lights_follow_their_program_and_the_client(town: Town) -> None:
    async def session(server: CarlaServer, wire: Wire) -> None:
        heads = server.world.lights.heads
        assert {head.end.sign_id for head in heads.values()} == {"901", "902", "903"}
        seen: dict[int, set[int]] = {number: set() for number in heads}
        for _ in range(20 * 50):
            server.world.lights.step(0.05)
            for number, head in heads.items():
                seen[number].add(head.state)
        assert all(states == {0, 1, 2} for states in seen.values())
        first = min(heads)
        assert len(await wire.value("get_group_traffic_lights", first)) == len(heads)
        await wire.raw("set_traffic_light_state", first, 2)
        server.world.lights.step(100.0)
        assert heads[first].state == 2
        west = next(head for head in heads.values() if head.end.sign_id == "901")
        car = (await spawn(wire, EGO, [[west.end.x_m - 6.0, -west.end.y_m, 0.3], [0.0] * 3]))[0]
        server.world.lights.force(west.actor.actor_id, 0)
        await wire.value("tick_cue")
        detail = server.world.actors.get(car).detail
        assert struct.unpack("<B?I", detail[23:29]) == (0, True, west.actor.actor_id)

    served(town, session)


def test_batches_report_each_command(town: Town) -> None:
    async def session(_: CarlaServer, wire: Wire) -> None:
        followed = [[[14, [0, False]]]]
        commands = [
            [[0, [[0, EGO, []], PLACE, [False], 0, "", followed]]],
            [[0, [[0, EGO, []], PLACE, [False], 0, "", []]]],
            [[1, [999_999]]],
            [[77, [1]]],
            "x",
        ]
        error, results = await wire.raw("apply_batch", commands, True)
        assert error is None and [row[0][0] for row in results] == [1, 0, 0, 0, 0]
        assert "collision" in results[1][0][1][0] and "unable to find actor" in results[2][0][1][0]

    served(town, session)


def test_a_new_episode_drops_actors_and_keeps_numbers_unique(town: Town) -> None:
    async def session(server: CarlaServer, wire: Wire) -> None:
        car = (await spawn(wire, EGO))[0]
        episode = (await wire.value("get_episode_info"))[0]
        await wire.raw("load_new_episode", "three_arms", False, 0)
        assert (await wire.value("get_episode_info"))[0] == episode + 1
        assert await wire.value("get_actors_by_id", [car]) == [] and server.world.settings.synchronous
        assert (await spawn(wire, EGO))[0] > car
        refused = await wire.raw("load_new_episode", "/etc/passwd", False, 0)
        assert refused[1][0][0] is True and "not found" in refused[1][0][1][0]

    served(town, session)


def test_what_is_not_answered_says_so_by_name(town: Town) -> None:
    async def session(_: CarlaServer, wire: Wire) -> None:
        for name in UNANSWERED:
            assert name in await wire.refusal(name)
        for name in WITHOUT_EFFECT:
            assert await wire.raw(name, 1, 2) == [None, [[False]]]
        assert "launch_rockets" in await wire.refusal("launch_rockets")
        assert "sensor.camera.dvs" in await wire.refusal("spawn_actor", [0, "sensor.camera.dvs", []], PLACE)

    served(town, session)


def test_wrong_arguments_of_every_call_are_refused_and_the_world_stays_sane(town: Town) -> None:
    values = [None, -1, 1e308, float("nan"), float("inf"), "x", [], [[]], {"a": 1}, b"\x00", True, [1, 2, 3], 2**63]

    async def session(server: CarlaServer, wire: Wire) -> None:
        car = (await spawn(wire, EGO))[0]
        draw = random.Random(1)
        for name in sorted(set(CALLS) - {"load_new_episode", "tick_cue"}):
            for count in range(4):
                arguments = [draw.choice([*values, car]) for _ in range(count)]
                error, result = await wire.raw(name, *arguments)
                assert error is None or isinstance(error, str), (name, arguments, result)
        await wire.value("set_episode_settings", SYNCHRONOUS)
        await wire.value("tick_cue")
        assert all(np.isfinite(actor.transform.six).all() for actor in server.world.actors)

    served(town, session)


def test_garbage_on_both_ports_ends_its_own_connection_only(town: Town) -> None:
    async def session(server: CarlaServer, wire: Wire) -> None:
        draw = random.Random(2)
        for attempt in range(40):
            for port in (server.port, server.world.port):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(draw.randbytes(draw.choice([0, 1, 3, 4, 200])))
                writer.write(msgpack.packb([0, attempt, "tick_cue", [[False]]])[: draw.randrange(1, 12)])
                writer.close()
        writers = [(await asyncio.open_connection("127.0.0.1", server.port))[1] for _ in range(5)]
        writers[0].write(b"\xc1" * 100)
        assert await wire.value("version") == "0.9.16"
        for writer in writers:
            writer.close()

    served(town, session)


def test_a_client_that_leaves_in_the_middle_leaves_its_actors_and_no_subscription(town: Town) -> None:
    async def session(server: CarlaServer, wire: Wire) -> None:
        other = await Wire.open(server.port)
        car = (await spawn(other, EGO))[0]
        _, writer = await subscribe(server.world.port, 1)
        while not server.world.hub.has_subscribers(1):
            await asyncio.sleep(0.01)
        writer.close()
        other.writer.close()
        while server.world.hub.has_subscribers(1):
            await asyncio.sleep(0.01)
        assert (await wire.value("get_actors_by_id", [car]))[0][0] == car
        await wire.value("tick_cue")

    served(town, session)
