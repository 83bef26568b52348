"""The agent's route: the leaderboard's GPS plan, on the lanes of the map where the track gives one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import Route
from transdiffuser_planner.integrations.carla.frames import MAP_FRAME
from transdiffuser_planner.integrations.carla.geodesy import DEFAULT_REFERENCE, LocalMap
from transdiffuser_planner.integrations.carla.map_reference import reference_of_town
from transdiffuser_planner.integrations.carla.route.gps_route import (
    GpsPlan,
    gps_points,
    origin_of,
    positions,
    smooth_line,
)
from transdiffuser_planner.integrations.carla.route.lane_graph import LaneGraph
from transdiffuser_planner.integrations.carla.route.map_route import route_through
from transdiffuser_planner.integrations.carla.route.road_limits import RoadLimits
from transdiffuser_planner.simulation.map.route import GlobalRoute

_NEAR_DEG = 1.0
_OFF_ROAD_M = 100.0
"""Points of a plan are places on lanes: one farther from every lane than this is of another map."""
_TOWN_NAME = "leaderboard"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentRoute:
    """Route of one drive and the frame it is in.

    Attributes:
        local: Frame of GNSS positions.
        message: The planner's input.
        lanes: The route with limits, turns and lights; None without a map.
    """

    local: LocalMap
    message: Route
    lanes: GlobalRoute | None


def route_from_gps(plan: GpsPlan) -> AgentRoute:
    """Return the route without a map: a smooth line through the points, in a frame at the first of them.

    Args:
        plan: The leaderboard's GPS plan.

    Raises:
        InputError: The plan is none.
    """
    local = origin_of(plan)
    line = smooth_line(positions(plan, local))
    return AgentRoute(local=local, message=Route(stamp_ns=0, frame_id=MAP_FRAME, xy_N2=line), lanes=None)


def route_on_map(plan: GpsPlan, opendrive: str) -> AgentRoute:
    """Return the route on the lanes of a map, in the map's own frame.

    Args:
        plan: The leaderboard's GPS plan.
        opendrive: Text of the map.

    Raises:
        InputError: The plan is none, or lies off the map.
        SimulationError: The map is none, or a point of the plan cannot be reached.
    """
    import carla

    limits = RoadLimits(opendrive)
    town = carla.Map(_TOWN_NAME, opendrive)
    of_map, _is_0_9_16 = reference_of_town(town)
    latitude, longitude = gps_points(plan)[0]
    xy_N2 = positions(plan, reference_of(float(latitude), float(longitude), of_map))
    waypoints = [_waypoint(town, xy, point.get("z", 0.0)) for xy, (point, _option) in zip(xy_N2, plan, strict=True)]
    lanes = route_through(LaneGraph(town), waypoints, limits.limit_of)
    return AgentRoute(local=of_map, message=Route(stamp_ns=0, frame_id=MAP_FRAME, xy_N2=lanes.xy_N2), lanes=lanes)


def reference_of(latitude_deg: float, longitude_deg: float, of_map: LocalMap) -> LocalMap:
    """Return the reference that a position was computed with: the map's, or the leaderboard's for maps without one.

    Args:
        latitude_deg: Of the position.
        longitude_deg: Of the position.
        of_map: The map's.

    Raises:
        InputError: The position is near neither.
    """
    for reference in (of_map, DEFAULT_REFERENCE):
        gaps = (latitude_deg - reference.latitude_deg, longitude_deg - reference.longitude_deg)
        if np.hypot(*gaps) < _NEAR_DEG:
            return reference
    raise InputError(
        f"GPS: latitude {latitude_deg:.4f}, longitude {longitude_deg:.4f} is far from the map, whose origin is at "
        f"{of_map.latitude_deg:.4f}, {of_map.longitude_deg:.4f}; route and map do not belong together"
    )


def _waypoint(town: Any, xy: Any, z_m: float) -> Any:
    """carla.Waypoint of a point of the plan.

    Raises:
        InputError: No lane is near.
    """
    import carla

    place = carla.Location(x=float(xy[0]), y=-float(xy[1]), z=float(z_m))
    waypoint = town.get_waypoint(place)
    if waypoint is None or waypoint.transform.location.distance(place) > _OFF_ROAD_M:
        raise InputError(f"route: no lane near x {xy[0]:.1f} m, y {xy[1]:.1f} m; route and map do not belong together")
    return waypoint
