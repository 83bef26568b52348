"""All calls of CARLA 0.9.16's client: answered ones, and the names of those that are not."""

from __future__ import annotations

import logging

from transdiffuser_planner.integrations.carla_server.calls.actor_calls import actors
from transdiffuser_planner.integrations.carla_server.calls.episode_calls import episode
from transdiffuser_planner.integrations.carla_server.calls.light_calls import lights
from transdiffuser_planner.integrations.carla_server.calls.names import UNANSWERED, WITHOUT_EFFECT
from transdiffuser_planner.integrations.carla_server.calls.registry import Call, Form
from transdiffuser_planner.integrations.carla_server.calls.scenery_calls import scenery
from transdiffuser_planner.integrations.carla_server.calls.vehicle_calls import vehicles
from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.protocol.messages import (
    CallError,
    Request,
    error_result,
    reply,
    unknown_method,
    void_result,
)

CALLS: dict[str, Call] = {**episode.calls, **actors.calls, **vehicles.calls, **lights.calls, **scenery.calls}
_LOG = logging.getLogger(__name__)
_logged: set[str] = set()


def answer(world: World, request: Request) -> bytes:
    """Return the bytes of the reply to a request.

    Args:
        world: Of the server.
        request: Of a client.
    """
    name = request.method
    call = CALLS.get(name)
    if call is not None:
        return _answered(call, world, request)
    if name in WITHOUT_EFFECT:
        if name not in _logged:
            _logged.add(name)
            _LOG.warning("%s: has no effect in this simulator (docs/how-to/carla-server.md)", name)
        return reply(request.number, void_result())
    text = f"{name[:80]}: not answered by this server (docs/how-to/carla-server.md)"
    if name in UNANSWERED:
        return reply(request.number, error_result(text, has_value=True))
    return unknown_method(request.number, text)


def _answered(call: Call, world: World, request: Request) -> bytes:
    """Return the reply of a call; a fault of this server is one, too, with its stack in the server's log."""
    name = request.method
    try:
        return reply(request.number, call.answer(name, world, request.arguments))
    except CallError as error:
        text = str(error)
    except Exception as error:  # one client's request must not end the server of all
        _LOG.exception("%s failed", name)
        text = f"{name}: failed in the server ({type(error).__name__}); its log has more"
    if call.form is Form.BARE:
        return unknown_method(request.number, text)
    return reply(request.number, error_result(text, has_value=call.form is Form.VALUE))
