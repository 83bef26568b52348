"""Start and goal of a drive among the spawn points of the map."""

from __future__ import annotations

import random
from typing import Any

from transdiffuser_planner.core.errors import ConfigError, SimulationError
from transdiffuser_planner.integrations.carla.route.lane_graph import LaneGraph
from transdiffuser_planner.integrations.carla.route.map_route import LimitOf, route_through
from transdiffuser_planner.simulation.map.route import GlobalRoute

_MAX_TRIES = 60
_LONGEST = 3.0


def choose_route(
    town: Any, limit_of: LimitOf, *, seed: int, length_m: float, start: int | None, goal: int | None
) -> tuple[Any, GlobalRoute]:
    """Choose spawn points with a route between them.

    Args:
        town: carla.Map.
        limit_of: Speed limit at a waypoint.
        seed: Of whatever is not given.
        length_m: Least length of the route, if the goal is not given; at most three times as long.
        start: Number of a spawn point, or None.
        goal: Number of a spawn point, or None.

    Returns:
        carla.Transform of the start, and the route.

    Raises:
        ConfigError: There is no such spawn point.
        SimulationError: There is no such route.
    """
    points = town.get_spawn_points()
    for name, number in (("--from", start), ("--to", goal)):
        if number is not None and not 0 <= number < len(points):
            raise ConfigError(f"{name} {number}: the map has the spawn points 0 .. {len(points) - 1}")
    if len(points) < 2:
        raise SimulationError(f"the map has {len(points)} spawn points; load another with --map")
    graph, draw = LaneGraph(town), random.Random(seed)
    last = SimulationError("route: no pair of spawn points was tried")
    for _ in range(_MAX_TRIES):
        first = draw.randrange(len(points)) if start is None else start
        second = draw.randrange(len(points)) if goal is None else goal
        if first == second:
            continue
        ends = [town.get_waypoint(points[index].location) for index in (first, second)]
        try:
            route = route_through(graph, ends, limit_of)
        except SimulationError as error:
            last = error
        else:
            if goal is not None or length_m <= route.length_m <= _LONGEST * length_m:
                return points[first], route
            last = SimulationError(f"route: {route.length_m:.0f} m between spawn points {first} and {second}")
        if start is not None and goal is not None:
            raise last
    raise SimulationError(
        f"no route of {length_m:g} to {_LONGEST * length_m:g} m was found ({last}); change --distance"
    )
