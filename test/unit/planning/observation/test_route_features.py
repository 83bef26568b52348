"""The place on routes that come by twice: closed laps, laps driven twice, crossings, turns and repeated poses."""

import math
from dataclasses import replace

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline
from transdiffuser_planner.core.types import EgoState, Route
from transdiffuser_planner.planning.observation.route_features import RouteMemory, along_route, locate, route_tensor

RADIUS_M = 25.0
LAP_M = 2.0 * math.pi * RADIUS_M


def circle(laps=1.0, poses_per_lap=200, shift_m=0.0):
    angle = np.linspace(0.0, 2.0 * np.pi * laps, round(poses_per_lap * laps) + 1)
    radius = RADIUS_M + shift_m * angle / (2.0 * np.pi)
    return np.stack([radius * np.sin(angle), RADIUS_M - radius * np.cos(angle)], axis=-1)


def on_circle(s_m, lateral_m=0.0, stamp_s=0.0):
    """The ego after a distance along the circle, so far left of it."""
    angle, radius = s_m / RADIUS_M, RADIUS_M - lateral_m
    return EgoState(stamp_ns=round(stamp_s * 1e9), frame_id="map", x_m=radius * math.sin(angle),
                    y_m=RADIUS_M - radius * math.cos(angle), heading_rad=angle, vx_mps=6.0)  # fmt: skip


def route(xy):
    return Route(stamp_ns=0, frame_id="map", xy_N2=np.asarray(xy, dtype=np.float64))


def drive(xy, begin_m, end_m, step_m=0.6):
    """Arc length of the place after every 0.1 s of a drive along the circle."""
    memory, found, way = RouteMemory(), [], route(xy)
    for tick, s_m in enumerate(np.arange(begin_m, end_m, step_m)):
        ego = on_circle(s_m, stamp_s=0.1 * tick)
        place = locate(way.xy_N2, ego, 57.0, memory.expected_s_m(way, ego))
        memory.keep(way, ego, place)
        found.append(None if place is None else place.s_m)
    return found


@pytest.mark.parametrize("before_m", [0.0, 0.2, 1.5, 4.0])
def test_a_closed_lap_begins_where_the_vehicle_starts(before_m):
    points, valid = route_tensor(route(circle()), on_circle(-before_m), TINY)
    cut, cut_valid = route_tensor(route(circle()[:150]), on_circle(-before_m), TINY)
    assert valid.all() and cut_valid.all() and np.allclose(points, cut, atol=0.02)


def test_a_vehicle_that_has_come_along_keeps_its_place_to_the_end_of_the_lap_and_then_begins_the_next():
    found = drive(circle(), -0.3, 2.0 * LAP_M - 20.0)
    turn = int(np.argmin(np.diff(found)))
    assert found[turn] == pytest.approx(LAP_M, abs=0.1) and found[turn + 1] < 4.0
    assert (np.diff(found[: turn + 1]) >= 0.0).all() and (np.diff(found[turn + 1 :]) > 0.0).all()


@pytest.mark.parametrize("shift_m", [0.0, 1.2])
def test_laps_driven_twice_are_followed_from_the_first_to_the_second(shift_m):
    found = drive(circle(2.0, shift_m=shift_m), 0.5, 2.0 * LAP_M - 5.0)
    assert np.diff(found) == pytest.approx(0.6, abs=0.1)
    assert found[-1] > 2.0 * LAP_M - 8.0


def test_without_a_memory_the_pass_with_more_route_ahead_counts():
    place = locate(circle(2.0), on_circle(0.75 * LAP_M), 57.0)
    assert place is not None and place.s_m == pytest.approx(0.75 * LAP_M, abs=0.1)
    place = locate(circle(2.0), on_circle(0.0, lateral_m=0.4), 57.0)
    assert (
        place is not None
        and place.s_m == pytest.approx(0.0, abs=0.1)
        and place.lateral_m == pytest.approx(0.4, abs=0.02)
    )


def test_at_crossings_and_turning_points_the_direction_decides():
    eight = [(-40.0, -40.0), (40.0, 40.0), (40.0, 60.0), (-40.0, 60.0), (-40.0, 40.0), (40.0, -40.0)]
    there_and_back = [(0.0, 0.0), (60.0, 0.0), (60.0, 0.5), (0.0, 0.5)]
    down = EgoState(stamp_ns=0, frame_id="map", x_m=0.0, y_m=0.1, heading_rad=-math.pi / 4, vx_mps=5.0)
    place = locate(eight, down, 57.0)
    assert place is not None and place.s_m == pytest.approx(arc_length(eight)[4] + math.hypot(40, 40), abs=0.2)
    back = EgoState(stamp_ns=0, frame_id="map", x_m=20.0, y_m=0.2, heading_rad=math.pi, vx_mps=5.0)
    place = locate(there_and_back, back, 57.0)
    assert place is not None and place.s_m == pytest.approx(100.5, abs=0.1)
    place = locate(there_and_back, replace(back, heading_rad=0.0), 57.0)
    assert place is not None and place.s_m == pytest.approx(20.0, abs=0.1)


def test_the_nearest_point_counts_unless_the_route_comes_by_twice():
    start = np.asarray([0.0, 0.01, 0.0])
    assert along_route(circle(), [-0.2, 0.0, 0.0], 57.0) == pytest.approx(0.0, abs=0.1)
    assert along_route(circle(0.5), start, 57.0) == project_onto_polyline(circle(0.5), start[:2])[0][0]


def test_repeated_poses_change_nothing():
    plain, repeated = circle(0.5), np.repeat(circle(0.5), 3, axis=0)
    for s_m in (0.0, 11.3, 40.0):
        a, b = (route_tensor(route(xy), on_circle(s_m, lateral_m=-1.0), TINY) for xy in (plain, repeated))
        assert np.allclose(a[0], b[0], atol=1e-5) and np.array_equal(a[1], b[1])


def test_the_end_of_an_open_route_stays_its_end():
    straight = np.stack([np.arange(0.0, 101.0, 2.0), np.zeros(51)], axis=-1)
    for x_m in (70.0, 99.0, 103.0):
        ego = EgoState(stamp_ns=0, frame_id="map", x_m=x_m, y_m=1.0, heading_rad=0.1, vx_mps=5.0)
        place = locate(straight, ego, 57.0)
        assert place is not None and place.s_m == pytest.approx(min(x_m, 100.0))


def test_a_jump_another_route_and_a_reset_forget_the_place():
    way, memory = route(circle(2.0)), RouteMemory()
    ego = on_circle(LAP_M + 30.0)
    memory.keep(way, ego, locate(way.xy_N2, ego, 57.0, LAP_M + 30.0))
    later = replace(on_circle(LAP_M + 31.0), stamp_ns=10**8)
    assert memory.expected_s_m(way, later) == pytest.approx(LAP_M + 31.0, abs=0.1)
    assert memory.expected_s_m(route(way.xy_N2.copy()), later) is not None  # published again
    assert memory.expected_s_m(route(way.xy_N2[:-1]), later) is None
    assert memory.expected_s_m(way, replace(later, x_m=later.x_m + 30.0)) is None
    assert memory.expected_s_m(way, replace(later, stamp_ns=-1)) is None
    memory.reset()
    assert memory.expected_s_m(way, later) is None
