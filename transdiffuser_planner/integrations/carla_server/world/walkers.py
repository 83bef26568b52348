"""Walkers: direction and speed as a client sets them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from transdiffuser_planner.integrations.carla_server.protocol.snapshot import walker_detail
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.integrations.carla_server.world.frames import Transform

Vector3 = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkerControl:
    """What a walker does.

    Attributes:
        direction: World frame of CARLA.
        speed_mps: Along it.
        is_jumping: As requested; has no effect.
    """

    direction: Vector3 = (1.0, 0.0, 0.0)
    speed_mps: float = 0.0
    is_jumping: bool = False


def step(actor: Actor, control: WalkerControl, dt_s: float) -> None:
    """Move a walker on the ground, looking where it goes.

    Args:
        actor: The walker.
        control: In force.
        dt_s: Simulated time.
    """
    place = actor.transform
    length = math.hypot(*control.direction[:2])
    if not actor.has_physics or length < 1e-6 or control.speed_mps <= 0.0:
        actor.velocity = (0.0, 0.0, 0.0)
    else:
        east, south = (component / length * control.speed_mps for component in control.direction[:2])
        actor.velocity = (east, south, 0.0)
        yaw = math.degrees(math.atan2(south, east))
        place = Transform(place.x + east * dt_s, place.y + south * dt_s, place.z, 0.0, yaw, 0.0)
    if actor.has_physics and actor.has_gravity:
        # CARLA's walkers have their origin at half their height.
        place = Transform(place.x, place.y, actor.body.height_m / 2.0, 0.0, place.yaw, 0.0)
    actor.transform = place
    actor.detail = walker_detail(control.direction, control.speed_mps, is_jumping=control.is_jumping)
