"""Guidance of the route at the vehicle's place: driving command, speed limit, next traffic light, progress."""

from __future__ import annotations

from collections.abc import Callable

from transdiffuser_planner.core.types import DrivingCommand, EgoState, Route, TrafficSignal
from transdiffuser_planner.integrations.carla.frames import MAP_FRAME
from transdiffuser_planner.planning.observation.route_rules import is_next_signal
from transdiffuser_planner.simulation.map.route import GlobalRoute

StateOf = Callable[[str], str]
"""SUMO's letter (r, y, g, o) of a traffic light by its OpenDRIVE id."""


_LETTERS = {"Red": "r", "Yellow": "y", "Green": "g"}


def letter_of(state: object) -> str:
    """Return SUMO's letter of a carla.TrafficLightState; o for off and unknown.

    Args:
        state: Of a light.
    """
    return _LETTERS.get(str(state).rpartition(".")[2], "o")


class RouteGuide:
    """Follower of the vehicle's place on its route. Not thread-safe.

    Args:
        route: In the map frame.
        front_offset_m: Distance from base_link to the front bumper.
    """

    def __init__(self, route: GlobalRoute, front_offset_m: float) -> None:
        self.route = route
        self.s_m: float | None = None
        """Arc length of base_link; None before the first update."""
        self.lateral_m = 0.0
        """Distance of base_link from the route, positive left."""
        self._front_offset_m = front_offset_m

    def message(self) -> Route:
        """Return the whole route as the planner's input."""
        return Route(stamp_ns=0, frame_id=MAP_FRAME, xy_N2=self.route.xy_N2)

    def update(self, ego: EgoState) -> None:
        """Find the vehicle's place.

        Args:
            ego: base_link in the map frame.
        """
        self.s_m, self.lateral_m = self.route.project(ego.x_m, ego.y_m, ego.heading_rad, self.s_m)

    @property
    def command(self) -> DrivingCommand:
        """Command of the junction at or ahead of the vehicle."""
        return self.route.command(self.s_m or 0.0)

    @property
    def speed_limit_mps(self) -> float:
        """Limit of the route at the vehicle."""
        return self.route.speed_limit(self.s_m or 0.0)

    @property
    def remaining_m(self) -> float:
        """Length of route left ahead of base_link."""
        return self.route.length_m - (self.s_m or 0.0)

    def signal(self, state_of: StateOf, stamp_ns: int) -> TrafficSignal | None:
        """Return the next traffic light within 100 m, or None.

        Args:
            state_of: Current states.
            stamp_ns: Of the tick.
        """
        front_m = (self.s_m or 0.0) + self._front_offset_m
        near = [light for light in self.route.signals if is_next_signal(light.s_m - front_m)]
        return self.route.next_signal(front_m, {light.tls_id: state_of(light.tls_id) for light in near}, stamp_ns)
