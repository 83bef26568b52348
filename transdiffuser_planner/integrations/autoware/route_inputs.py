"""Derives the planner's inputs from Autoware's: route, driving command, speed limit, traffic signal, tracked agents.

A sink between decoded messages and the snapshot assembler: every odometry message is followed by what the map states of the
vehicle's place on its route.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from transdiffuser_planner.core.agents import TrackedAgents
from transdiffuser_planner.core.types import (
    Acceleration,
    ActionTokens,
    CameraImage,
    CameraIntrinsics,
    DrivingCommand,
    EgoState,
    PointCloud,
    Route,
    SignalState,
    TrafficSignal,
)
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.autoware.interface import decode
from transdiffuser_planner.integrations.autoware.lanelets.lanelet_map import LaneletMap
from transdiffuser_planner.integrations.autoware.lanelets.route_elements import RouteLine, StopPoint
from transdiffuser_planner.integrations.autoware.route_builder import BuiltRoute, RouteBuilder
from transdiffuser_planner.messages.input_registry import SnapshotSink
from transdiffuser_planner.planning.observation.route_features import locate
from transdiffuser_planner.planning.observation.route_rules import command_at, is_next_signal

LIGHT_TIMEOUT_NS = 200_000_000
"""Lights of which no message has come for this long are unknown, as in Autoware's own planner."""
_UPDATE_NS = 50_000_000


