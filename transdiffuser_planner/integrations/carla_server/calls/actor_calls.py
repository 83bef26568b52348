"""Calls about actors: spawning, destroying, moving, batches."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.integrations.carla_server.calls.names import WITHOUT_EFFECT
from transdiffuser_planner.integrations.carla_server.calls.registry import Registry, flag
from transdiffuser_planner.integrations.carla_server.calls.vehicle_calls import vehicles
from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world.blueprints import parse_description
from transdiffuser_planner.integrations.carla_server.world.frames import Transform, number, transform, vector
from transdiffuser_planner.integrations.carla_server.world.walkers import WalkerControl

actors = Registry()
MAX_COMMANDS, MAX_DEPTH = 10_000, 3
MAX_WALKER_MPS = 15.0


@actors.value
def spawn_actor(world: World, description: Any, place: Any) -> list[Any]:
    """Spawn an actor at a world pose."""
    return world.spawn(parse_description(description), transform(place, "spawn_actor")).packed()


@actors.value
def spawn_actor_with_parent(
    world: World, description: Any, place: Any, parent: Any, _attachment: Any = 0, _socket: Any = ""
) -> list[Any]:
    """Spawn an actor that another carries; every attachment is rigid."""
    carrier = world.actors.get(parent)
    return world.spawn(parse_description(description), transform(place, "spawn_actor"), carrier).packed()


@actors.value
def destroy_actor(world: World, actor: Any) -> bool:
    """Destroy an actor; lights, spectator and the server's own traffic stay."""
    found = world.actors.get(actor)
    if found.is_kind("traffic") or found.type_id == "spectator" or found.is_ambient:
        return False
    world.destroy(found)
    return True


@actors.value
def get_actors_by_id(world: World, numbers: Any) -> list[Any]:
    """Descriptions of actors; what is gone is left out.

    Raises:
        CallError: The arguments are malformed.
    """
    if not isinstance(numbers, list):
        raise CallError("get_actors_by_id: expected a list of numbers")
    found = (world.actors.find(item) for item in numbers if isinstance(item, int))
    return [actor.packed() for actor in found if actor is not None]


@actors.value
def get_actor_bounding_box(world: World, actor: Any) -> list[Any]:
    """Box of an actor; empty of one that is gone.

    The client's Traffic Manager asks for actors of the last snapshot in a thread of its own, and an error there ends the client.
    """
    found = world.actors.find(actor) if isinstance(actor, int) else None
    return [[0.0] * 3, [0.0] * 3, [0.0] * 3, 0] if found is None else found.bounding_box()


@actors.void
def set_actor_location(world: World, actor: Any, location: Any) -> None:
    """Move an actor; its rotation stays."""
    found = world.actors.get(actor)
    now = found.transform if found.parent is None else found.relative
    world.place(found, Transform(*vector(location, "set_actor_location"), now.pitch, now.yaw, now.roll))


@actors.void
def set_actor_transform(world: World, actor: Any, place: Any) -> None:
    """Move an actor."""
    world.place(world.actors.get(actor), transform(place, "set_actor_transform"))


@actors.void
def set_actor_simulate_physics(world: World, actor: Any, enabled: Any) -> None:
    """Let physics move an actor, or not."""
    found = world.actors.get(actor)
    found.has_physics = flag(enabled, "set_actor_simulate_physics")
    if found.actor_id in world.motions:
        world.motions[found.actor_id].stop()
    found.velocity = found.acceleration = found.turn_degps = (0.0, 0.0, 0.0)


@actors.void
def set_actor_enable_gravity(world: World, actor: Any, enabled: Any) -> None:
    """Keep a walker on the ground, or not; vehicles with physics always are."""
    world.actors.get(actor).has_gravity = flag(enabled, "set_actor_enable_gravity")


@actors.void
def set_actor_collisions(world: World, actor: Any, enabled: Any) -> None:
    """Let an actor be hit, or not."""
    world.actors.get(actor).has_collisions = flag(enabled, "set_actor_collisions")


@actors.void
def set_actor_dead(world: World, actor: Any) -> None:
    """Stop an actor for good."""
    found = world.actors.get(actor)
    found.has_physics = False
    found.velocity = (0.0, 0.0, 0.0)


