"""CARLA's description of a vehicle's physics: what the bicycle model has of it, and plausible constants for the rest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.integrations.carla_server.world.collisions import mass_kg
from transdiffuser_planner.integrations.carla_server.world.frames import number
from transdiffuser_planner.integrations.carla_server.world.vehicle_motion import VehicleMotion

NUM_VALUES, NUM_WHEEL_VALUES = 17, 10
STEERING_CURVE, WHEELS, MAX_STEER = 14, 15, 2
_RADIUS_CM, _CM = 34.0, 100.0
_TORQUE_CURVE = ((0.0, 400.0), (1890.0, 500.0), (5729.0, 400.0))
_GEARS = ((4.25, 0.5, 0.65), (2.52, 0.5, 0.65), (1.66, 0.5, 0.65), (1.22, 0.5, 0.65), (1.0, 0.5, 0.65))


def physics_control(actor: Actor, motion: VehicleMotion) -> list[Any]:
    """Return the physics of a vehicle in the order of LibCarla 0.9.16.

    Torque, gears, damping and stiffness are constants that describe a car; they have no effect here.

    Args:
        actor: The vehicle.
        motion: Its motion.
    """
    return [
        [list(point) for point in _TORQUE_CURVE],
        6000.0,
        1.0,
        0.15,
        2.0,
        0.35,
        True,
        0.5,
        10.0,
        4.0,
        [list(gear) for gear in _GEARS],
        mass_kg(actor),
        0.3,
        [0.0, 0.0, 0.0],
        [list(point) for point in motion.steering_curve],
        [_wheel(actor, motion, front=front, side=side) for front in (True, False) for side in (-1.0, 1.0)],
        False,
    ]


def _wheel(actor: Actor, motion: VehicleMotion, *, front: bool, side: float) -> list[Any]:
    """Return a wheel; its position is in the world, in centimeters, as CARLA has it."""
    model = motion.model
    along = (model.wheelbase_m if front else 0.0) - model.center_offset_m
    local = np.asarray([along, side * model.width_m * 0.42, _RADIUS_CM / _CM])
    place = actor.transform
    position = (place.rotation() @ local + [place.x, place.y, place.z]) * _CM
    steer = math.degrees(motion.max_steer_rad) if front else 0.0
    brake = 0.0 if front else 3000.0
    return [3.5, 0.25, steer, _RADIUS_CM, 1500.0, brake, 2.0, 17.0, 1000.0, [float(v) for v in position]]


def apply_physics(motion: VehicleMotion, control: Any) -> None:
    """Take over what the bicycle model knows: the steering angle of the front wheels and the steering curve.

    Args:
        motion: Of the vehicle.
        control: As unpacked.

    Raises:
        CallError: It has another form.
    """
    if not isinstance(control, list) or len(control) != NUM_VALUES:
        raise CallError(f"apply_physics_control: expected the {NUM_VALUES} values of CARLA 0.9.16")
    wheels, curve = control[WHEELS], control[STEERING_CURVE]
    if not isinstance(wheels, list) or not all(isinstance(w, list) and len(w) == NUM_WHEEL_VALUES for w in wheels):
        raise CallError("apply_physics_control: malformed wheels")
    if not isinstance(curve, list) or not all(isinstance(point, list) and len(point) == 2 for point in curve):
        raise CallError("apply_physics_control: malformed steering curve")
    angles = [number(wheel[MAX_STEER], "max_steer_angle", 0.0, 180.0) for wheel in wheels]
    points = [(number(speed, "steering_curve"), number(share, "steering_curve", 0.0, 1.0)) for speed, share in curve]
    if angles and max(angles) > 0.0:
        motion.max_steer_rad = min(motion.model.max_steer_rad, math.radians(max(angles)))
    if points:
        motion.steering_curve = tuple(sorted(points))
