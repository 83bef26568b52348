"""Starting the server from the command line."""

from __future__ import annotations

import asyncio
import signal

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.simulation.scenario import draw_map


def serve_until_interrupted(map_name: str | None, seed: int, port: int, host: str, num_ambient: int) -> None:
    """Load the map, open the ports, serve, and end on an interrupt or termination without a traceback.

    Args:
        map_name: Of a scenario; None for that of the seed.
        seed: Of map and noise.
        port: Of RPC; the streams have the next one.
        host: Address to listen at.
        num_ambient: Road users of the server's own traffic, about.

    Raises:
        PlannerError: msgpack is missing, the map is unknown, or the ports are in use.
    """
    try:
        import msgpack  # noqa: F401
    except ImportError:
        raise PlannerError(
            "--carla-port: msgpack is missing; pip install transdiffuser_planner[carla-server]"
        ) from None
    from transdiffuser_planner.integrations.carla_server.server import CarlaServer
    from transdiffuser_planner.integrations.carla_server.world.town import Town

    town = Town(map_name or draw_map(seed))
    asyncio.run(_serve(CarlaServer(town, port, host, seed, num_ambient), town.name))


async def _serve(server: object, name: str) -> None:
    from transdiffuser_planner.integrations.carla_server.server import CarlaServer

    assert isinstance(server, CarlaServer)
    await server.start()
    print(f"CARLA 0.9.16 at port {server.port}, map {name}; end with Ctrl-C", flush=True)
    task = asyncio.ensure_future(server.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass
    finally:
        await server.close()