@actors.void
def apply_control_to_walker(world: World, actor: Any, control: Any) -> None:
    """Set what a walker does: direction, speed, jump.

    Raises:
        CallError: The arguments are malformed.
    """
    found = world.actors.get(actor, "walker.")
    if not isinstance(control, list) or len(control) != 3:
        raise CallError("apply_control_to_walker: expected direction, speed and jump")
    world.walks[found.actor_id] = WalkerControl(
        direction=vector(control[0], "direction"),
        speed_mps=number(control[1], "speed", -MAX_WALKER_MPS, MAX_WALKER_MPS),
        is_jumping=flag(control[2], "jump"),
    )


@actors.void
def apply_walker_state(world: World, actor: Any, place: Any, speed: Any) -> None:
    """Put a walker somewhere and show its speed."""
    found = world.actors.get(actor, "walker.")
    world.place(found, transform(place, "ApplyWalkerState"))
    ahead = found.transform.rotation()[:, 0] * number(speed, "speed", -MAX_WALKER_MPS, MAX_WALKER_MPS)
    found.velocity = (float(ahead[0]), float(ahead[1]), float(ahead[2]))


@actors.bare
def apply_batch(world: World, commands: Any, do_tick: Any = False) -> list[Any]:
    """Carry out commands one after another and tick if requested; the reply has one entry a command.

    Raises:
        CallError: The arguments are malformed.
    """
    if not isinstance(commands, list) or len(commands) > MAX_COMMANDS:
        raise CallError(f"apply_batch: expected a list of at most {MAX_COMMANDS} commands")
    results = [[_command(world, item, 0)] for item in commands]
    if flag(do_tick, "do_tick_cue"):
        world.tick()
    return results


def _command(world: World, item: Any, depth: int, future: int = 0) -> list[Any]:
    """Carry out one command; ``[[variant, arguments]]`` as msgpack has a struct with one boost::variant.

    Raises:
        CallError: The arguments are malformed.
    """
    try:
        if not isinstance(item, list) or len(item) != 1 or not isinstance(item[0], list) or len(item[0]) != 2:
            raise CallError("apply_batch: malformed command")
        kind, arguments = item[0]
        if not isinstance(arguments, list) or not arguments:
            raise CallError("apply_batch: malformed command")
        if kind == 0:
            return [1, _spawn(world, arguments, depth)]
        if isinstance(arguments[0], int) and arguments[0] == 0 and future:
            arguments = [future, *arguments[1:]]  # carla.command.FutureActor
        name = COMMANDS.get(kind, "") if isinstance(kind, int) else ""
        if name in WITHOUT_EFFECT:
            return [1, world.actors.get(arguments[0]).actor_id]
        call = actors.calls.get(name) or vehicles.calls.get(name)
        if call is None:
            raise CallError(f"apply_batch: command {str(kind)[:20]} is unknown")
        if not call.fewest <= len(arguments) <= call.most:
            raise CallError(f"apply_batch: {name}: expected {call.fewest} arguments")
        call.handler(world, *arguments)
        return [1, int(arguments[0])]
    except CallError as error:
        return [0, [str(error)]]


COMMANDS = {
    1: "destroy_actor",
    2: "apply_control_to_vehicle",
    3: "apply_ackermann_control_to_vehicle",
    4: "apply_control_to_walker",
    5: "apply_physics_control",
    6: "set_actor_transform",
    7: "apply_walker_state",
    8: "set_actor_target_velocity",
    9: "set_actor_target_angular_velocity",
    10: "add_actor_impulse",
    11: "add_actor_force",
    12: "add_actor_angular_impulse",
    13: "add_actor_torque",
    14: "set_actor_simulate_physics",
    15: "set_actor_enable_gravity",
    16: "set_actor_autopilot",
    17: "show_vehicle_debug_telemetry",
    18: "set_vehicle_light_state",
}
"""Calls by the index of the command in LibCarla's variant."""


def _spawn(world: World, arguments: list[Any], depth: int) -> int:
    """Spawn by a command and carry out what follows it; return the actor's number.

    Raises:
        CallError: The command is malformed, or there is no room.
    """
    if len(arguments) < 4 or depth > MAX_DEPTH:
        raise CallError("apply_batch: malformed SpawnActor")
    description, place, parent = arguments[:3]
    carrier = None
    if isinstance(parent, list) and len(parent) == 2 and parent[0] is True:
        carrier = world.actors.get(parent[1])
    actor = world.spawn(parse_description(description), transform(place, "SpawnActor"), carrier)
    for item in arguments[-1] if isinstance(arguments[-1], list) else []:
        _command(world, item, depth + 1, actor.actor_id)
    return actor.actor_id
