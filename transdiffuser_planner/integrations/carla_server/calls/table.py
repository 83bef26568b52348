"""All calls of CARLA 0.9.16's client: answered ones, and the names of those that are not."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.integrations.carla_server.calls.actor_calls import actors
from transdiffuser_planner.integrations.carla_server.calls.episode_calls import episode
from transdiffuser_planner.integrations.carla_server.calls.light_calls import lights
from transdiffuser_planner.integrations.carla_server.calls.registry import Call
from transdiffuser_planner.integrations.carla_server.calls.vehicle_calls import vehicles
from transdiffuser_planner.integrations.carla_server.protocol.messages import (
    Request,
    error_result,
    reply,
    unknown_method,
)
from transdiffuser_planner.integrations.carla_server.world.world import World

CALLS: dict[str, Call] = {**episode.calls, **actors.calls, **vehicles.calls, **lights.calls}
UNANSWERED_VALUE: tuple[str, ...] = ()
UNANSWERED_VOID: tuple[str, ...] = ()


def answer(world: World, request: Request) -> bytes:
    """Return the bytes of the reply to a request.

    Args:
        world: Of the server.
        request: Of a client.
    """
    call = CALLS.get(request.method)
    if call is not None:
        return reply(request.number, call.answer(request.method, world, request.arguments))
    text = f"{request.method[:80]}: not answered by this server (docs/how-to/carla-server.md)"
    result: Any = None
    if request.method in UNANSWERED_VALUE:
        result = error_result(text, has_value=True)
    elif request.method in UNANSWERED_VOID:
        result = error_result(text, has_value=False)
    return unknown_method(request.number, text) if result is None else reply(request.number, result)
