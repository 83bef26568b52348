"""One drive of the leaderboard: sensor data of a tick in, controls out; without the leaderboard's own classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import Acceleration, EgoState
from transdiffuser_planner.integrations.carla import measurements
from transdiffuser_planner.integrations.carla.actuation import CarlaVehicle, Controls
from transdiffuser_planner.integrations.carla.agent import agent_sensors as names
from transdiffuser_planner.integrations.carla.agent.agent_route import (
    AgentRoute,
    reference_of,
    route_from_gps,
    route_on_map,
)
from transdiffuser_planner.integrations.carla.agent.agent_settings import AgentSettings
from transdiffuser_planner.integrations.carla.driver import Driver, Tick
from transdiffuser_planner.integrations.carla.gnss_frame import GnssFrame
from transdiffuser_planner.integrations.carla.localization import Localizer, VehicleReading
from transdiffuser_planner.integrations.carla.route.gps_route import GpsPlan
from transdiffuser_planner.integrations.carla.route.route_guide import RouteGuide, StateOf
from transdiffuser_planner.integrations.carla.sensor_setup import cameras_of, rig_in_carla

SensorData = Mapping[str, tuple[int, Any]]
"""Name of a sensor -> (frame, value)."""


class AgentCore:
    """Agent of one route. Not thread-safe.

    Args:
        settings: Model, rig and track.
        plan: The leaderboard's GPS plan.
        state_of: States of traffic lights by OpenDRIVE id; None where the agent does not receive any.

    Raises:
        PlannerError: Model, rig or plan cannot be used.
    """

    def __init__(self, settings: AgentSettings, plan: GpsPlan, state_of: StateOf | None = None) -> None:
        rig = settings.load_rig()
        self._settings, self._plan, self._state_of = settings, plan, state_of
        self._origin_ahead_m = rig.base_from_odometry_child_x_m
        self._cameras = cameras_of(rig, self._origin_ahead_m)
        self._sensors = names.sensor_list(settings, rig, self._cameras, self._origin_ahead_m)
        self.driver = Driver.load(settings.model, rig_in_carla(rig, self._cameras), settings.config(), CarlaVehicle())
        self._localizer = Localizer()
        self._gnss: GnssFrame | None = None
        self._moved_north_m = 0.0
        self._route: AgentRoute | None = None if settings.has_map else route_from_gps(plan)
        self.guide: RouteGuide | None = None
        """Place on the route; None without a map."""
        self.ego: EgoState | None = None
        """State of base_link of the newest tick; None before the first."""
        self._speed_mps = 0.0
        self._num_steps = 0
        if self._route is not None:
            self.driver.set_route(self._route.message)

    def sensors(self) -> list[dict[str, Any]]:
        """Return the sensors in the leaderboard's words."""
        return [dict(sensor) for sensor in self._sensors]

    def step(self, data: SensorData, timestamp_s: float) -> Controls:
        """Take the data of a tick.

        Args:
            data: Of every sensor.
            timestamp_s: Game time.

        Raises:
            PlannerError: Data, map or model cannot be used.
        """
        route = self._known_route(data)
        stamp_ns = round(timestamp_s * 1e9)
        imu = measurements.inertial(data[names.IMU][1])
        speed = data[names.SPEED][1].get("speed")
        if speed is not None and math.isfinite(
            speed
        ):  # the leaderboard's speedometer sends None when it is interrupted
            self._speed_mps = float(speed)
        if self.ego is not None:
            self._moved_north_m += self._speed_mps * math.sin(imu.heading_rad) * (stamp_ns - self.ego.stamp_ns) * 1e-9
        ego = self._localizer.update(
            VehicleReading(
                stamp_ns=stamp_ns,
                xy_2=self._position(data[names.GNSS][1], route),
                heading_rad=imu.heading_rad,
                yaw_rate_radps=float(imu.rate_3[2]),
                acceleration_mps2=float(imu.acceleration_3[0]),
                speed_mps=self._speed_mps,
            )
        )
        assert ego is not None  # every tick has a position
        self.ego = ego
        acceleration = Acceleration(
            stamp_ns=stamp_ns, ax_mps2=float(imu.acceleration_3[0]), ay_mps2=float(imu.acceleration_3[1])
        )
        is_planned = self._num_steps % self._settings.plan_every == 0
        self._num_steps += 1
        return self.driver.step(self._tick(data, ego, acceleration, is_planned=is_planned), is_planned=is_planned)

    def _known_route(self, data: SensorData) -> AgentRoute:
        """The route; on a track with map it is found when the map arrives."""
        if self._route is None:
            self._route = route_on_map(self._plan, data[names.MAP][1]["opendrive"])
            self.driver.set_route(self._route.message)
            if self._route.lanes is not None:
                self.guide = RouteGuide(self._route.lanes, self.driver.rig.vehicle.front_offset_m)
        return self._route

    def _position(self, reading: Any, route: AgentRoute) -> Any:
        """Position (2,) of base_link in the route's frame.

        Raises:
            InputError: It is no place near the route.
        """
        latitude, longitude = float(reading[0]), float(reading[1])
        if not (math.isfinite(latitude) and math.isfinite(longitude)):
            raise InputError(f"gnss: latitude {latitude}, longitude {longitude} are no coordinates")
        if self._gnss is None:
            local = reference_of(latitude, longitude, route.local)
            self._gnss = GnssFrame(local, route.message.xy_N2[0], is_at_reference=self._settings.has_map)
        was_mirrored = self._gnss.is_mirrored
        xy = self._gnss.xy(latitude, longitude, self._moved_north_m)
        if self._gnss.is_mirrored and was_mirrored is None:
            self._localizer = Localizer()  # its past has the other sign
        return xy

    def _tick(self, data: SensorData, ego: EgoState, acceleration: Acceleration, *, is_planned: bool) -> Tick:
        """Values of the driver's tick; images only where they are planned from."""
        stamp_ns, guide = ego.stamp_ns, self.guide
        images = tuple(
            measurements.image(camera, np.asarray(data[camera.name][1]), stamp_ns)
            for camera in (self._cameras if is_planned else ())
        )
        cloud = None
        if names.LIDAR in data:
            cloud = measurements.cloud(np.asarray(data[names.LIDAR][1]), stamp_ns)
        if guide is None:
            return Tick(ego=ego, acceleration=acceleration, images=images, cloud=cloud)
        guide.update(ego)
        signal = None if self._state_of is None else guide.signal(self._state_of, stamp_ns)
        return Tick(
            ego=ego,
            acceleration=acceleration,
            images=images,
            cloud=cloud,
            command=guide.command,
            speed_limit_mps=guide.speed_limit_mps,
            signal=signal,
        )
