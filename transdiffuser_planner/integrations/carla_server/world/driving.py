"""One tick of all vehicles of clients: motion, contacts, and what snapshots have of them."""

from __future__ import annotations

import math

from transdiffuser_planner.integrations.carla_server.protocol.snapshot import vehicle_detail
from transdiffuser_planner.integrations.carla_server.world.actors import Actor, ActorList
from transdiffuser_planner.integrations.carla_server.world.collisions import Contact, blocking, contact
from transdiffuser_planner.integrations.carla_server.world.lights import GREEN, TrafficLights
from transdiffuser_planner.integrations.carla_server.world.town import Town
from transdiffuser_planner.integrations.carla_server.world.vehicle_motion import VehicleMotion

_STILL_M = 1e-6


def move_vehicles(
    actors: ActorList, motions: dict[int, VehicleMotion], lights: TrafficLights, town: Town, dt_s: float
) -> list[Contact]:
    """Move all vehicles and return what they ran into.

    Args:
        actors: All of the episode.
        motions: Of the vehicles of clients.
        lights: Of the town.
        town: The map.
        dt_s: Simulated time.
    """
    contacts, bodies = [], list(actors)
    for actor_id, motion in motions.items():
        actor = actors.get(actor_id)
        if actor.has_physics:
            motion.step(dt_s)
            contacts += _settle(actor, motion, bodies)
        describe(actor, motion, lights, town)
    return contacts


def _settle(actor: Actor, motion: VehicleMotion, bodies: list[Actor]) -> list[Contact]:
    """Stop a vehicle that runs into something; it may only move apart from what it touches already."""
    now, target = actor.transform, motion.transform()
    if not actor.has_collisions or math.hypot(target.x - now.x, target.y - now.y) < _STILL_M:
        return []
    found = []
    for other in blocking(actor, target, bodies):
        place = other.transform
        if math.hypot(place.x - target.x, place.y - target.y) < math.hypot(place.x - now.x, place.y - now.y):
            found.append(contact(actor, other))
    if found:
        motion.place(now)
        motion.stop()
    return found


def describe(actor: Actor, motion: VehicleMotion, lights: TrafficLights, town: Town) -> None:
    """Copy a vehicle's motion into its actor, with the speed limit and the traffic light of its place.

    Args:
        actor: The vehicle.
        motion: Its motion.
        lights: Of the town.
        town: The map.
    """
    east, north = math.cos(motion.heading_rad), math.sin(motion.heading_rad)
    if actor.has_physics:
        actor.transform = motion.transform()
        along, aside = motion.acceleration_mps2, motion.speed_mps * motion.yaw_rate_radps
        actor.velocity = (motion.speed_mps * east, -motion.speed_mps * north, 0.0)
        actor.acceleration = (along * east - aside * north, -(along * north + aside * east), 0.0)
        actor.turn_degps = (0.0, 0.0, -math.degrees(motion.yaw_rate_radps))
    reach = motion.model.length_m / 2.0
    head = lights.at(motion.x_m + reach * east, motion.y_m + reach * north, motion.heading_rad)
    limit = town.speed_limit_kmph(motion.x_m, motion.y_m, motion.heading_rad)
    state, light = (GREEN, None) if head is None else (head.state, head.actor.actor_id)
    actor.detail = vehicle_detail(motion.control.seven, limit, state, light)
