"""PDMS: progress, comfort, the formula, and its invariances."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_scenes import agent, ego, moved, reference, scene, straight_plan, together

from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion
from transdiffuser_planner.metrics.pdm.pdms import PdmScores, score_pdms
from transdiffuser_planner.metrics.pdm.scene import AgentKind, Scene
from transdiffuser_planner.metrics.pdm.subscores.comfort import score_comfort
from transdiffuser_planner.metrics.pdm.subscores.progress import position_along, share_of_best_v1, share_of_best_v2

PARTS = ("no_at_fault_collision_M", "drivable_area_M", "time_to_collision_M", "comfort_M", "driving_direction_M")


def busy_scene() -> Scene:
    others = together(
        agent(30.0, 0.3, velocity=(6.0, 0.1), token="ahead"),
        agent(25.0, 3.4, velocity=(-9.0, 0.0), heading_rad=np.pi, token="oncoming"),
        agent(22.0, -2.6, kind=AgentKind.TRAFFIC_CONE, size=(0.4, 0.4), token="cone"),
    )
    return scene(agents=others, ego=ego(9.0, 0.3, 0.02))


def busy_plans(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal([4.0, 0.0, 0.0], [0.5, 0.4, 0.04], (count, 8, 3)), axis=1)


def assert_same(one: PdmScores, other: PdmScores) -> None:
    for part in PARTS:
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part), err_msg=part)
    np.testing.assert_allclose(one.ego_progress_M, other.ego_progress_M, atol=1e-6)
    np.testing.assert_allclose(one.score_M, other.score_M, atol=1e-6)


def ride(forward: float, num_steps: int = 41) -> Motion:
    pose = np.zeros((1, num_steps, 3))
    acceleration = np.zeros((1, num_steps, 2))
    acceleration[..., 0] = forward
    zero = np.zeros((1, num_steps))
    return Motion(
        pose_MS3=pose,
        velocity_MS2=pose[..., :2],
        acceleration_MS2=acceleration,
        yaw_rate_MS=zero,
        yaw_acceleration_MS=zero,
    )


def test_a_perfect_plan_scores_one() -> None:
    scores = score_pdms(scene(), straight_plan(10.0))
    np.testing.assert_allclose(scores.score_M, 1.0, atol=1e-6)
    assert scores.reasons == ((),)


def test_half_the_references_distance_is_half_the_progress() -> None:
    scores = score_pdms(scene(ego=ego(5.0), reference_S3=reference(5.0)), straight_plan(5.0))
    np.testing.assert_allclose(scores.progress_m_M, 20.0, atol=1e-3)
    slow = score_pdms(scene(ego=ego(5.0)), straight_plan(5.0))  # the reference speeds up to 10 m/s
    full = score_pdms(scene(ego=ego(5.0)), straight_plan(10.0))
    np.testing.assert_allclose(slow.ego_progress_M, slow.progress_m_M / full.progress_m_M, rtol=1e-2)


def test_the_formula_weights_progress_ttc_and_comfort() -> None:
    scores = score_pdms(busy_scene(), busy_plans(40, 1))
    product = scores.no_at_fault_collision_M * scores.drivable_area_M
    weighted = 5.0 * scores.ego_progress_M + 5.0 * scores.time_to_collision_M + 2.0 * scores.comfort_M
    np.testing.assert_allclose(scores.score_M, product * weighted / 12.0, atol=1e-12)
    assert 0.0 < scores.score_M.mean() < 1.0


@pytest.mark.parametrize(
    ("raw", "product", "best", "v1", "v2"),
    [
        (4.0, 1.0, 8.0, 0.5, 0.5),
        (4.0, 0.0, 8.0, 0.0, 0.5),
        (4.0, 0.5, 8.0, 0.25, 0.5),
        (9.0, 0.0, 8.0, 0.0, 1.0),
        (2.0, 1.0, 5.0, 1.0, 1.0),
        (2.0, 0.0, 5.0, 0.0, 1.0),
        (2.5, 1.0, 5.000001, 0.5, 0.5),
    ],
)
def test_progress_is_shared_by_the_rules_of_each_version(
    raw: float, product: float, best: float, v1: float, v2: float
) -> None:
    arrays = [np.asarray([value]) for value in (raw, product, best)]
    np.testing.assert_allclose(share_of_best_v1(*arrays), v1, atol=1e-6)
    np.testing.assert_allclose(share_of_best_v2(arrays[0], arrays[2]), v2, atol=1e-6)


def test_without_a_reference_a_plan_is_its_own_reference() -> None:
    scores = score_pdms(scene(reference_S3=None), np.concatenate([straight_plan(10.0), straight_plan(4.0)]))
    np.testing.assert_allclose(scores.ego_progress_M, 1.0)


def test_positions_along_a_bent_line() -> None:
    line = np.asarray([[0.0, 0.0], [10.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    points = np.asarray([[-5.0, 1.0], [4.0, 2.0], [12.0, -2.0], [11.0, 5.0], [10.0, 20.0]])
    np.testing.assert_allclose(position_along(line, points), [0.0, 4.0, 10.0, 15.0, 20.0])


@pytest.mark.parametrize(("acceleration", "score"), [(2.39, 1.0), (2.40, 0.0), (-4.04, 1.0), (-4.05, 0.0)])
def test_comfort_needs_the_forward_acceleration_strictly_within_its_limits(acceleration: float, score: float) -> None:
    scores, reasons = score_comfort(ride(acceleration))
    assert scores[0] == score
    assert (reasons[0][0].detail.startswith("forward acceleration") if score == 0.0 else not reasons[0]) is True


def test_braking_hard_is_uncomfortable_in_a_whole_plan_too() -> None:
    assert score_pdms(scene(), straight_plan(0.0)).comfort_M[0] == 0.0
    assert score_pdms(scene(), straight_plan(9.5)).comfort_M[0] == 1.0


def test_a_batch_scores_like_its_plans_one_by_one() -> None:
    ready, plans = busy_scene(), busy_plans(12, 2)
    batch = score_pdms(ready, plans)
    for index in range(len(plans)):
        single = score_pdms(ready, plans[index : index + 1])
        for part in (*PARTS, "ego_progress_M", "score_M"):
            np.testing.assert_allclose(getattr(single, part)[0], getattr(batch, part)[index], atol=1e-9, err_msg=part)
        assert single.reasons[0] == batch.reasons[index]


@settings(max_examples=25, deadline=None)
@given(st.floats(-3.0, 3.0), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.integers(0, 1000))
def test_scores_do_not_depend_on_the_scenes_position_and_rotation(angle: float, x: float, y: float, seed: int) -> None:
    original, plans = busy_scene(), busy_plans(6, seed)
    assert_same(score_pdms(original, plans), score_pdms(moved(original, x, y, angle), plans))


def test_plans_at_ten_hertz_are_used_unchanged() -> None:
    coarse = score_pdms(busy_scene(), straight_plan(9.0))
    fine = score_pdms(busy_scene(), straight_plan(9.0, num_steps=40, interval_s=0.1), interval_s=0.1)
    assert_same(coarse, fine)


def test_agents_known_for_four_seconds_only_are_scored_as_far_as_they_are_known() -> None:
    original = busy_scene()
    agents = original.agents
    short = dataclasses.replace(
        agents,
        pose_NS3=agents.pose_NS3[:, :41],
        velocity_NS2=agents.velocity_NS2[:, :41],
        valid_NS=agents.valid_NS[:, :41],
    )
    scores = score_pdms(dataclasses.replace(original, agents=short), straight_plan(9.0))
    assert np.isfinite(scores.score_M).all()
