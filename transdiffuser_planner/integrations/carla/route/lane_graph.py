"""Shortest way through the lanes of a CARLA map, lane changes included.

A lane here is a lane of one section of one road. Edges lead to the lanes that continue it, and to a neighbor of the same
direction where the map permits to change into it. Dijkstra's algorithm finds the shortest way.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from transdiffuser_planner.core.errors import SimulationError

SPACING_M = 2.0
CHANGE_COST_M = 25.0
MIN_CHANGE_M = 20.0
"""Shortest lane in which a lane is changed."""
LaneKey = tuple[int, int, int]
"""Road, section, lane."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneStep:
    """One lane of a way.

    Attributes:
        waypoints: carla.Waypoint every 2 m of the whole lane, in driving order.
        is_changed_into: Whether the way enters it from the lane next to it, not from behind.
    """

    waypoints: tuple[Any, ...]
    is_changed_into: bool


@dataclass(slots=True)
class _Lane:
    waypoints: tuple[Any, ...]
    successors: list[LaneKey] = field(default_factory=list)

    @property
    def length_m(self) -> float:
        return SPACING_M * len(self.waypoints)


def key_of(waypoint: Any) -> LaneKey:
    """Return the lane that a waypoint is on.

    Args:
        waypoint: carla.Waypoint.
    """
    return (waypoint.road_id, waypoint.section_id, waypoint.lane_id)


def _lane_begin(waypoint: Any) -> Any:
    """carla.Waypoint within 0.25 m of the beginning of a lane.

    Not by previous_until_lane_start, which ends the process (0.9.16) for a lane that nothing leads to.
    """
    return (waypoint, *_stepped(waypoint, lambda at, distance_m: at.previous(distance_m)))[-1]


def until_lane_end(begin: Any) -> list[Any]:
    """Find the waypoints from one to the end of its lane.

    Args:
        begin: carla.Waypoint.

    Returns:
        carla.Waypoint every 2 m after it, and the end of the lane.
    """
    try:
        return [waypoint for waypoint in begin.next_until_lane_end(SPACING_M) if key_of(waypoint) == key_of(begin)]
    except RuntimeError:  # where the last step ends exactly at the end, the library searches on by no distance
        return _stepped(begin, lambda at, distance_m: at.next(distance_m))


def _stepped(start: Any, step: Callable[[Any, float], Any]) -> list[Any]:
    """carla.Waypoint every 2 m after one on its own lane, and a last one within 0.25 m of the end."""

    def one_step(distance_m: float) -> bool:
        at = found[-1]
        others = [other for other in step(at, distance_m) if key_of(other) == key_of(start)]
        is_on = bool(others) and abs(others[0].s - at.s) < 2.0 * distance_m  # a ring road leads to its own beginning
        if is_on:
            found.append(others[0])
        return is_on

    found = [start]
    while one_step(SPACING_M):
        pass
    whole = len(found)
    for distance_m in (SPACING_M / 2, SPACING_M / 4, SPACING_M / 8):
        one_step(distance_m)
    return [*found[1:whole], *found[max(whole, len(found) - 1) :]]


