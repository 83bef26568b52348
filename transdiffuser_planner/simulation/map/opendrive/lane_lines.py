"""Center lines and widths of OpenDRIVE lanes, and the way of a vehicle from lane to lane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.opendrive.reference_line import polynomial, sample_line
from transdiffuser_planner.simulation.map.opendrive.road_records import Road, RoadFile

FloatArray = NDArray[np.float64]

STEP_M = 1.0
SIMPLIFIED_M = 0.01


@dataclass(frozen=True, slots=True)
class LanePlace:
    """One lane of one lane section.

    Attributes:
        road: Id of the road.
        section: Index of the section.
        lane: Number of the lane.
    """

    road: str
    section: int
    lane: int


def lane_line(
    roads: RoadFile, place: LanePlace, step_m: float = STEP_M, max_width_m: float = np.inf
) -> tuple[FloatArray, FloatArray]:
    """Return center line (N, 2) in driving order and widths (N,) of a lane.

    Args:
        roads: The file.
        place: The lane.
        step_m: Distance of the points along the road.
        max_width_m: Of a wider lane the strip next to the road's middle is taken.
    """
    road = roads.roads[place.road]
    section = road.sections[place.section]
    count = max(2, int(np.ceil((section.end_m - section.start_m) / step_m)) + 1)
    s = np.union1d(np.linspace(section.start_m, section.end_m, count), _breaks(road, place.section))
    s[-1] -= min(1e-6, (section.end_m - section.start_m) / 2.0)  # widths of this section, not of the next
    center, width = lateral_range(road, place, s)
    beyond = np.maximum(width - max_width_m, 0.0)
    center, width = center - np.sign(place.lane) * beyond / 2.0, width - beyond
    xy = points_at(road, s, center)
    return (xy, width) if place.lane < 0 else (xy[::-1], width[::-1])


def _breaks(road: Road, section: int) -> FloatArray:
    """Return the distances within a section where a piece of the reference line, the offset or a width begins."""
    part = road.sections[section]
    starts = [[g.s_m for g in road.line], road.offset_K5[:, 0]]
    starts += [lane.width_K5[:, 0] for lane in part.lanes.values()]
    at = np.concatenate([np.asarray(row, dtype=np.float64) for row in starts])
    return np.asarray(at[(at > part.start_m + 0.01) & (at < part.end_m - 0.01)])


def lateral_range(road: Road, place: LanePlace, s_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return offsets of a lane's center from the reference line, positive left, and its widths.

    Args:
        road: The lane's.
        place: The lane.
        s_N: Distances along the road, within the lane's section.
    """
    lanes, side = road.sections[place.section].lanes, 1 if place.lane > 0 else -1
    inner = np.zeros_like(s_N)
    for number in range(1, abs(place.lane)):
        if side * number in lanes:
            inner = inner + polynomial(lanes[side * number].width_K5, s_N)
    width = polynomial(lanes[place.lane].width_K5, s_N)
    return polynomial(road.offset_K5, s_N) + side * (inner + width / 2.0), width


def points_at(road: Road, s_N: FloatArray, t_N: FloatArray) -> FloatArray:
    """Return points (N, 2) at distances along a road and offsets to the left of its reference line.

    Args:
        road: Any.
        s_N: Distances along the road, m.
        t_N: Offsets, positive left, m.
    """
    xy, heading = sample_line(road.line, s_N)
    return np.asarray(xy + t_N[:, None] * np.stack([-np.sin(heading), np.cos(heading)], axis=-1))


def next_lane(roads: RoadFile, place: LanePlace) -> LanePlace | None:
    """Return the lane that a vehicle reaches at a lane's end; None at a junction or at the network's end.

    Args:
        roads: The file.
        place: The lane that it drives on.
    """
    return _neighbor(roads, place, forward=place.lane < 0)


def previous_lane(roads: RoadFile, place: LanePlace) -> LanePlace | None:
    """Return the lane that a vehicle has left at a lane's start; None at a junction or at the network's end.

    Args:
        roads: The file.
        place: The lane that it drives on.
    """
    return _neighbor(roads, place, forward=place.lane > 0)


def _neighbor(roads: RoadFile, place: LanePlace, *, forward: bool) -> LanePlace | None:
    """Return the linked lane towards the road's end (forward) or its start."""
    road = roads.roads[place.road]
    lane = road.sections[place.section].lanes[place.lane]
    linked = lane.successor if forward else lane.predecessor
    section = place.section + (1 if forward else -1)
    if 0 <= section < len(road.sections):
        number = place.lane if linked is None else linked
        found = LanePlace(place.road, section, number)
        return found if number in road.sections[section].lanes and number * place.lane > 0 else None
    link = road.successor if forward else road.predecessor
    if link is None or link.kind != "road" or linked is None or link.element not in roads.roads:
        return None
    other = roads.roads[link.element]
    section = 0 if link.at_start else len(other.sections) - 1
    # The driving direction goes on: towards the end of a road that is met at its start, and the reverse.
    goes_forward = (place.lane < 0) == forward
    is_kept = (linked < 0) == (link.at_start == goes_forward)
    return LanePlace(link.element, section, linked) if is_kept and linked in other.sections[section].lanes else None


def simplified(xy_N2: FloatArray, tolerance_m: float = SIMPLIFIED_M) -> FloatArray:
    """Return a polyline without points that lie within a tolerance of it (Ramer, Douglas and Peucker).

    Args:
        xy_N2: Polyline, m.
        tolerance_m: Largest distance of a point that is left out.
    """
    keep = np.zeros(len(xy_N2), dtype=np.bool_)
    keep[[0, -1]] = True
    open_ranges = [(0, len(xy_N2) - 1)]
    while open_ranges:
        first, last = open_ranges.pop()
        if last - first < 2:
            continue
        chord = xy_N2[last] - xy_N2[first]
        relative = xy_N2[first + 1 : last] - xy_N2[first]
        t = np.clip(relative @ chord / max(float(chord @ chord), 1e-12), 0.0, 1.0)
        gap = np.hypot(*(relative - t[:, None] * chord).T)
        worst = int(np.argmax(gap))
        if gap[worst] > tolerance_m:
            middle = first + 1 + worst
            keep[middle] = True
            open_ranges += [(first, middle), (middle, last)]
    return xy_N2[keep]
