"""All sensors of an episode: which are due, what they measure, where it is sent."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from transdiffuser_planner.integrations.carla_server.protocol import payloads
from transdiffuser_planner.integrations.carla_server.protocol.streams import PayloadType, StreamHub, message
from transdiffuser_planner.integrations.carla_server.sensors import beams, navigation, optics, radar
from transdiffuser_planner.integrations.carla_server.sensors.scene import Scene
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.integrations.carla_server.world.collisions import Contact
from transdiffuser_planner.simulation.scenario import Weather

COLLISION = "sensor.other.collision"
CLIENT_SIDE = ("sensor.other.lane_invasion",)
"""Sensors that the client computes itself, from snapshots and its map."""
_DUE_SLACK_S = 1e-4


class SensorBank:
    """Measures and sends.

    Args:
        scene: What they see.
        hub: Of the streams.
        seed: Of all noise.

    Attributes:
        gravity_mps2: That IMUs measure.
    """

    def __init__(self, scene: Scene, hub: StreamHub, seed: int) -> None:
        self._hub, self._seed = hub, seed
        self._scene = scene
        self._cameras, self._lidars = optics.Cameras(self._scene), beams.Lidars(self._scene)
        self._origin = navigation.reference(scene.town.opendrive)
        self._last_s: dict[int, float] = {}
        self.gravity_mps2 = navigation.GRAVITY_MPS2

    def check(self, sensor: Actor) -> None:
        """Check the attributes of a sensor that is to be made.

        Args:
            sensor: With its description.

        Raises:
            CallError: A value is out of range.
        """
        if sensor.type_id in optics.KINDS:
            self._cameras.check(sensor)
        elif sensor.type_id == beams.RAY_CAST:
            self._lidars.check(sensor)
        elif sensor.type_id == radar.RADAR:
            radar.check(sensor)
        else:
            navigation.check(sensor)
        if "sensor_tick" in sensor.description.attributes:
            sensor.description.number("sensor_tick", 0.0, 1e4)

    def forget(self, sensor: Actor) -> None:
        """Drop what is known of a sensor that was destroyed.

        Args:
            sensor: No longer there.
        """
        self._last_s.pop(sensor.actor_id, None)
        self._lidars.forget(sensor.actor_id)

    def send(
        self,
        frame: int,
        time_s: float,
        dt_s: float,
        actors: list[Actor],
        contacts: Iterable[Contact],
        signals: dict[str, str],
        weather: Weather,
        *,
        is_rendered: bool,
    ) -> None:
        """Measure with all sensors that are due and have listeners, and send.

        Args:
            frame: Of the tick.
            time_s: Simulated time.
            dt_s: Of this tick.
            actors: All of them.
            contacts: Of this tick.
            signals: Letters of the traffic lights.
            weather: Present weather.
            is_rendered: Whether cameras, LiDARs and radars measure.
        """
        self._send_contacts(frame, time_s, actors, contacts)
        due = [item for item in actors if item.stream_id and self._is_due(item, time_s)]
        groups: dict[int, list[Actor]] = {}
        for sensor in due:
            since = time_s - self._last_s.get(sensor.actor_id, time_s - dt_s)
            self._last_s[sensor.actor_id] = time_s
            rng = np.random.default_rng([self._seed, frame, sensor.actor_id])
            if sensor.type_id in optics.KINDS and is_rendered:
                key = sensor.actor_id if sensor.parent is None else sensor.parent.actor_id
                groups.setdefault(key, []).append(sensor)
            elif sensor.type_id == beams.RAY_CAST and is_rendered:
                data = self._lidars.scan(sensor, since, time_s, actors, signals, weather)
                self._emit(PayloadType.LIDAR, sensor, frame, time_s, data)
            elif sensor.type_id == radar.RADAR and is_rendered:
                data = radar.measure(self._scene, sensor, since, time_s, actors, weather, self._seed)
                self._emit(PayloadType.RADAR, sensor, frame, time_s, data)
            elif sensor.type_id == navigation.GNSS:
                self._emit(PayloadType.GNSS, sensor, frame, time_s, navigation.fix(sensor, self._origin, rng))
            elif sensor.type_id == navigation.IMU:
                self._emit(PayloadType.IMU, sensor, frame, time_s, navigation.inertia(sensor, self.gravity_mps2, rng))
        for group in groups.values():
            images = self._cameras.render(group, time_s, actors, signals, weather)
            for sensor in group:
                self._emit(optics.KINDS[sensor.type_id], sensor, frame, time_s, images[sensor.actor_id])

    def _is_due(self, sensor: Actor, time_s: float) -> bool:
        if not self._hub.has_subscribers(sensor.stream_id):
            return False
        every_s = float(sensor.description.text("sensor_tick", "0") or 0.0)
        return time_s - self._last_s.get(sensor.actor_id, -1e9) >= every_s - _DUE_SLACK_S

    def _emit(self, kind: PayloadType, sensor: Actor, frame: int, time_s: float, payload: bytes) -> None:
        self._hub.send(sensor.stream_id, message(kind, frame, time_s, sensor.transform.six, payload))

    def _send_contacts(self, frame: int, time_s: float, actors: list[Actor], contacts: Iterable[Contact]) -> None:
        by_vehicle: dict[int, list[Actor]] = {}
        for actor in actors:
            if actor.type_id == COLLISION and actor.parent is not None:
                by_vehicle.setdefault(actor.parent.actor_id, []).append(actor)
        for contact in contacts:
            for own, other, sign in ((contact.first, contact.second, 1.0), (contact.second, contact.first, -1.0)):
                impulse = [sign * value for value in contact.impulse_Ns]
                for sensor in by_vehicle.get(own.actor_id, []):
                    data = payloads.collision(own.packed(), other.packed(), impulse)
                    self._emit(PayloadType.COLLISION, sensor, frame, time_s, data)
