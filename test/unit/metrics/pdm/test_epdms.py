"""EPDMS: its additions to PDMS one by one, on the straight road of scoring_scenes."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_scenes import FRONT_M, ROAD, SIDE_M, agent, area, ego, moved, rectangle, scene, straight_plan, together

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.pdm.epdms import EpdmScores, combine, score_epdms
from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.scene import AreaKind, PastMotion, RedLight, Scene
from transdiffuser_planner.metrics.pdm.subscores.extended_comfort import PreviousFrame, score_extended_comfort
from transdiffuser_planner.metrics.pdm.subscores.lane_keeping import score_lane_keeping
from transdiffuser_planner.metrics.pdm.two_stage import follow_up_weights, pair_score, two_stage_score

PARTS = (
    "no_at_fault_collision_M", "drivable_area_M", "driving_direction_M", "traffic_light_M", "time_to_collision_M",
    "lane_keeping_M", "history_comfort_M",
)  # fmt: skip


def red_light(x_low: float, x_high: float, red: bool | np.ndarray = True) -> RedLight:
    red_S = red if isinstance(red, np.ndarray) else np.full(1, red)
    return RedLight(token="light", ring_C2=rectangle(x_low, x_high, -1.75, 1.75), red_S=red_S)


def past(acceleration: float = 0.0) -> PastMotion:
    return PastMotion(
        stamp_us_H=np.arange(-3, 1) * 500_000 + 1_500_000,
        heading_H=np.zeros(4),
        acceleration_H2=np.asarray([[acceleration, 0.0]] * 4),
    )


def test_a_perfect_plan_scores_one() -> None:
    scores = score_epdms(scene(), straight_plan(10.0))
    np.testing.assert_allclose(scores.score_M, 1.0, atol=1e-6)
    assert scores.reasons == ((),)
    assert scores.extended_comfort_M is None


@pytest.mark.parametrize(("start", "score"), [(FRONT_M + 40.1, 1.0), (FRONT_M + 39.9, 0.0)])
def test_a_red_light_is_run_when_the_bumper_touches_its_lane(start: float, score: float) -> None:
    scores = score_epdms(scene(red_lights=(red_light(start, 80.0),)), straight_plan(10.0))
    assert scores.traffic_light_M[0] == score
    if score == 0.0:
        assert (scores.reasons[0][0].metric, scores.reasons[0][0].step) == ("traffic_light", 40)
        assert scores.reasons[0][0].agent == "light"


@pytest.mark.parametrize(("edge", "score"), [(FRONT_M, 0.0), (np.nextafter(FRONT_M, 9.0) + 1e-9, 1.0)])
def test_stopping_with_the_bumper_exactly_on_the_line_is_running_it(edge: float, score: float) -> None:
    waiting = scene(ego=ego(0.0), red_lights=(red_light(edge, 30.0),))
    assert score_epdms(waiting, straight_plan(0.0)).traffic_light_M[0] == score


def test_a_light_counts_while_it_is_red_only() -> None:
    green_later = np.arange(41) < 10
    assert (
        score_epdms(scene(red_lights=(red_light(20.0, 30.0, green_later),)), straight_plan(10.0)).traffic_light_M[0]
        == 1.0
    )
    red_later = ~green_later
    assert (
        score_epdms(scene(red_lights=(red_light(20.0, 30.0, red_later),)), straight_plan(10.0)).traffic_light_M[0]
        == 0.0
    )


def test_stopping_wholly_inside_a_red_lane_is_running_it() -> None:
    waiting = scene(ego=ego(0.0), red_lights=(red_light(-20.0, 30.0),))
    assert score_epdms(waiting, straight_plan(0.0)).traffic_light_M[0] == 0.0


def test_direction_does_not_count_inside_an_intersection() -> None:
    crossing = area("crossing", AreaKind.INTERSECTION, -60.0, 160.0, -9.0, 9.0)
    wrong_way = scene(ego=ego(10.0, 3.5), areas=(*ROAD, crossing))
    assert score_epdms(wrong_way, straight_plan(10.0)).driving_direction_M[0] == 1.0
    assert score_pdms(wrong_way, straight_plan(10.0)).driving_direction_M[0] == 0.0


@pytest.mark.parametrize(("offset", "score"), [(0.45, 1.0), (0.55, 0.0)])
def test_two_seconds_off_the_center_line_leave_the_lane(offset: float, score: float) -> None:
    scores = score_epdms(scene(ego=ego(10.0, offset)), straight_plan(10.0))
    assert scores.lane_keeping_M[0] == score
    if score == 0.0:
        assert scores.reasons[0][0].step == 19


@pytest.mark.parametrize(("count", "score"), [(19, 1.0), (20, 0.0)])
def test_lane_keeping_needs_twenty_steps_without_a_break(count: int, score: float) -> None:
    line = np.asarray([[0.0, 0.0], [100.0, 0.0]])
    centers = np.stack([np.arange(41.0), np.zeros(41)], axis=-1)[None]
    centers[0, 5 : 5 + count, 1] = 0.51
    nowhere = np.zeros((1, 41), dtype=bool)
    assert score_lane_keeping(line, centers, nowhere)[0][0] == score
    centers[0, 10, 1] = 0.5  # exactly the limit is a break
    assert score_lane_keeping(line, centers, nowhere)[0][0] == 1.0


def test_intersections_neither_break_nor_lengthen_the_time_off_the_center_line() -> None:
    line = np.asarray([[0.0, 0.0], [100.0, 0.0]])
    centers = np.stack([np.arange(41.0), np.full(41, 0.6)], axis=-1)[None]
    crossing = np.zeros((1, 41), dtype=bool)
    crossing[0, 15:36] = True  # 20 steps remain: 15 before, 5 after
    score, reasons = score_lane_keeping(line, centers, crossing)
    assert score[0] == 0.0
    assert reasons[0][0].step == 40


def test_history_comfort_includes_the_transition_from_past_to_plan() -> None:
    assert score_epdms(scene(past=past()), straight_plan(10.0)).history_comfort_M[0] == 1.0
    jump = score_epdms(scene(past=past(-3.9)), straight_plan(10.0))
    assert jump.history_comfort_M[0] == 0.0
    assert any(reason.metric == "history_comfort" and reason.time_s < 0.5 for reason in jump.reasons[0])


def test_without_a_past_the_history_is_comfortable() -> None:
    assert score_epdms(scene(), straight_plan(0.0)).history_comfort_M[0] == 1.0


def test_progress_is_not_taken_twice_for_a_broken_rule() -> None:
    leaving = score_epdms(scene(), straight_plan(10.0, -3.0))
    assert leaving.drivable_area_M[0] == 0.0
    assert leaving.ego_progress_M[0] > 0.9


def test_looking_ahead_ends_early_enough_for_four_seconds_of_agents() -> None:
    # The gap of 9 m closes after 4.5 s: detected by PDMS, beyond the end for EPDMS.
    closing = scene(agents=agent(FRONT_M + 9.0 + 2.0, velocity=(8.0, 0.0)))
    assert score_pdms(closing, straight_plan(10.0)).time_to_collision_M[0] == 0.0
    assert score_epdms(closing, straight_plan(10.0)).time_to_collision_M[0] == 1.0


def test_agents_that_touch_the_ego_at_the_start_are_ignored() -> None:
    inside = scene(agents=agent(3.0, 1.0, token="inside"))
    assert score_epdms(inside, straight_plan(10.0)).no_at_fault_collision_M[0] == 1.0
    kept = score_epdms(inside, straight_plan(10.0), drop_agents_touching_at_start=False)
    assert kept.no_at_fault_collision_M[0] == 0.0
    assert score_pdms(inside, straight_plan(10.0)).no_at_fault_collision_M[0] == 0.0


def test_failures_of_the_human_driver_are_not_counted() -> None:
    human_leaves = scene(human_plan_T3=straight_plan(10.0, -3.0)[0])
    scores = score_epdms(human_leaves, straight_plan(10.0, -3.0))
    assert "drivable_area" in scores.forgiven
    assert scores.drivable_area_M[0] == 1.0
    assert scores.score_M[0] > 0.0 and scores.unforgiven_M[0] == 0.0
    assert any(reason.metric == "drivable_area" for reason in scores.reasons[0])


def test_half_a_failure_of_the_human_driver_is_counted() -> None:
    slow_wrong_way = scene(ego=ego(4.0, 3.5), human_plan_T3=straight_plan(4.0)[0])
    scores = score_epdms(slow_wrong_way, straight_plan(4.0))
    assert scores.driving_direction_M[0] == 0.5
    assert "driving_direction" not in scores.forgiven


def test_a_human_driver_without_failures_changes_nothing() -> None:
    with_human = score_epdms(scene(human_plan_T3=straight_plan(10.0)[0]), straight_plan(9.0))
    without = score_epdms(scene(), straight_plan(9.0))
    np.testing.assert_array_equal(with_human.score_M, without.score_M)
    assert with_human.forgiven == ()


def previous(speed_mps: float) -> PreviousFrame:
    before = dataclasses.replace(ego(speed_mps), pose_3=np.asarray([-0.5 * speed_mps, 0.0, 0.0]))
    return PreviousFrame(ego=before, plan_T3=straight_plan(speed_mps)[0])


def test_the_same_intention_in_two_frames_is_comfortable() -> None:
    scores = score_epdms(scene(), straight_plan(10.0), previous=previous(10.0))
    assert scores.extended_comfort_M is not None
    assert scores.extended_comfort_M[0] == 1.0
    np.testing.assert_allclose(scores.score_M, 1.0, atol=1e-6)


def test_an_inconsistent_plan_costs_two_sixteenths() -> None:
    scores = score_epdms(scene(past=None), straight_plan(6.0), previous=previous(10.0))
    assert scores.extended_comfort_M is not None and scores.extended_comfort_M[0] == 0.0
    without = score_epdms(scene(), straight_plan(6.0))
    np.testing.assert_allclose(scores.score_M, without.score_M * 14.0 / 16.0)
    assert any("acceleration differs by" in reason.detail for reason in scores.reasons[0])


@pytest.mark.parametrize(("difference", "score"), [(0.69, 1.0), (0.7, 1.0), (0.71, 0.0)])
def test_extended_comfort_allows_exactly_its_limit(difference: float, score: float) -> None:
    def ride(acceleration: float) -> Motion:
        zero = np.zeros((1, 41))
        values = np.zeros((1, 41, 2))
        values[..., 0] = acceleration
        return Motion(
            pose_MS3=np.zeros((1, 41, 3)), velocity_MS2=values, acceleration_MS2=values, yaw_rate_MS=zero,
            yaw_acceleration_MS=zero,
        )  # fmt: skip

    assert score_extended_comfort(ride(difference), ride(0.0), 0.5)[0][0] == score


def test_frames_too_far_apart_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"elapsed_s: expected 0.1 to 0.5 s, got 1.0 s"):
        score_epdms(scene(), straight_plan(10.0), previous=dataclasses.replace(previous(10.0), elapsed_s=1.0))


def test_the_formula_is_a_product_times_a_weighted_mean() -> None:
    parts = {
        "no_at_fault_collision": 1.0, "drivable_area": 1.0, "driving_direction": 0.5, "traffic_light": 1.0,
        "ego_progress": 0.8, "time_to_collision": 1.0, "lane_keeping": 0.0, "history_comfort": 1.0,
    }  # fmt: skip
    arrays = {name: np.asarray([value]) for name, value in parts.items()}
    np.testing.assert_allclose(combine(arrays), 0.5 * (5 * 0.8 + 5 + 2) / 14)
    np.testing.assert_allclose(combine(arrays | {"extended_comfort": np.zeros(1)}), 0.5 * (5 * 0.8 + 5 + 2) / 16)


def busy_scene() -> Scene:
    others = together(
        agent(30.0, 0.3, velocity=(6.0, 0.1), token="ahead"),
        agent(25.0, 3.4, velocity=(-9.0, 0.0), heading_rad=np.pi, token="oncoming"),
    )
    return scene(
        agents=others,
        ego=ego(9.0, 0.3, 0.02),
        red_lights=(red_light(38.0, 60.0),),
        past=past(0.5),
        human_plan_T3=straight_plan(9.0, 2.0)[0],
    )


def busy_plans(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal([4.0, 0.0, 0.0], [0.5, 0.4, 0.04], (count, 8, 3)), axis=1)


def assert_same(one: EpdmScores, other: EpdmScores) -> None:
    for part in PARTS:
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part), err_msg=part)
    np.testing.assert_allclose(one.score_M, other.score_M, atol=1e-6)


def test_a_batch_scores_like_its_plans_one_by_one() -> None:
    ready, plans = busy_scene(), busy_plans(12, 2)
    batch = score_epdms(ready, plans)
    for index in range(len(plans)):
        single = score_epdms(ready, plans[index : index + 1])
        for part in (*PARTS, "ego_progress_M", "score_M"):
            np.testing.assert_allclose(getattr(single, part)[0], getattr(batch, part)[index], atol=1e-9, err_msg=part)


@settings(max_examples=20, deadline=None)
@given(st.floats(-3.0, 3.0), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.integers(0, 1000))
def test_scores_do_not_depend_on_the_scenes_position_and_rotation(angle: float, x: float, y: float, seed: int) -> None:
    original, plans = busy_scene(), busy_plans(6, seed)
    assert_same(score_epdms(original, plans), score_epdms(moved(original, x, y, angle), plans))


def test_follow_ups_are_weighted_by_a_gaussian_of_their_distance() -> None:
    starts = np.asarray([[0.0, 0.0], [0.3, 0.4]])
    weights = follow_up_weights(np.zeros(2), starts)
    np.testing.assert_allclose(weights[1] / weights[0], np.exp(-0.25 / 0.2))
    np.testing.assert_allclose(weights.sum(), 1.0)


def test_follow_ups_that_are_all_too_far_away_have_equal_weights() -> None:
    np.testing.assert_allclose(follow_up_weights(np.zeros(2), np.full((4, 2), 50.0)), 0.25)


def test_two_stages_multiply_and_two_frames_average() -> None:
    assert two_stage_score(0.8, np.asarray([1.0, 0.5]), np.asarray([0.75, 0.25])) == pytest.approx(0.8 * 0.875)
    assert pair_score(0.4, 0.6) == pytest.approx(0.5)


def test_the_sides_of_the_ego_are_where_the_tests_assume() -> None:
    assert (
        score_epdms(
            scene(areas=(area("r", AreaKind.ROADBLOCK, -50, 150, -SIDE_M - 0.01, SIDE_M + 0.01),)), straight_plan(10.0)
        ).drivable_area_M[0]
        == 1.0
    )
