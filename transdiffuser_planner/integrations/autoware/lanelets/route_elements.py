"""A route on a vector map: its polyline, and what lies along it. Arc lengths begin at its first point. N points."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.planning.observation.route_features import RouteGeometry
from transdiffuser_planner.planning.observation.route_rules import RouteTurn

FloatArray = NDArray[np.float64]

_COMMANDS = {
    "left": DrivingCommand.LEFT,
    "right": DrivingCommand.RIGHT,
    "straight": DrivingCommand.STRAIGHT,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A lanelet on the route.

    Attributes:
        lanelet_id: Of the map.
        begin_m, end_m: Arc lengths.
        speed_limit_mps: None without one.
        turn_direction: "left", "right", "straight" or "".
    """

    lanelet_id: int
    begin_m: float
    end_m: float
    speed_limit_mps: float | None
    turn_direction: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneChange:
    """Arc lengths between which the route changes lanes, to the left or to the right."""

    begin_m: float
    end_m: float
    is_left: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StopPoint:
    """Where the route crosses the stop line of a traffic light.

    Attributes:
        s_m: Arc length.
        rule_id: Regulatory element.
        turn_direction: Of the lanelet behind the stop line.
    """

    s_m: float
    rule_id: int
    turn_direction: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RouteLine:
    """A route.

    Attributes:
        xyz_N3: Polyline in the frame ``map``, m.
        geometry: Of its horizontal part.
        stretches, lane_changes, stop_points: In driving order.
        turns: The stretches with a turn direction, with their driving commands.
    """

    xyz_N3: FloatArray
    stretches: tuple[Stretch, ...]
    lane_changes: tuple[LaneChange, ...]
    stop_points: tuple[StopPoint, ...]
    geometry: RouteGeometry = field(init=False)
    turns: tuple[RouteTurn, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometry", RouteGeometry.of(self.xyz_N3[:, :2]))
        turns = [
            RouteTurn(start_m=item.begin_m, end_m=item.end_m, command=_COMMANDS[item.turn_direction])
            for item in self.stretches
            if item.turn_direction in _COMMANDS
        ]
        object.__setattr__(self, "turns", tuple(turns))

    @property
    def length_m(self) -> float:
        """Arc length of the goal."""
        return float(self.geometry.begin_s[-1])
