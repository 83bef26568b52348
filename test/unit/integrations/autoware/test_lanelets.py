"""Lanelet2 maps: files, center lines, routes as polylines; hand-made maps, bad ones included."""

import numpy as np
import pytest
from lanelet_maps import (
    CHANGING,
    CORNER_M,
    GOAL,
    LANE_M,
    LEFT_1,
    LIGHT,
    NORTH,
    RIGHT_1,
    SEGMENTS,
    START,
    TURN,
    write_map,
)

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline
from transdiffuser_planner.integrations.autoware.lanelets import centerline as centerline_module
from transdiffuser_planner.integrations.autoware.lanelets.centerline import centerline
from transdiffuser_planner.integrations.autoware.lanelets.lanelet_map import MapError
from transdiffuser_planner.integrations.autoware.lanelets.osm_reader import read_osm, speed_mps
from transdiffuser_planner.integrations.autoware.lanelets.route_line import route_line


@pytest.fixture
def town(tmp_path):
    return read_osm(write_map(tmp_path / "map.osm"))


def test_bounds_are_in_driving_order_and_tags_are_read(town):
    right = town.lanelet(RIGHT_1)
    assert (right.right.xyz_N3[0, 0], right.right.xyz_N3[-1, 0]) == (0.0, 60.0)  # the file has it the other way round
    assert right.left.way_id == town.lanelet(LEFT_1).right.way_id and right.is_adjacent_to(town.lanelet(LEFT_1))
    assert town.lanelet(LEFT_1).speed_limit_mps == pytest.approx(50 / 3.6)
    assert (town.lanelet(TURN).turn_direction, town.lanelet(TURN).rule_ids) == ("left", (LIGHT,))
    assert town.traffic_lights[LIGHT].stop_line_N3 is not None
    assert (town.lanelet(TURN).left.xyz_N3[:, 2] == 5.5).all()


@pytest.mark.parametrize(
    ("text", "mps"),
    [
        ("50", 50 / 3.6),
        ("50 km/h", 50 / 3.6),
        ("30mph", 13.41),
        ("10 m/s", 10.0),
        ("", None),
        ("fast", None),
        ("-5", None),
    ],
)
def test_speed_limits_have_units(text, mps):
    assert speed_mps(text) == (None if mps is None else pytest.approx(mps, abs=0.01))


def test_the_center_line_lies_in_the_middle_of_a_bend():
    angle = np.linspace(0.0, np.pi / 2.0, 31)
    circle = np.stack([np.sin(angle), -np.cos(angle), np.zeros(31)], axis=-1)
    center_N3 = centerline(18.0 * circle, 22.0 * circle[::3])
    assert np.hypot(*center_N3[:, :2].T) == pytest.approx(20.0, abs=0.15)
    assert np.allclose(center_N3[[0, -1]], 20.0 * circle[[0, -1]], atol=0.5)


