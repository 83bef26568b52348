"""Calls about vehicles: controls, physics, lights, velocities."""

from __future__ import annotations

import math
from typing import Any

from transdiffuser_planner.integrations.carla_server.calls.registry import Registry, flag
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world.frames import number, vector
from transdiffuser_planner.integrations.carla_server.world.vehicle_motion import VehicleControl, VehicleMotion
from transdiffuser_planner.integrations.carla_server.world.world import World

vehicles = Registry()
MAX_SPEED_MPS = 100.0


def _motion(world: World, actor: Any) -> VehicleMotion:
    """Return the motion of a vehicle.

    Raises:
        CallError: It is no vehicle of a client.
    """
    found = world.actors.get(actor, "vehicle.")
    motion = world.motions.get(found.actor_id)
    if motion is None:
        raise CallError(f"vehicle {found.actor_id} belongs to the server's own traffic")
    return motion


@vehicles.void
def apply_control_to_vehicle(world: World, actor: Any, control: Any) -> None:
    """Set pedals and steering."""
    motion = _motion(world, actor)
    if not isinstance(control, list) or len(control) != 7 or not isinstance(control[6], int):
        raise CallError("apply_control_to_vehicle: expected the 7 values of VehicleControl")
    throttle, steer, brake = (number(value, "VehicleControl") for value in control[:3])
    motion.control = VehicleControl(
        throttle=max(0.0, min(1.0, throttle)),
        steer=max(-1.0, min(1.0, steer)),
        brake=max(0.0, min(1.0, brake)),
        hand_brake=flag(control[3], "hand_brake"),
        reverse=flag(control[4], "reverse"),
        manual_gear_shift=flag(control[5], "manual_gear_shift"),
        gear=max(-1, min(10, control[6])),
    )
    motion.command = None


@vehicles.void
def set_actor_target_velocity(world: World, actor: Any, velocity: Any) -> None:
    """Set the speed along the heading; walkers and vehicles without physics show the velocity only."""
    found = world.actors.get(actor)
    x, y, z = vector(velocity, "set_target_velocity")
    if found.actor_id not in world.motions:
        found.velocity = (x, y, z)
        return
    motion = world.motions[found.actor_id]
    along = x * math.cos(motion.heading_rad) - y * math.sin(motion.heading_rad)
    motion.speed_mps = max(-MAX_SPEED_MPS, min(MAX_SPEED_MPS, along))
