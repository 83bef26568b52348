"""Radar: rays drawn within its field of view, with the radial speed of what they hit, as CARLA's radar traces them."""

from __future__ import annotations

import math

import numpy as np

from transdiffuser_planner.integrations.carla_server.protocol import payloads
from transdiffuser_planner.integrations.carla_server.sensors.scene import Scene, pose_of, world_state
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.simulation.scenario import Weather

RADAR = "sensor.other.radar"


def check(sensor: Actor) -> None:
    """Check the attributes of a radar that is to be made.

    Args:
        sensor: With its description.

    Raises:
        CallError: A value is out of range.
    """
    _shape(sensor)


def measure(
    scene: Scene, sensor: Actor, dt_s: float, time_s: float, actors: list[Actor], weather: Weather, seed: int
) -> bytes:
    """Return the payload of one radar.

    Args:
        scene: What it sees.
        sensor: The radar.
        dt_s: Simulated time since its last one.
        time_s: Simulated time.
        actors: All of them.
        weather: Present weather.
        seed: Of the rays.
    """
    half_azimuth, half_altitude, range_m, per_s = _shape(sensor)
    rng = np.random.default_rng([seed, round(time_s * 1e6), sensor.actor_id])
    count = max(1, round(per_s * dt_s))
    # Uniform within the ellipse of the two fields of view.
    radius, angle = np.sqrt(rng.random(count)), 2.0 * math.pi * rng.random(count)
    azimuth, altitude = radius * half_azimuth * np.cos(angle), radius * half_altitude * np.sin(angle)
    local = np.stack(
        [np.cos(altitude) * np.cos(azimuth), np.cos(altitude) * np.sin(azimuth), np.sin(altitude)], axis=-1
    )
    place = sensor.transform
    world_R3 = (local @ place.rotation().T) * [1.0, -1.0, 1.0]
    suite = scene.base(weather)
    pose = pose_of(place, 0.0)
    traffic = suite.scene(world_state(pose, time_s, actors, {}, without=sensor.parent))
    position = np.asarray([place.x - suite.origin_2[0], -place.y - suite.origin_2[1], place.z], dtype=np.float32)
    direction = world_R3.astype(np.float32)
    origin = np.broadcast_to(position, direction.shape)
    limit = np.full(count, range_m, dtype=np.float32)
    hits = suite.static.cast(origin, direction, limit)
    distance, is_hit = hits.distance_R.copy(), hits.triangle_R >= 0
    velocity = np.zeros((count, 2))
    if traffic is not None:
        near = traffic.rays.cast(origin, direction, distance)
        on_body = near.triangle_R >= 0
        distance[on_body], is_hit = near.distance_R[on_body], is_hit | on_body
        velocity[on_body] = traffic.velocities((origin + near.distance_R[:, None] * direction)[on_body, :2])
    carrier = sensor.velocity if sensor.parent is None else sensor.parent.velocity
    relative = np.concatenate([velocity - [carrier[0], -carrier[1]], np.zeros((count, 1))], axis=1)
    speed = np.einsum("rk,rk->r", relative, world_R3)
    found = np.stack([speed, azimuth, altitude, distance], axis=-1)[is_hit]
    return payloads.radar(found.astype(np.float32))


def _shape(sensor: Actor) -> tuple[float, float, float, float]:
    """Return half the fields of view (rad), range and rays per second."""
    number = sensor.description.number
    return (
        math.radians(number("horizontal_fov", 0.1, 179.0)) / 2.0,
        math.radians(number("vertical_fov", 0.1, 179.0)) / 2.0,
        number("range", 0.1, 1000.0),
        number("points_per_second", 1, 1_000_000),
    )
