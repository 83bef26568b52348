"""Collisions, lane invasions and red lights of a drive."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.core.types import SignalState, TrafficSignal
from transdiffuser_planner.integrations.carla.client.connection import Connection, carla_package

_SAME_COLLISION_S = 2.0
_PASSED_WITHIN_M, _NEXT_LIGHT_M, _MOVING_MPS = 1.5, 5.0, 0.5


class DriveEvents:
    """Recorder of a drive's events.

    Args:
        connection: To the server.
        vehicle: carla.Vehicle to watch.
    """

    def __init__(self, connection: Connection, vehicle: Any) -> None:
        self.collisions: list[dict[str, Any]] = []
        self.num_lane_invasions = 0
        self.red_lights_s: list[float] = []
        self._before: TrafficSignal | None = None
        self._last_contact: dict[int, float] = {}
        carla = carla_package()
        for kind, listener in (("collision", self._on_collision), ("lane_invasion", self._on_invasion)):
            blueprint = connection.world.get_blueprint_library().find(f"sensor.other.{kind}")
            sensor = connection.world.spawn_actor(blueprint, carla.Transform(), attach_to=vehicle)
            connection.actors.append(sensor)
            sensor.listen(listener)

    def _on_collision(self, event: Any) -> None:
        """A contact that lasts makes one event; called in a thread of CARLA's package."""
        other, time_s = event.other_actor, float(event.timestamp)
        is_new = time_s - self._last_contact.get(other.id, -1e9) > _SAME_COLLISION_S
        self._last_contact[other.id] = time_s
        if is_new:
            self.collisions.append({"time_s": round(time_s, 2), "with": other.type_id})

    def _on_invasion(self, event: Any) -> None:
        del event
        self.num_lane_invasions += 1

    def on_signal(self, signal: TrafficSignal | None, speed_mps: float, time_s: float) -> None:
        """Notice a stop line that was passed while red.

        Args:
            signal: Next light of the route in this tick.
            speed_mps: Of the vehicle.
            time_s: Of the tick.
        """
        before, self._before = self._before, signal
        if before is None or before.state is not SignalState.RED or not 0.0 < before.distance_m < _PASSED_WITHIN_M:
            return
        is_passed = signal is None or signal.distance_m == 0.0 or signal.distance_m > before.distance_m + _NEXT_LIGHT_M
        if is_passed and speed_mps > _MOVING_MPS:
            self.red_lights_s.append(round(time_s, 2))
