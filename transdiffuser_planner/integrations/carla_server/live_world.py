"""The simulated world that clients share: one episode at a time, advanced tick by tick."""

from __future__ import annotations

import time
from dataclasses import dataclass

from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.protocol.snapshot import snapshot
from transdiffuser_planner.integrations.carla_server.protocol.streams import PayloadType, StreamHub, message, token
from transdiffuser_planner.integrations.carla_server.sensors.bank import CLIENT_SIDE, SensorBank
from transdiffuser_planner.integrations.carla_server.sensors.scene import Scene
from transdiffuser_planner.integrations.carla_server.world import driving, walkers, weather
from transdiffuser_planner.integrations.carla_server.world.actors import Actor, ActorList
from transdiffuser_planner.integrations.carla_server.world.ambient import AmbientTraffic
from transdiffuser_planner.integrations.carla_server.world.blueprints import Description, vehicle_model
from transdiffuser_planner.integrations.carla_server.world.collisions import blocking
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.integrations.carla_server.world.lights import TrafficLights
from transdiffuser_planner.integrations.carla_server.world.town import Town
from transdiffuser_planner.integrations.carla_server.world.vehicle_motion import VehicleMotion
from transdiffuser_planner.integrations.carla_server.world.walkers import WalkerControl

SNAPSHOT_STREAM = 1
DEFAULT_STEP_S = 0.05
MAX_STEP_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of an episode.

    Attributes:
        synchronous: Whether the world waits for a client's tick.
        no_rendering: Whether cameras, LiDARs and radars are idle.
        step_s: Simulated time of a tick; None for 0.05 s.
        others: The further values as the client sent them; they have no effect.
    """

    synchronous: bool = False
    no_rendering: bool = False
    step_s: float | None = None
    others: tuple[object, ...] = (True, 0.01, 10, 0.0, True, 3000.0, 2000.0, True)


class World:
    """One episode and what survives it: number of the frame, streams, settings.

    Args:
        town: First map.
        hub: Of the streams.
        port: Of the streams.
        seed: Of all noise and of the server's own traffic.
        num_ambient: Road users of the server's own traffic, about.

    Raises:
        SimulationError: SUMO failed.

    Attributes:
        town: Present map.
        hub: As given.
        port: As given.
        own_map, own_name: Map that the server was started with.
        uploaded_opendrive: Text of a map that a client has sent; "" for none.
        traffic_managers: Address and port of the clients' Traffic Managers, by port.
        settings: Present settings.
        episode_id: Number of the episode.
        frame: Number of the last tick.
        time_s: Simulated time of this episode.
        actors: All actors of this episode.
        lights: Its traffic lights.
        motions: Motion of its vehicles by actor.
        walks: Controls of its walkers by actor.
        vehicle_lights: Light flags of its vehicles by actor.
        spectator: The free viewpoint of CARLA's window, which does not exist here.
        weather: Parameters in the order of CARLA's client.
    """

    def __init__(self, town: Town, hub: StreamHub, port: int, seed: int, num_ambient: int = 0) -> None:
        self.hub, self.port, self._seed = hub, port, seed
        self.own_map, self.own_name = town.map_name, town.name
        self.traffic_managers: dict[int, tuple[str, int]] = {}
        self._num_ambient = num_ambient
        self._ambient: AmbientTraffic | None = None
        self._scene = Scene(town, seed)
        self.uploaded_opendrive = ""
        self.settings = Settings()
        self.episode_id, self.frame = 1, 0
        self._streams = SNAPSHOT_STREAM
        self._started = time.monotonic()
        self.actors = ActorList()
        hub.open(SNAPSHOT_STREAM)
        self._begin(town)

    def load(self, town: Town, *, reset_settings: bool) -> None:
        """Begin a new episode.

        Args:
            town: Its map.
            reset_settings: Whether settings fall back to asynchronous.
        """
        for actor in self.actors:
            self._forget(actor)
        if reset_settings:
            self.settings = Settings()
        self.episode_id += 1
        self._begin(town)

    def _begin(self, town: Town) -> None:
        if self._scene.town is not town:
            self._scene = Scene(town, self._seed)
        self.town, self.time_s = town, 0.0
        self.actors = self.actors.fresh()
        self.weather: tuple[float, ...] = weather.CLEAR
        self.motions: dict[int, VehicleMotion] = {}
        self.walks: dict[int, WalkerControl] = {}
        self.vehicle_lights: dict[int, int] = {}
        self.bank = SensorBank(self._scene, self.hub, self._seed)
        description = Description(uid=1, type_id="spectator")
        self.spectator = self.actors.add(
            Actor(actor_id=self.actors.new_id(), description=description, transform=Transform(), has_collisions=False)
        )
        self.lights = TrafficLights(town, self.actors)
        self.close()
        if self._num_ambient:
            self._ambient = AmbientTraffic(town.map_name, self._num_ambient, self._seed)

    def close(self) -> None:
        """End the server's own traffic."""
        if self._ambient is not None:
            self._ambient.close()
            self._ambient = None

    @property
    def step_s(self) -> float:
        """Simulated time of a tick."""
        return self.settings.step_s or DEFAULT_STEP_S

    def tick(self) -> int:
        """Advance one step and send snapshot and sensor data; return the number of the frame."""
        dt_s = self.step_s
        self.frame += 1
        self.time_s += dt_s
        self.lights.step(dt_s)
        if self._ambient is not None:
            self._ambient.step(dt_s, self.actors, self.lights.signals())
        contacts = driving.move_vehicles(self.actors, self.motions, self.lights, self.town, dt_s)
        for actor in self.actors.of_kind("walker"):
            if not actor.is_ambient:
                walkers.step(actor, self.walks.setdefault(actor.actor_id, WalkerControl()), dt_s)
        self._carry_children()
        self.publish(dt_s)
        self.bank.send(
            self.frame,
            self.time_s,
            dt_s,
            list(self.actors),
            contacts,
            self.lights.signals(),
            weather.weather_of(self.weather),
            is_rendered=not self.settings.no_rendering,
        )
        return self.frame

    def publish(self, dt_s: float) -> None:
        """Send a snapshot.

        Args:
            dt_s: Simulated time since the last one.
        """
        clock_s = time.monotonic() - self._started
        payload = snapshot(self.episode_id, clock_s, dt_s, (actor.row() for actor in self.actors))
        data = message(PayloadType.SNAPSHOT, self.frame, self.time_s, Transform().six, payload)
        self.hub.send(SNAPSHOT_STREAM, data)

    def spawn(
        self, description: Description, place: Transform, parent: Actor | None = None, *, check_room: bool = True
    ) -> Actor:
        """Add an actor.

        Args:
            description: What it is.
            place: World pose, or with a parent the pose in its frame.
            parent: That it is attached to.
            check_room: Whether it must not overlap others.

        Raises:
            CallError: There is no room, or an attribute is out of range.
        """
        actor = Actor(
            actor_id=self.actors.new_id(),
            description=description,
            transform=place if parent is None else parent.transform.compose(place),
            parent=parent,
            relative=place,
            has_physics=not actor_is_fixed(description.type_id),
        )
        if actor.is_kind("sensor"):
            self.bank.check(actor)
            if actor.type_id not in CLIENT_SIDE:
                self._streams += 1
                actor.stream_id, actor.token = self._streams, token(self._streams, self.port)
                self.hub.open(actor.stream_id)
        elif check_room and actor.body.height_m and blocking(actor, actor.transform, self.actors):
            raise CallError("Spawn failed because of collision at spawn position")
        if actor.is_kind("vehicle"):
            self.motions[actor.actor_id] = VehicleMotion(vehicle_model(actor.type_id), actor.transform)
            driving.describe(actor, self.motions[actor.actor_id], self.lights, self.town)
        return self.actors.add(actor)

    def destroy(self, actor: Actor) -> None:
        """Remove an actor and what is attached to it.

        Args:
            actor: Of this episode.
        """
        for gone in self.actors.remove(actor):
            self._forget(gone)

    def place(self, actor: Actor, place: Transform) -> None:
        """Put an actor somewhere else.

        Args:
            actor: Of this episode.
            place: World pose, of what is attached the pose in its parent's frame.
        """
        if actor.parent is not None:
            actor.relative, place = place, actor.parent.transform.compose(place)
        actor.transform = place
        if actor.actor_id in self.motions:
            self.motions[actor.actor_id].place(place)

    def _forget(self, actor: Actor) -> None:
        for table in (self.motions, self.walks, self.vehicle_lights):
            table.pop(actor.actor_id, None)  # type: ignore[attr-defined]
        if actor.stream_id:
            self.hub.close(actor.stream_id)
            self.bank.forget(actor)

    def _carry_children(self) -> None:
        for actor in self.actors:
            if actor.parent is not None:
                actor.transform = actor.parent.transform.compose(actor.relative)
                actor.velocity = actor.parent.velocity


def actor_is_fixed(type_id: str) -> bool:
    """Return whether physics never moves a kind of actor.

    Args:
        type_id: Name of its blueprint.
    """
    return not type_id.startswith(("vehicle.", "walker."))
