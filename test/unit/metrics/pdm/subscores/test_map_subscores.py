"""DAC, DDC and map areas under the ego: corners, lanes, borders."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_scenes import SIDE_M, area, ego, rectangle, scene, straight_plan

from transdiffuser_planner.metrics.pdm.geometry.polygons import pack_polygons, points_inside
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.scene import AreaKind
from transdiffuser_planner.metrics.pdm.subscores.driving_direction import score_direction


def inside(rings: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    near, result = points_inside(pack_polygons(rings), points)
    full = np.zeros((len(rings), len(points)), dtype=bool)
    full[near] = result
    return full


def test_staying_on_the_road_complies() -> None:
    assert score_pdms(scene(), straight_plan(10.0)).drivable_area_M[0] == 1.0


def test_leaving_the_road_fails_and_names_the_corners() -> None:
    scores = score_pdms(scene(), straight_plan(10.0, -3.0))
    assert scores.drivable_area_M[0] == 0.0
    reason = next(one for one in scores.reasons[0] if one.metric == "drivable_area")
    assert reason.corner == "front right"
    assert 0.0 < reason.time_s < 1.5


@pytest.mark.parametrize(("border", "score"), [(SIDE_M + 1e-9, 1.0), (SIDE_M, 0.0), (SIDE_M - 1e-9, 0.0)])
def test_a_corner_on_the_border_is_outside(border: float, score: float) -> None:
    road = (area("road", AreaKind.ROADBLOCK, -50.0, 150.0, -border, 5.0),)
    assert score_pdms(scene(areas=road), straight_plan(10.0)).drivable_area_M[0] == score


def test_a_lane_alone_is_not_drivable() -> None:
    assert score_pdms(scene(areas=scene().areas[:2]), straight_plan(10.0)).drivable_area_M[0] == 0.0


@pytest.mark.parametrize(("speed", "score"), [(1.5, 1.0), (4.0, 0.5), (10.0, 0.0)])
def test_direction_falls_with_the_distance_in_the_oncoming_lane(speed: float, score: float) -> None:
    # Eleven steps count: 1.65 m, 4.4 m and 11 m.
    scores = score_pdms(scene(ego=ego(speed, 3.5)), straight_plan(speed))
    assert scores.driving_direction_M[0] == score


@pytest.mark.parametrize(("count", "score"), [(7, 1.0), (8, 0.5), (23, 0.5), (24, 0.0)])
def test_direction_limits_belong_to_the_worse_side(count: int, score: float) -> None:
    step = 0.25 if count < 10 else 6.0 / 8.0  # 8 steps of 0.25 m make 2 m, 8 of 0.75 m make 6 m
    centers = np.stack([step * np.arange(41), np.zeros(41)], axis=-1)[None]
    against = np.zeros((1, 41), dtype=bool)
    against[0, 1 : 1 + (count if count < 10 else count - 16)] = True
    assert score_direction(centers, against)[0][0] == score


def test_points_on_edges_and_corners_are_outside() -> None:
    triangle = np.asarray([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    points = np.asarray([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [3.0, 3.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(inside([triangle], points)[0], [True, False, False, False, False, False, False])


def test_a_ray_through_a_corner_counts_it_once() -> None:
    diamond = np.asarray([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    points = np.asarray([[-2.0, 0.0], [-0.5, 0.0], [0.0, 0.0], [-2.0, 1.0], [-2.0, -1.0]])
    np.testing.assert_array_equal(inside([diamond], points)[0], [False, True, True, False, False])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_many_polygons_and_points_agree_with_the_winding_of_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rings = []
    for _ in range(5):
        count = int(rng.integers(5, 12))
        angle = (np.arange(count) + rng.uniform(0.0, 0.8, count)) * 2.0 * np.pi / count
        radius = rng.uniform(1.0, 5.0, count)
        rings.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1) + rng.uniform(-3.0, 3.0, 2))
    points = rng.uniform(-9.0, 9.0, (60, 2))
    for ring, result in zip(rings, inside(rings, points), strict=True):
        to_corner = ring[None] - points[:, None]
        angle = np.arctan2(to_corner[..., 1], to_corner[..., 0])
        turn = np.diff(np.concatenate([angle, angle[:, :1]], axis=1), axis=1)
        winding = ((turn + np.pi) % (2.0 * np.pi) - np.pi).sum(axis=1)
        np.testing.assert_array_equal(result, np.abs(winding) > np.pi)


def test_an_area_far_away_holds_no_point() -> None:
    assert not inside([rectangle(100.0, 101.0, 0.0, 1.0)], np.zeros((3, 2))).any()