class AgentSink(SnapshotSink, Protocol):
    """A snapshot assembler that also takes agents of another program.

    Attributes:
        awaited: Reason that no frame may be planned from yet; "" without one.
    """

    awaited: str

    def add_agents(self, agents: TrackedAgents) -> str | None:
        """Take agents."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Place:
    """The vehicle on its route, as of one odometry message; read by the outputs, from other threads.

    Attributes:
        line: The route.
        s_m: Arc length on it.
        stop: The next stop line ahead, if any.
        signal: State of its light and distance.
    """

    line: RouteLine
    s_m: float
    stop: StopPoint | None
    signal: TrafficSignal | None


class RouteInputs:
    """Forwards everything to an assembler and adds what follows from the map. Not thread-safe, but for its attributes.

    Attributes:
        place: The vehicle's place, replaced with every update; None without a route or away from it.
        altitude_m: Of the last odometry.
        uuids: Number of an agent -> its UUID in Autoware, of the last message.
        external_limit_mps: The last VelocityLimit; None before one.
    """

    def __init__(
        self, sink: AgentSink, lanelet_map: LaneletMap | None, vehicle: VehicleModel, refused: Callable[[str], None]
    ) -> None:
        """Start without a route.

        Args:
            sink: The assembler.
            lanelet_map: The vector map; None refuses routes.
            vehicle: Its front is what stops at a stop line.
            refused: Called from another thread with the reason why a route cannot be built.
        """
        self._sink, self._vehicle = sink, vehicle
        self._builder = None if lanelet_map is None else RouteBuilder(lanelet_map, refused)
        self._line: RouteLine | None = None
        self._frame_id = ""
        self._lights: dict[int, tuple[int, tuple[Any, ...]]] = {}
        self._has_lights = False
        self._updated_ns = -(10**18)
        self._s_m: float | None = None
        self.place: Place | None = None
        self.altitude_m = 0.0
        self.uuids: dict[int, bytes] = {}
        self.external_limit_mps: float | None = None

    def add_lanelet_route(self, message: Any) -> str | None:
        """Take a LaneletRoute; one without segments withdraws the route.

        The route is built in another thread, and is used from the first odometry message after that; until then plans
        follow the route before it. Without one, no frame is planned from.

        Args:
            message: autoware_planning_msgs/LaneletRoute.

        Returns:
            Reason for rejecting it, or None.
        """
        request = decode.lanelet_route(message)
        if not request.segments:
            return self.add_route(Route(stamp_ns=request.stamp_ns, frame_id=request.frame_id, xy_N2=np.zeros((0, 2))))
        if self._builder is None:
            return "route: lanelets mean nothing without their map; give the .osm file with --map"
        self._builder.request(request)
        if self._line is None:
            num = len(request.segments)
            self._sink.awaited = f"route: it is being built on the map, from {num} segment{'s' * (num > 1)}"
        return None

    @property
    def is_building(self) -> bool:
        """Whether a route is being built, which a later odometry message puts into use."""
        return self._builder is not None and self._builder.waits_for is not None

    def _use(self, built: BuiltRoute) -> None:
        """Drive along a new route; a refused one leaves the route before it."""
        self._sink.awaited = ""
        if built.line is None:
            return
        xy_N2 = np.ascontiguousarray(built.line.xyz_N3[:, :2])
        request = built.request
        self._sink.add_route(Route(stamp_ns=request.stamp_ns, frame_id=request.frame_id, xy_N2=xy_N2))
        self._line, self._s_m, self.place, self._updated_ns = built.line, None, None, -(10**18)
        self._frame_id = request.frame_id

    def add_traffic_lights(self, message: Any) -> str | None:
        """Take a TrafficLightGroupArray of either version; never refused but for a malformed stamp.

        Args:
            message: autoware_perception_msgs/TrafficLightGroupArray.
        """
        stamp, groups = decode.traffic_lights(message)
        self._has_lights = True
        self._lights |= {number: (stamp, elements) for number, elements in groups.items()}
        self._lights = {n: light for n, light in self._lights.items() if abs(stamp - light[0]) <= LIGHT_TIMEOUT_NS}
        return None

    def add_tracked_objects(self, message: Any) -> str | None:
        """Take TrackedObjects in place of the planner's own detections.

        Args:
            message: autoware_perception_msgs/TrackedObjects.

        Returns:
            Reason for rejecting it, or None.
        """
        agents, self.uuids = decode.tracked_objects(message)
        return self._sink.add_agents(agents)

    def add_velocity_limit(self, message: Any) -> str | None:
        """Take a VelocityLimit, which holds until the next.

        Args:
            message: autoware_internal_planning_msgs/VelocityLimit.
        """
        self.external_limit_mps = decode.velocity_limit(message)
        return None

    def add_odometry(self, ego: EgoState) -> str | None:
        """Forward odometry and update what depends on the vehicle's place.

        Args:
            ego: The vehicle.

        Returns:
            Reason for rejecting it, or None.
        """
        reason = self._sink.add_odometry(ego)
        built = None if self._builder is None else self._builder.take()
        if built is not None:
            self._use(built)
        if reason is None:
            self.altitude_m = ego.z_m
            if abs(ego.stamp_ns - self._updated_ns) >= _UPDATE_NS:
                self._updated_ns = ego.stamp_ns
                self._update(ego)
        return reason

    def _update(self, ego: EgoState) -> None:
        """Derive command, limit and signal at the vehicle's place."""
        line = self._line if ego.frame_id == self._frame_id else None
        found = None if line is None else locate(line.geometry, ego, expected_s_m=self._s_m)
        self._s_m = None if found is None else found.s_m
        if line is None or found is None:
            self.place = None
            if self.external_limit_mps:
                self._sink.add_speed_limit(ego.stamp_ns, self.external_limit_mps)
            return
        self._sink.add_command(ego.stamp_ns, command_at(line.turns, found.s_m))
        limits = [limit_at(line, found.s_m), self.external_limit_mps]
        known = [limit for limit in limits if limit is not None and limit > 0.0]
        if known:
            self._sink.add_speed_limit(ego.stamp_ns, min(known))
        stop, signal = self._signal(line, found.s_m, ego.stamp_ns)
        if signal is not None:
            self._sink.add_signal(signal)
        self.place = Place(line=line, s_m=found.s_m, stop=stop, signal=signal)

    def _signal(self, line: RouteLine, s_m: float, now_ns: int) -> tuple[StopPoint | None, TrafficSignal | None]:
        """The next stop line and the state of its light; without any message of lights the state is for the cameras."""
        front_m = s_m + self._vehicle.front_offset_m
        stop = next((stop for stop in line.stop_points if is_next_signal(stop.s_m - front_m)), None)
        if not self._has_lights:
            return stop, None
        state, distance_m = SignalState.UNKNOWN, 0.0
        stamp, elements = self._lights.get(stop.rule_id, (0, ())) if stop is not None else (0, ())
        if stop is not None and elements and abs(now_ns - stamp) <= LIGHT_TIMEOUT_NS:
            state = decode.signal_state(elements, stop.turn_direction)
            distance_m = 0.0 if state is SignalState.UNKNOWN else max(0.0, stop.s_m - front_m)
        return stop, TrafficSignal(stamp_ns=now_ns, state=state, distance_m=distance_m)

    # Everything else passes.

    def add_image(self, image: CameraImage) -> str | None:
        """Forward a camera image."""
        return self._sink.add_image(image)

    def add_intrinsics(self, name: str, intrinsics: CameraIntrinsics) -> str | None:
        """Forward the intrinsics of a camera."""
        return self._sink.add_intrinsics(name, intrinsics)

    def add_cloud(self, cloud: PointCloud) -> str | None:
        """Forward a point cloud."""
        return self._sink.add_cloud(cloud)

    def add_acceleration(self, acceleration: Acceleration) -> str | None:
        """Forward an acceleration."""
        return self._sink.add_acceleration(acceleration)

    def add_route(self, route: Route) -> str | None:
        """Forward a polyline route; it replaces the LaneletRoute."""
        reason = self._sink.add_route(route)
        if reason is None:
            self._line = self.place = None
            self._sink.awaited = ""
            if self._builder is not None:
                self._builder.cancel()
        return reason

    def add_command(self, stamp_ns: int, command: DrivingCommand) -> str | None:
        """Forward a driving command."""
        return self._sink.add_command(stamp_ns, command)

    def add_signal(self, signal: TrafficSignal) -> str | None:
        """Forward a traffic signal."""
        return self._sink.add_signal(signal)

    def add_speed_limit(self, stamp_ns: int, speed_limit_mps: float) -> str | None:
        """Forward a speed limit."""
        return self._sink.add_speed_limit(stamp_ns, speed_limit_mps)

    def add_action_tokens(self, tokens: ActionTokens) -> str | None:
        """Forward action tokens."""
        return self._sink.add_action_tokens(tokens)


def limit_at(line: RouteLine, s_m: float) -> float | None:
    """Speed limit (m/s) of the lanelet at a place; on lanelets without one that of the lanelet before holds.

    Args:
        line: The route.
        s_m: Arc length.
    """
    passed = [
        item.speed_limit_mps for item in line.stretches if item.begin_m <= s_m and item.speed_limit_mps is not None
    ]
    return passed[-1] if passed else None
