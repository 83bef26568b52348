"""One drive as CARLA's client: vehicle, sensors and traffic are made, the world is ticked, the planner drives, a report is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, TrafficSignal
from transdiffuser_planner.integrations.carla import frames, measurements
from transdiffuser_planner.integrations.carla.client import ego as ego_vehicle
from transdiffuser_planner.integrations.carla.client.choose_route import choose_route
from transdiffuser_planner.integrations.carla.client.connection import TICK_S, Connection, carla_package
from transdiffuser_planner.integrations.carla.client.events import DriveEvents
from transdiffuser_planner.integrations.carla.client.lights import WorldLights
from transdiffuser_planner.integrations.carla.client.traffic import PORT, spawn_traffic
from transdiffuser_planner.integrations.carla.driver import Driver, Tick
from transdiffuser_planner.integrations.carla.route.road_limits import RoadLimits
from transdiffuser_planner.integrations.carla.route.route_guide import RouteGuide
from transdiffuser_planner.integrations.carla.sensor_setup import CarlaCamera, cameras_of, rig_in_carla

GOAL_M = 8.0
"""A route counts as driven this far before its end."""
STUCK_S = 60.0
"""A vehicle that stands this long without a red light ends the drive."""
_STUCK_MPS = 0.1
_KMH = 3.6
_SETTLE_TICKS = 10
_SPAWN_HEIGHT_M = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveOptions:
    """Options of one drive.

    Attributes:
        host, port, town, timeout_s: Of the server; no town for the map that is loaded.
        vehicle: Blueprint.
        rig: Sensors, limits of the vehicle, and its dimensions where the server gives none.
        model, config: Of the planner.
        seed: Of start, goal and traffic.
        length_m: Least length of a drawn route.
        start, goal: Spawn points by number, or None.
        num_vehicles: Other vehicles.
        traffic_port: Of the Traffic Manager.
        duration_s: Longest drive.
        plan_every: Ticks of 20 Hz between plans.
    """

    host: str
    port: int
    town: str | None
    timeout_s: float
    vehicle: str
    rig: Rig
    model: str
    config: PlannerConfig
    seed: int
    length_m: float
    start: int | None
    goal: int | None
    num_vehicles: int
    traffic_port: int = PORT
    duration_s: float
    plan_every: int = 2


def drive(options: DriveOptions, on_progress: Callable[[float, float], None]) -> dict[str, Any]:
    """Drive once and return the report.

    Args:
        options: Of the drive.
        on_progress: Receives the meters driven along the route and its length at every plan.

    Raises:
        PlannerError: Server, map, vehicle or model cannot be used.
        SimulationError: The server went away.
    """
    with Connection(options.host, options.port, options.town, options.timeout_s) as connection:
        try:
            return ClientDrive(connection, options).run(on_progress)
        except RuntimeError as error:  # whatever CARLA's package raises when the server goes away
            raise SimulationError(f"CARLA at {options.host}:{options.port}: {str(error).splitlines()[0]}") from None


class ClientDrive:
    """A drive from the spawn to the report.

    Args:
        connection: To the server.
        options: Of the drive.

    Raises:
        PlannerError: Map, vehicle or model cannot be used.
    """

    def __init__(self, connection: Connection, options: DriveOptions) -> None:
        self._connection, self._options = connection, options
        limits = RoadLimits(connection.town.to_opendrive())
        start, route = choose_route(
            connection.town,
            limits.limit_of,
            seed=options.seed,
            length_m=options.length_m,
            start=options.start,
            goal=options.goal,
        )
        start.location.z += _SPAWN_HEIGHT_M
        self.vehicle = ego_vehicle.spawn_vehicle(connection, options.vehicle, start)
        for _ in range(_SETTLE_TICKS):
            connection.tick()
        self.origin_m = ego_vehicle.origin_ahead_m(self.vehicle, options.rig.base_from_odometry_child_x_m)
        model = ego_vehicle.dimensions(self.vehicle, options.rig, self.origin_m)
        self._cameras: tuple[CarlaCamera, ...] = cameras_of(options.rig, self.origin_m)
        rig = replace(rig_in_carla(options.rig, self._cameras), vehicle=model)
        self.driver = Driver.load(options.model, rig, options.config, ego_vehicle.controls_of(self.vehicle))
        self.guide = RouteGuide(route, model.front_offset_m)
        self.driver.set_route(self.guide.message())
        self._sensors = ego_vehicle.Sensors(connection, self.vehicle, self._cameras, rig, self.origin_m)
        self._lights, self.events = WorldLights(connection.world), DriveEvents(connection, self.vehicle)
        self._num_vehicles = spawn_traffic(
            connection, self.vehicle, options.num_vehicles, options.seed, options.traffic_port
        )
        for _ in range(_SETTLE_TICKS):  # sensors may miss the first ticks; what they send of these is left out
            connection.tick()
        self._stands_since_s: float | None = None
        self._offsets_m: list[float] = []

    def run(self, on_progress: Callable[[float, float], None]) -> dict[str, Any]:
        """Drive to the goal, or until the drive has taken too long or the vehicle is stuck.

        Args:
            on_progress: See ``drive``.

        Raises:
            PlannerError: The server is gone, or the model failed.
        """
        carla, options, begin = carla_package(), self._options, time.perf_counter()
        first_s, end, number = None, "", 0
        while not end:
            snapshot = self._connection.tick()
            time_s = float(snapshot.timestamp.elapsed_seconds)
            first_s = time_s if first_s is None else first_s
            is_planned = number % options.plan_every == 0
            tick = self._read(snapshot, is_planned=is_planned)
            controls = self.driver.step(tick, is_planned=is_planned)
            self.vehicle.apply_control(
                carla.VehicleControl(throttle=controls.throttle, steer=controls.steer, brake=controls.brake)
            )
            self.events.on_signal(tick.signal, tick.ego.vx_mps, time_s - first_s)
            self._offsets_m.append(abs(self.guide.lateral_m))
            if is_planned:
                on_progress(self.guide.s_m or 0.0, self.guide.route.length_m)
            end = self._end(tick.ego, tick.signal, time_s - first_s)
            number += 1
        return self._report(end, number * TICK_S, time.perf_counter() - begin)

    def _read(self, snapshot: Any, *, is_planned: bool) -> Tick:
        """Values of a tick; images only where they are planned from.

        Raises:
            SimulationError: The vehicle is gone, or a sensor sends nothing.
        """
        stamp_ns = round(float(snapshot.timestamp.elapsed_seconds) * 1e9)
        actor = snapshot.find(self.vehicle.id)
        if actor is None:
            raise SimulationError("the vehicle is gone: another client has destroyed it")
        ego = frames.ego_state(
            actor.get_transform(),
            actor.get_velocity(),
            actor.get_angular_velocity(),
            stamp_ns=stamp_ns,
            origin_ahead_m=self.origin_m,
        )
        acceleration = frames.ego_acceleration(
            actor.get_acceleration(),
            ego.heading_rad,
            ego.yaw_rate_radps,
            stamp_ns=stamp_ns,
            origin_ahead_m=self.origin_m,
        )
        values = self._sensors.read(snapshot.frame, self._options.timeout_s)
        images = tuple(
            measurements.image(camera, np.frombuffer(values[camera.name].raw_data, np.uint8), stamp_ns)
            for camera in (self._cameras if is_planned else ())
        )
        cloud = None
        if self._sensors.lidar_name is not None:
            raw = np.frombuffer(values[self._sensors.lidar_name].raw_data, np.float32)
            cloud = measurements.cloud(raw, stamp_ns)
        self.guide.update(ego)
        return Tick(
            ego=ego,
            acceleration=acceleration,
            images=images,
            cloud=cloud,
            command=self.guide.command,
            speed_limit_mps=self._limit_mps(),
            signal=self.guide.signal(self._lights.letter, stamp_ns),
        )

    def _limit_mps(self) -> float:
        """The limit that the server gives the vehicle, else the file's."""
        limit = float(self.vehicle.get_speed_limit()) / _KMH
        return limit if 0.0 < limit < 70.0 else self.guide.speed_limit_mps

    def _end(self, ego: EgoState, signal: TrafficSignal | None, time_s: float) -> str:
        """Reason that the drive is over, or the empty string."""
        if self.guide.remaining_m < GOAL_M + self.driver.rig.vehicle.front_offset_m:
            return "goal"
        if time_s >= self._options.duration_s:
            return "time"
        is_waiting = signal is not None and signal.state.name == "RED"
        if abs(ego.vx_mps) > _STUCK_MPS or is_waiting or self._stands_since_s is None:
            self._stands_since_s = time_s
        return "stuck" if time_s - self._stands_since_s > STUCK_S else ""

    def _report(self, end: str, driven_s: float, wall_s: float) -> dict[str, Any]:
        """Numbers of the drive, as JSON has them."""
        statistics, guide, events = self.driver.statistics, self.guide, self.events
        done = 1.0 if end == "goal" else min(1.0, (guide.s_m or 0.0) / guide.route.length_m)
        plan_ms = np.asarray(statistics.plan_ms or [0.0])
        beyond_ms = plan_ms[: len(statistics.core_ms)] - np.asarray(statistics.core_ms or [0.0])[: len(plan_ms)]
        return {
            "end": end,
            "map": self._connection.town.name,
            "seed": self._options.seed,
            "route_m": round(guide.route.length_m, 1),
            "route_completion": round(done, 4),
            "time_s": round(driven_s, 2),
            "mean_speed_mps": round((guide.s_m or 0.0) / max(driven_s, TICK_S), 2),
            "other_vehicles": self._num_vehicles,
            "collisions": events.collisions,
            "red_lights_s": events.red_lights_s,
            "lane_invasions": events.num_lane_invasions,
            "mean_offset_m": round(float(np.mean(self._offsets_m or [0.0])), 3),
            "max_offset_m": round(float(np.max(self._offsets_m or [0.0])), 3),
            "plans": statistics.num_cycles,
            "fallbacks": statistics.num_fallbacks,
            "plan_ms_median": round(float(np.median(plan_ms)), 1),
            "beyond_planner_ms_median": round(float(np.median(beyond_ms)), 2),
            "refused_inputs": statistics.refusals,
            "wall_s": round(wall_s, 1),
        }
