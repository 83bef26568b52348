"""World snapshots: the state of every actor at one tick, 119 bytes each.

Formats: ``LibCarla/source/carla/sensor/data/ActorDynamicState.h`` and ``.../s11n/EpisodeStateSerializer.h`` of 0.9.16.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

HEADER = struct.Struct("<Qdf3iI")
ACTOR = struct.Struct("<IB15f54s")
VEHICLE = struct.Struct("<fff???ifB?IB")
WALKER = struct.Struct("<ffff?")
TRAFFIC_LIGHT = struct.Struct("<32sffffI?B")
UNION_BYTES = 54
ACTIVE = 2
Vector3 = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class ActorRow:
    """State of one actor in CARLA's left-handed world frame.

    Attributes:
        actor_id: Of the actor.
        pose: x, y, z in m, pitch, yaw, roll in degrees.
        velocity_mps: World frame.
        turn_degps: Turn rates.
        acceleration_mps2: World frame.
        detail: As one of the functions below packs it; empty for none.
    """

    actor_id: int
    pose: tuple[float, ...]
    velocity_mps: Vector3 = (0.0, 0.0, 0.0)
    turn_degps: Vector3 = (0.0, 0.0, 0.0)
    acceleration_mps2: Vector3 = (0.0, 0.0, 0.0)
    detail: bytes = b""


def snapshot(episode: int, clock_s: float, step_s: float, rows: Iterable[ActorRow]) -> bytes:
    """Return the payload of a snapshot.

    Args:
        episode: Number of the episode.
        clock_s: Wall time since the server's start.
        step_s: Simulated time since the last snapshot.
        rows: All actors.
    """
    parts = [HEADER.pack(episode, clock_s, step_s, 0, 0, 0, 0)]
    parts += [
        ACTOR.pack(
            row.actor_id,
            ACTIVE,
            *row.pose,
            *row.velocity_mps,
            *row.turn_degps,
            *row.acceleration_mps2,
            row.detail.ljust(UNION_BYTES, b"\0"),
        )
        for row in rows
    ]
    return b"".join(parts)


def vehicle_detail(
    control: tuple[float, float, float, bool, bool, bool, int],
    speed_limit_kmph: float,
    light_state: int,
    light_id: int | None,
) -> bytes:
    """Pack the state of a vehicle.

    Args:
        control: Throttle, steer, brake, hand brake, reverse, manual gear shift, gear.
        speed_limit_kmph: At its place.
        light_state: Of the traffic light that it stands at, as TrafficLightState.
        light_id: The actor of that light; None away from lights.
    """
    return VEHICLE.pack(*control, speed_limit_kmph, light_state, light_id is not None, light_id or 0, 0)


def walker_detail(direction: Vector3, speed_mps: float, *, is_jumping: bool) -> bytes:
    """Pack the state of a walker.

    Args:
        direction: Of walking, unit vector.
        speed_mps: Of walking.
        is_jumping: As requested.
    """
    return WALKER.pack(*direction, speed_mps, is_jumping)


def light_detail(
    sign_id: str, times_s: tuple[float, float, float], elapsed_s: float, *, is_frozen: bool, pole: int, state: int
) -> bytes:
    """Pack the state of a traffic light.

    Args:
        sign_id: Of the signal in the OpenDRIVE file.
        times_s: Of green, yellow and red.
        elapsed_s: Since the last change.
        is_frozen: Whether it keeps its state.
        pole: Number within its group.
        state: TrafficLightState: 0 red, 1 yellow, 2 green, 3 off, 4 unknown.
    """
    return TRAFFIC_LIGHT.pack(sign_id.encode()[:31], *times_s, elapsed_s, pole, is_frozen, state)