@pytest.mark.parametrize("seed", range(8))
def test_a_center_line_does_not_depend_on_how_many_steps_are_checked_at_once(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    sides = []
    for y, num in ((2.0, 40), (-2.0, 31)):  # wild boundaries, which many of the nearest connections cross
        x = np.sort(rng.uniform(0.0, 60.0, num))
        sides.append(np.stack([x, y + rng.uniform(-1.9, 1.9, num), np.zeros(num)], axis=-1))
    whole = centerline(*sides)
    monkeypatch.setattr(centerline_module, "_STEPS", 1)
    assert np.array_equal(whole, centerline(*sides))
    begins, ends = ((sides[0][k] + sides[1][k]) / 2.0 for k in (0, -1))
    assert np.array_equal(whole[[0, -1]], [begins, ends]) and len(whole) > 30


def test_a_route_follows_its_lanelets_from_start_to_goal(town):
    line = route_line(town, SEGMENTS, START, GOAL)
    assert np.allclose(line.xyz_N3[0, :2], START, atol=1e-6) and np.allclose(line.xyz_N3[-1, :2], GOAL, atol=1e-6)
    straight = line.xyz_N3[line.xyz_N3[:, 0] < CORNER_M]
    assert np.allclose(straight[:, 1], 1.5 * LANE_M)
    assert [item.lanelet_id for item in line.stretches] == [n for n, _ in SEGMENTS]
    assert [item.begin_m for item in line.stretches[:3]] == pytest.approx([0.0, 55.0, 115.0])
    assert line.lane_changes == ()
    (stop,) = line.stop_points
    assert (stop.s_m, stop.rule_id, stop.turn_direction) == (pytest.approx(CORNER_M - 2.0 - START[0]), LIGHT, "left")


def test_a_lane_change_is_driven_along_the_segment_not_sideways(town):
    start = np.asarray([5.0, 0.5 * LANE_M])
    line = route_line(town, CHANGING, start, GOAL)
    (change,) = line.lane_changes
    assert change.is_left and 0.0 <= change.begin_m < change.end_m <= 56.0
    heading = np.arctan2(*np.diff(line.xyz_N3[:, :2], axis=0).T[::-1])
    before_turn = line.xyz_N3[:-1, 0] < CORNER_M - 1.0
    assert np.abs(heading[before_turn]).max() < 0.15
    later = line.xyz_N3[:-1][before_turn & (line.xyz_N3[:-1, 0] > 60.0)]
    assert np.allclose(later[:, 1], 1.5 * LANE_M, atol=1e-6)


def test_the_neighbor_itself_as_next_segment_is_a_lane_change_too(town):
    segments = [(RIGHT_1, [RIGHT_1]), (LEFT_1, [LEFT_1]), *SEGMENTS[1:]]
    line = route_line(town, segments, np.asarray([5.0, 0.5 * LANE_M]), GOAL)
    assert len(line.lane_changes) == 1
    assert arc_length(line.xyz_N3[:, :2])[-1] == pytest.approx(
        arc_length(route_line(town, CHANGING, np.asarray([5.0, 0.5 * LANE_M]), GOAL).xyz_N3[:, :2])[-1], abs=0.5
    )


@pytest.mark.parametrize(
    ("segments", "start", "goal", "reason"),
    [
        ([(4711, [4711])], START, GOAL, "lanelet 4711 is not in the map"),
        ([(LEFT_1, [LEFT_1]), (NORTH, [NORTH])], START, GOAL, "are not connected"),
        ([(LEFT_1, [LEFT_1])], np.asarray([50.0, 5.0]), np.asarray([20.0, 5.0]), "does not lie behind"),
        (SEGMENTS, START + 1000.0, GOAL, "away from its first lanelet"),
        ([], START, GOAL, "no segments"),
    ],
)
def test_a_route_that_does_not_fit_the_map_is_refused_in_one_line(town, segments, start, goal, reason):
    with pytest.raises(MapError, match=reason) as caught:
        route_line(town, segments, start, goal)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a Lanelet2 map"),
        ("<osm><node id='x'/></osm>", "not a Lanelet2 map"),
        ("<gpx></gpx>", "begins with <gpx>"),
        ("<osm></osm>", "no lanelets"),
        ("<osm><node id='1' lat='1' lon='2'/></osm>", "local_x"),
        ("<osm><node id='1'><tag k='local_x' v='nan'/><tag k='local_y' v='0'/></node></osm>", "nan"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><osm/>", "entities"),
    ],
)
def test_a_file_that_is_no_map_is_refused_in_one_line(tmp_path, text, reason):
    path = tmp_path / "bad.osm"
    path.write_text(text)
    with pytest.raises(MapError, match=reason) as caught:
        read_osm(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    with pytest.raises(MapError, match="cannot be read"):
        read_osm(tmp_path / "absent.osm")


def test_lanelets_without_two_boundaries_are_left_out(tmp_path):
    path = write_map(tmp_path / "map.osm")
    path.write_text(path.read_text().replace('role="left"', 'role="lft"', 1))
    found = read_osm(path)
    assert found.skipped == 1 and LEFT_1 not in found.lanelets and TURN in found.lanelets


def test_lateral_offsets_stay_within_the_lane(town):
    line = route_line(town, SEGMENTS, START, GOAL)
    turn = town.lanelet(TURN)
    inside = line.xyz_N3[(line.xyz_N3[:, 0] > CORNER_M) & (line.xyz_N3[:, 1] < 2.0 * LANE_M + 10.0)][:, :2]
    _, from_left = project_onto_polyline(turn.left.xyz_N3[:, :2], inside)
    _, from_right = project_onto_polyline(turn.right.xyz_N3[:, :2], inside)
    assert (from_left < -1.5).all() and (from_right > 1.5).all()