class LaneGraph:
    """Lanes of one map; built once.

    Args:
        town: carla.Map.

    Raises:
        SimulationError: CARLA's package cannot read how the lanes are connected.
    """

    def __init__(self, town: Any) -> None:
        self._lanes: dict[LaneKey, _Lane] = {}
        try:
            topology = town.get_topology()
        except (IndexError, RuntimeError) as error:
            raise SimulationError(
                f"map {town.name}: CARLA's package cannot read how its lanes are connected ({error}); in the OpenDRIVE file "
                "every road needs its lane 0, and every junction its connections"
            ) from None
        for begin, end in topology:
            self._lane(begin).successors.append(key_of(end))
            self._lane(end)

    def _lane(self, begin: Any) -> _Lane:
        key = key_of(begin)
        if key not in self._lanes:
            self._lanes[key] = _Lane(waypoints=(begin, *until_lane_end(begin)))
        return self._lanes[key]

    def begin_of(self, waypoint: Any) -> Any:
        """Return the first carla.Waypoint of the lane that another is on.

        Args:
            waypoint: On a lane of the map's topology.
        """
        lane = self._lanes.get(key_of(waypoint))
        return waypoint if lane is None else lane.waypoints[0]

    def way(self, start: Any, goal: Any) -> list[LaneStep]:
        """Find the shortest way between two waypoints.

        Args:
            start: carla.Waypoint where the way begins.
            goal: carla.Waypoint where it ends.

        Returns:
            The lanes in driving order, from that of the start to that of the goal.

        Raises:
            SimulationError: There is none.
        """
        first, last = key_of(start), key_of(goal)
        for waypoint in (start, goal):
            if key_of(waypoint) not in self._lanes:  # a lane that leads nowhere is not in the topology
                self._lane(_lane_begin(waypoint))
        is_abreast = first[:2] == last[:2]
        is_behind = is_abreast and self._index(last, goal) < self._index(first, start) * self._stretch(first, last)
        if first == last and not is_behind:
            return [LaneStep(waypoints=self._lanes[first].waypoints, is_changed_into=False)]
        keys = self._search(first, last, must_leave=is_behind)
        return [LaneStep(waypoints=self._lanes[key].waypoints, is_changed_into=is_changed) for key, is_changed in keys]

    def _index(self, key: LaneKey, waypoint: Any) -> int:
        """Index of a lane's waypoint nearest to another."""
        place = waypoint.transform.location
        gaps = [
            math.hypot(w.transform.location.x - place.x, w.transform.location.y - place.y)
            for w in self._lanes[key].waypoints
        ]
        return gaps.index(min(gaps))

    def _stretch(self, first: LaneKey, last: LaneKey) -> float:
        """Waypoints of a lane per waypoint of its neighbor, which is shorter or longer in a bend."""
        return len(self._lanes[last].waypoints) / len(self._lanes[first].waypoints)

    def _search(self, first: LaneKey, last: LaneKey, *, must_leave: bool) -> list[tuple[LaneKey, bool]]:
        """Dijkstra; for a goal behind the start, its section is left before the goal counts as reached.

        Raises:
            SimulationError: The goal cannot be reached.
        """
        queue: list[tuple[float, LaneKey, LaneKey, bool]] = []
        for following, is_changed, cost in self._edges(first):
            if is_changed and must_leave:
                continue
            heapq.heappush(queue, (cost, following, first, is_changed))
        before: dict[LaneKey, tuple[LaneKey, bool]] = {}
        while queue:
            cost, key, previous, is_changed = heapq.heappop(queue)
            if key in before:
                continue
            before[key] = (previous, is_changed)
            if key == last:
                return self._traced(before, first, last)
            for following, change, extra in self._edges(key):
                if following not in before:
                    heapq.heappush(queue, (cost + extra, following, key, change))
        raise SimulationError(f"route: no way leads from lane {first} to lane {last}; choose another goal")

    def _edges(self, key: LaneKey) -> Iterator[tuple[LaneKey, bool, float]]:
        """Find the lanes that may follow one.

        Yields:
            Lane, whether by a lane change, cost in m.
        """
        lane = self._lanes[key]
        for following in lane.successors:
            yield following, False, lane.length_m
        if lane.length_m < MIN_CHANGE_M or lane.waypoints[0].is_junction:
            return
        middle = lane.waypoints[len(lane.waypoints) // 2]
        for side, neighbor in (("Left", middle.get_left_lane()), ("Right", middle.get_right_lane())):
            permitted = str(middle.lane_change) in (side, "Both")
            if neighbor is None or not permitted or neighbor.lane_id * middle.lane_id < 0:
                continue
            if key_of(neighbor) in self._lanes and str(neighbor.lane_type) == "Driving":
                yield key_of(neighbor), True, CHANGE_COST_M

    @staticmethod
    def _traced(
        before: dict[LaneKey, tuple[LaneKey, bool]], first: LaneKey, last: LaneKey
    ) -> list[tuple[LaneKey, bool]]:
        """The way found, in driving order."""
        way: list[tuple[LaneKey, bool]] = []
        key = last
        while True:
            previous, is_changed = before[key]
            way.append((key, is_changed))
            if previous == first:
                break
            key = previous
        return [(first, False), *reversed(way)]
