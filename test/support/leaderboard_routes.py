"""Routes for CARLA's leaderboard through the map of a running server; a program, as CARLA's package holds the interpreter."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import carla

LONGEST_M = 700.0
_EVERY = 40
_WEATHER = "".join(
    f'<weather route_percentage="{share}" cloudiness="5" precipitation="0" precipitation_deposits="0" wetness="0" '
    'wind_intensity="10" sun_azimuth_angle="-1" sun_altitude_angle="60" fog_density="2"/>'
    for share in (0, 100)
)


def routes(town: Any, at_least_m: float, seed: int) -> Iterator[list[Any]]:
    """Yield places (carla.Location) along ways between spawn points that are at least that long."""
    from agents.navigation.global_route_planner import GlobalRoutePlanner

    planner, places, drawn = GlobalRoutePlanner(town, 1.0), town.get_spawn_points(), random.Random(seed)
    while True:
        start, goal = drawn.sample(places, 2)
        if start.location.distance(goal.location) < at_least_m / 2.0:
            continue
        try:
            way = [waypoint.transform.location for waypoint, _ in planner.trace_route(start.location, goal.location)]
        except Exception:  # networkx's and the planner's own, where no way leads there
            continue
        length_m = sum(a.distance(b) for a, b in itertools.pairwise(way))
        if at_least_m <= length_m <= LONGEST_M:
            yield [way[0], *way[_EVERY : -_EVERY // 4 : _EVERY], way[-1]]


def write(path: Path, town_name: str, found: list[list[Any]]) -> None:
    """Write a file of routes without scenarios."""
    parts = []
    for number, places in enumerate(found):
        points = "".join(f'<position x="{p.x:.1f}" y="{p.y:.1f}" z="0.0"/>' for p in places)
        parts.append(
            f'<route id="{number}" town="{town_name}"><weathers>{_WEATHER}</weathers><waypoints>{points}</waypoints>'
            "<scenarios></scenarios></route>"
        )
    path.write_text(f"<routes>{''.join(parts)}</routes>")


if __name__ == "__main__":
    port, count, at_least, seed_text, file = sys.argv[1:]
    client = carla.Client("localhost", int(port))
    client.set_timeout(600.0)
    loaded = client.get_world().get_map()
    ways = routes(loaded, float(at_least), int(seed_text))
    write(Path(file), loaded.name.rpartition("/")[2], [next(ways) for _ in range(int(count))])
