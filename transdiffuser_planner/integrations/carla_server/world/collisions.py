"""Contacts of bodies. A vehicle that runs into something stops there; what it hit stays where it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from transdiffuser_planner.core.geometry import box_corners, boxes_overlap
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.integrations.carla_server.world.frames import Transform

MASS_KG_PER_M3 = 110.0
"""Mass of a body by the volume of its box: a car of 4.9 x 1.9 x 1.5 m has 1540 kg."""
LOW_M = 0.3
"""Lower bodies are run over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """Two bodies that touch in this tick.

    Attributes:
        first: Moved into the other.
        second: The other.
        impulse_Ns: On the first, world frame of CARLA.
    """

    first: Actor
    second: Actor
    impulse_Ns: tuple[float, float, float]


def mass_kg(actor: Actor) -> float:
    """Return the mass of a body.

    Args:
        actor: With a body.
    """
    body = actor.body
    return max(1.0, MASS_KG_PER_M3 * body.length_m * body.width_m * body.height_m)


def outline(actor: Actor, at: Transform | None = None) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the corners (4, 2) of a body in CARLA's frame.

    Args:
        actor: With a body.
        at: Pose instead of its own.
    """
    place = at or actor.transform
    return box_corners(place.x, place.y, math.radians(place.yaw), actor.body.length_m, actor.body.width_m)


def blocking(actor: Actor, at: Transform, others: Iterable[Actor]) -> list[Actor]:
    """Return the bodies that an actor would overlap.

    Args:
        actor: With a body.
        at: Where it would be.
        others: All actors.
    """
    radius = math.hypot(actor.body.length_m, actor.body.width_m) / 2.0
    near = []
    for other in others:
        body = other.body
        if other is actor or body.height_m < LOW_M or not other.has_collisions:
            continue
        reach = radius + math.hypot(body.length_m, body.width_m) / 2.0
        gap_z = other.transform.z - at.z
        if -body.height_m < gap_z < actor.body.height_m and (
            math.hypot(other.transform.x - at.x, other.transform.y - at.y) < reach
        ):
            near.append(other)
    if not near:
        return []
    hits = boxes_overlap(outline(actor, at), np.stack([outline(other) for other in near]))
    return [other for other, is_hit in zip(near, hits, strict=True) if is_hit]


def contact(actor: Actor, other: Actor) -> Contact:
    """Describe a contact: an inelastic impulse along the line between the centers.

    Args:
        actor: Moved into the other.
        other: The other.
    """
    away = np.asarray([actor.transform.x - other.transform.x, actor.transform.y - other.transform.y])
    away = away / max(1e-6, float(np.hypot(*away)))
    closing = float(np.dot(np.asarray(other.velocity[:2]) - np.asarray(actor.velocity[:2]), away))
    mass = mass_kg(actor) * mass_kg(other) / (mass_kg(actor) + mass_kg(other))
    size = mass * max(0.0, closing)
    return Contact(first=actor, second=other, impulse_Ns=(float(size * away[0]), float(size * away[1]), 0.0))
