"""Calls about vehicles: controls, physics, lights, velocities."""

from __future__ import annotations

import math
from typing import Any

from transdiffuser_planner.integrations.carla_server.calls.registry import Registry, flag
from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world.frames import number, vector
from transdiffuser_planner.integrations.carla_server.world.physics_control import apply_physics, physics_control
from transdiffuser_planner.integrations.carla_server.world.vehicle_motion import (
    AckermannTarget,
    VehicleControl,
    VehicleMotion,
)

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
    """Set pedals and steering.

    Raises:
        CallError: The arguments are malformed.
    """
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
    motion.ackermann = None


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


@vehicles.void
def set_actor_target_angular_velocity(world: World, actor: Any, rate: Any) -> None:
    """Show turn rates; the road wheels of a vehicle with physics decide about its turning."""
    world.actors.get(actor).turn_degps = vector(rate, "set_target_angular_velocity")


@vehicles.void
def enable_actor_constant_velocity(world: World, actor: Any, velocity: Any) -> None:
    """Keep a speed, whatever the pedals are."""
    speed = vector(velocity, "enable_constant_velocity")[0]
    _motion(world, actor).constant_mps = max(-MAX_SPEED_MPS, min(MAX_SPEED_MPS, speed))


@vehicles.void
def disable_actor_constant_velocity(world: World, actor: Any) -> None:
    """Let the pedals decide again."""
    _motion(world, actor).constant_mps = None


@vehicles.void
def apply_ackermann_control_to_vehicle(world: World, actor: Any, control: Any) -> None:
    """Steer and drive by angle and speed: steer (rad, to the right), its rate, speed, acceleration, jerk.

    Raises:
        CallError: The arguments are malformed.
    """
    motion = _motion(world, actor)
    if not isinstance(control, list) or len(control) != 5:
        raise CallError("apply_ackermann_control_to_vehicle: expected the 5 values of VehicleAckermannControl")
    steer, rate, speed, acceleration, _ = (number(value, "VehicleAckermannControl") for value in control)
    motion.ackermann = AckermannTarget(
        steering_rad=-steer, rate_radps=abs(rate), speed_mps=speed, acceleration_mps2=abs(acceleration)
    )


@vehicles.value
def get_ackermann_controller_settings(world: World, actor: Any) -> list[float]:
    """Gains as a client set them; the server's own controller has none."""
    return list(_motion(world, actor).ackermann_gains)


@vehicles.void
def apply_ackermann_controller_settings(world: World, actor: Any, gains: Any) -> None:
    """Keep gains for clients that ask for them.

    Raises:
        CallError: The arguments are malformed.
    """
    if not isinstance(gains, list) or len(gains) != 6:
        raise CallError("apply_ackermann_controller_settings: expected 6 gains")
    _motion(world, actor).ackermann_gains = tuple(number(value, "gain") for value in gains)


@vehicles.value
def get_physics_control(world: World, actor: Any) -> list[Any]:
    """Physics of a vehicle in the order of ``rpc/VehiclePhysicsControl.h`` of 0.9.16."""
    return physics_control(world.actors.get(actor, "vehicle."), _motion(world, actor))


@vehicles.void
def apply_physics_control(world: World, actor: Any, control: Any) -> None:
    """Change what the bicycle model knows of a vehicle's physics: the steering angle of its front wheels and its curve."""
    apply_physics(_motion(world, actor), control)


@vehicles.value
def get_wheel_steer_angle(world: World, actor: Any, wheel: Any) -> float:
    """Angle of a front wheel, degrees, positive to the right; rear wheels do not steer."""
    return -math.degrees(_motion(world, actor).steering_rad) if wheel in (0, 1) else 0.0


@vehicles.value
def get_wheel_pitch_angle(world: World, actor: Any, _wheel: Any) -> float:
    """Rolling angle of a wheel; wheels do not roll here."""
    _motion(world, actor)
    return 0.0


@vehicles.value
def get_vehicle_light_state(world: World, actor: Any) -> list[int]:
    """Light flags of a vehicle."""
    return [world.vehicle_lights.get(world.actors.get(actor, "vehicle.").actor_id, 0)]


@vehicles.void
def set_vehicle_light_state(world: World, actor: Any, flags: Any) -> None:
    """Set light flags of a vehicle; they are kept and not seen, but for brake lights, which follow the braking.

    Raises:
        CallError: The arguments are malformed.
    """
    value = flags[0] if isinstance(flags, list) and flags else flags
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32:
        raise CallError("set_vehicle_light_state: expected flags")
    world.vehicle_lights[world.actors.get(actor, "vehicle.").actor_id] = value


@vehicles.value
def get_vehicle_light_states(world: World) -> list[Any]:
    """Light flags of all vehicles."""
    return [[actor.actor_id, world.vehicle_lights.get(actor.actor_id, 0)] for actor in world.actors.of_kind("vehicle")]
