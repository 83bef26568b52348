"""Actors of an episode: what they are, where they are, how they move."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.protocol.snapshot import ActorRow
from transdiffuser_planner.integrations.carla_server.world.blueprint_tables import Body
from transdiffuser_planner.integrations.carla_server.world.blueprints import Description, body_of
from transdiffuser_planner.integrations.carla_server.world.frames import Transform

MAX_ACTORS = 5000
_TAGS = {"vehicle.": 14, "walker.": 12, "static.": 20, "traffic.traffic_light": 7, "traffic.": 8}
"""CityObjectLabel by the start of the name: car, pedestrian, static, traffic light, traffic sign."""
_TAG_OF_BASE = {"truck": 15, "van": 14, "bus": 16, "motorcycle": 18, "bicycle": 19, "car": 14}
Vector3 = tuple[float, float, float]


@dataclass(kw_only=True, slots=True, eq=False)
class Actor:
    """One actor.

    Attributes:
        actor_id: Unique in the server's life.
        description: What it is.
        transform: World pose of its origin: center of its box on the ground, of a walker half its height above, of a sensor its
            viewpoint.
        parent: Actor that it is attached to, or None.
        relative: Pose in the parent's frame.
        stream_id: Of a sensor, else 0.
        token: Of the stream, else empty.
        velocity, turn_degps, acceleration: As in snapshots.
        has_physics: Whether physics moves it.
        has_gravity: Whether physics keeps it on the ground.
        has_collisions: Whether it can be hit.
        is_ambient: Whether the server's own traffic moves it.
        box: Center (in the actor's frame), extent; None for that of its body.
        detail: Part of snapshots of its kind.
    """

    actor_id: int
    description: Description
    transform: Transform
    parent: Actor | None = None
    relative: Transform = field(default_factory=Transform)
    stream_id: int = 0
    token: bytes = b""
    velocity: Vector3 = (0.0, 0.0, 0.0)
    turn_degps: Vector3 = (0.0, 0.0, 0.0)
    acceleration: Vector3 = (0.0, 0.0, 0.0)
    has_physics: bool = True
    has_gravity: bool = True
    has_collisions: bool = True
    is_ambient: bool = False
    box: tuple[Vector3, Vector3] | None = None
    detail: bytes = b""

    @property
    def type_id(self) -> str:
        """Name of its blueprint."""
        return self.description.type_id

    @property
    def body(self) -> Body:
        """Dimensions of its body."""
        return body_of(self.type_id)

    def is_kind(self, kind: str) -> bool:
        """Return whether its name begins with a kind.

        Args:
            kind: For example "vehicle".
        """
        return self.type_id.startswith(f"{kind}.")

    def bounding_box(self) -> list[Any]:
        """The box as LibCarla packs it: center in the actor's frame, extent, rotation, actor."""
        center, extent = self.box or (
            (0.0, 0.0, 0.0 if self.is_kind("walker") else self.body.height_m / 2.0),
            (self.body.length_m / 2.0, self.body.width_m / 2.0, self.body.height_m / 2.0),
        )
        return [list(center), list(extent), [0.0, 0.0, 0.0], self.actor_id]

    def semantic_tag(self) -> int:
        """CityObjectLabel of its surface."""
        base = self.description.text("base_type")
        if base in _TAG_OF_BASE and self.is_kind("vehicle"):
            return _TAG_OF_BASE[base]
        return next((tag for start, tag in _TAGS.items() if self.type_id.startswith(start)), 0)

    def packed(self) -> list[Any]:
        """As LibCarla packs an Actor."""
        tag = self.semantic_tag()
        return [
            self.actor_id,
            0 if self.parent is None else self.parent.actor_id,
            self.description.packed(),
            self.bounding_box(),
            bytes([tag]) if tag else b"",
            self.token,
        ]

    def row(self) -> ActorRow:
        """Its part of a snapshot."""
        return ActorRow(
            actor_id=self.actor_id,
            pose=self.transform.six,
            velocity_mps=self.velocity,
            turn_degps=self.turn_degps,
            acceleration_mps2=self.acceleration,
            detail=self.detail,
        )


class ActorList:
    """Actors by number. Numbers are never used twice, so that a client's old handle means nothing else."""

    def __init__(self) -> None:
        self._actors: dict[int, Actor] = {}
        self._next_id = 1

    def __iter__(self) -> Any:
        return iter(list(self._actors.values()))

    def __len__(self) -> int:
        return len(self._actors)

    def fresh(self) -> ActorList:
        """Return an empty list that goes on counting."""
        other = ActorList()
        other._next_id = self._next_id
        return other

    def new_id(self) -> int:
        """Return the number of the next actor.

        Raises:
            CallError: There are too many actors.
        """
        if len(self._actors) >= MAX_ACTORS:
            raise CallError(f"more than {MAX_ACTORS} actors; destroy some first")
        self._next_id += 1
        return self._next_id - 1

    def add(self, actor: Actor) -> Actor:
        """Add an actor and return it.

        Args:
            actor: With a number of ``new_id``.
        """
        self._actors[actor.actor_id] = actor
        return actor

    def get(self, actor_id: Any, kind: str = "") -> Actor:
        """Return an actor.

        Args:
            actor_id: As it came over the network.
            kind: Start of its name; "" for any.

        Raises:
            CallError: There is none of this kind.
        """
        actor = self._actors.get(actor_id) if isinstance(actor_id, int) else None
        if actor is None:
            raise CallError(f"unable to find actor: no actor {actor_id!r}"[:120])
        if kind and not actor.type_id.startswith(kind):
            raise CallError(f"actor {actor_id} is {actor.type_id}, not {kind}")
        return actor

    def find(self, actor_id: int) -> Actor | None:
        """Return an actor, or None.

        Args:
            actor_id: Its number.
        """
        return self._actors.get(actor_id)

    def remove(self, actor: Actor) -> list[Actor]:
        """Remove an actor and what is attached to it; return all that were removed.

        Args:
            actor: Of this list.
        """
        gone = [actor, *(child for child in self if child.parent is actor)]
        for item in gone:
            self._actors.pop(item.actor_id, None)
        return gone

    def of_kind(self, kind: str) -> list[Actor]:
        """Return all actors of a kind.

        Args:
            kind: For example "vehicle".
        """
        return [actor for actor in self._actors.values() if actor.is_kind(kind)]
