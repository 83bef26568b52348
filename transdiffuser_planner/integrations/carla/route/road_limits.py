"""Speed limits of an OpenDRIVE file by road, lane and place, for agents that receive the file but no limit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from transdiffuser_planner.core.errors import SimulationError

CAP_MPS = 50.0 / 3.6
"""Largest limit used, also where the file has none.

CARLA's towns state up to 65 mph, and signs that the file does not hold lower them.
"""
_UNITS = {"": 1.0, "m/s": 1.0, "km/h": 1.0 / 3.6, "mph": 0.44704}
_Steps = list[tuple[float, float]]


@dataclass(slots=True)
class _Road:
    """Limits of one road: (from s in m, limit in m/s), and the same by lane."""

    road: _Steps = field(default_factory=list)
    lanes: dict[int, _Steps] = field(default_factory=dict)


class RoadLimits:
    """Limits of one file.

    Args:
        opendrive: Text of the file.

    Raises:
        SimulationError: The text is no XML.
    """

    def __init__(self, opendrive: str) -> None:
        self._roads: dict[int, _Road] = {}
        try:
            root = ElementTree.fromstring(opendrive)
        except ElementTree.ParseError as error:
            raise SimulationError(f"OpenDRIVE map: not valid XML ({error}); the server or sensor sent no map") from None
        for element in root.iter("road"):
            try:
                self._roads[int(element.get("id", "-1"))] = _road(element)
            except ValueError:
                continue  # names instead of numbers: CARLA's map does not know such a road either

    def limit_of(self, waypoint: Any) -> float:
        """Return the limit in m/s at a waypoint.

        Args:
            waypoint: carla.Waypoint, or anything with its road_id, lane_id and s.
        """
        road = self._roads.get(waypoint.road_id)
        if road is None:
            return CAP_MPS
        steps = road.lanes.get(waypoint.lane_id) or road.road
        limits = [limit for begin, limit in steps if begin <= waypoint.s + 1e-6]
        return min(CAP_MPS, limits[-1]) if limits else CAP_MPS


def _road(element: ElementTree.Element) -> _Road:
    """Read the limits of a road.

    Raises:
        ValueError: A number is none.
    """
    found = _Road()
    for kind in element.findall("type"):
        _add(found.road, float(kind.get("s", "0")), kind.find("speed"))
    for section in element.iter("laneSection"):
        begin = float(section.get("s", "0"))
        for lane in section.iter("lane"):
            for speed in lane.findall("speed"):
                place = begin + float(speed.get("sOffset", "0"))
                _add(found.lanes.setdefault(int(lane.get("id", "0")), []), place, speed)
    return found


def _add(steps: _Steps, begin_m: float, speed: ElementTree.Element | None) -> None:
    """Append a stated limit, if it is a positive number in a known unit."""
    if speed is None or speed.get("unit", "") not in _UNITS:
        return
    try:
        limit = float(speed.get("max", "")) * _UNITS[speed.get("unit", "")]
    except ValueError:  # "no limit", "undefined"
        return
    if limit > 0.0 and math.isfinite(limit):
        steps.append((begin_m, limit))
