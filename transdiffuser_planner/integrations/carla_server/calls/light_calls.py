"""Calls about traffic lights."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.integrations.carla_server.calls.registry import Registry, flag
from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.world.frames import number
from transdiffuser_planner.integrations.carla_server.world.lights import GREEN, HEIGHT_M, RED, YELLOW

lights = Registry()
MAX_LIGHT_S = 1e5


@lights.void
def set_traffic_light_state(world: World, light: Any, state: Any) -> None:
    """Show a state until the light is reset."""
    world.lights.force(light, state)


@lights.void
def set_traffic_light_green_time(world: World, light: Any, seconds: Any) -> None:
    """Set how long green lasts."""
    world.lights.set_time(light, GREEN, number(seconds, "green time", 0.0, MAX_LIGHT_S))


@lights.void
def set_traffic_light_yellow_time(world: World, light: Any, seconds: Any) -> None:
    """Set how long yellow lasts."""
    world.lights.set_time(light, YELLOW, number(seconds, "yellow time", 0.0, MAX_LIGHT_S))


@lights.void
def set_traffic_light_red_time(world: World, light: Any, seconds: Any) -> None:
    """Set how long all lights are red between two groups."""
    world.lights.set_time(light, RED, number(seconds, "red time", 0.0, MAX_LIGHT_S))


@lights.void
def freeze_traffic_light(world: World, light: Any, frozen: Any) -> None:
    """Stop or restart the program of a light."""
    world.lights.freeze(light, flag(frozen, "freeze"))


@lights.void
def freeze_all_traffic_lights(world: World, frozen: Any) -> None:
    """Stop or restart all programs."""
    world.lights.freeze_all(flag(frozen, "freeze"))


@lights.void
def reset_traffic_light_group(world: World, light: Any) -> None:
    """Restart the program of a junction."""
    world.lights.head(light)
    world.lights.reset(light)


@lights.void
def reset_all_traffic_lights(world: World) -> None:
    """Restart all programs."""
    world.lights.reset()


@lights.value
def get_group_traffic_lights(world: World, light: Any) -> list[int]:
    """All lights of a junction."""
    return [head.actor.actor_id for head in world.lights.group(light)]


@lights.value
def get_light_boxes(world: World, light: Any) -> list[Any]:
    """Box of the lamps, in the world."""
    place = world.lights.head(light).actor.transform
    return [[[place.x, place.y, HEIGHT_M], [0.2, 0.2, 0.5], [place.pitch, place.yaw, place.roll], 0]]
