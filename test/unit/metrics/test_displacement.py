"""Displacement errors and the constant-velocity plan."""

import numpy as np

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.evaluation.open_loop.ego_errors import error_table, nearest_to_mean
from transdiffuser_planner.metrics.displacement import (
    average_displacement_m,
    constant_velocity_plan,
    final_displacement_m,
)
from transdiffuser_planner.reports.markdown_tables import markdown_table


def test_displacements_of_a_constant_offset_are_the_offset() -> None:
    truth = np.cumsum(np.ones((4, 8, 3)), axis=1)
    plan = truth + np.asarray([3.0, 4.0, 9.0])
    np.testing.assert_allclose(average_displacement_m(plan, truth), 5.0)
    np.testing.assert_allclose(final_displacement_m(plan, truth), 5.0)


def test_constant_yaw_rate_drives_a_circle() -> None:
    plan = constant_velocity_plan(np.asarray([5.0]), np.asarray([0.5]), TINY.plan_times_s)[0]
    radius = 5.0 / 0.5
    np.testing.assert_allclose(np.hypot(plan[:, 0], plan[:, 1] - radius), radius, atol=1e-9)


def test_constant_velocity_without_turning_is_straight() -> None:
    plan = constant_velocity_plan(np.asarray([5.0]), np.asarray([0.0]), TINY.plan_times_s)[0]
    np.testing.assert_allclose(plan[:, 0], 5.0 * TINY.plan_times_s)
    np.testing.assert_allclose(plan[:, 1:], 0.0, atol=1e-12)


def test_error_table_ranks_the_oracle_before_a_single_sample() -> None:
    rng = np.random.default_rng(0)
    truth = np.cumsum(rng.random((20, 8, 3)), axis=1)
    candidates = truth[:, None] + rng.normal(0.0, 1.0, (20, 10, 8, 3))
    predictions = {"truth": truth, "candidates": candidates, "speed": np.ones(20), "yaw_rate": np.zeros(20)}
    rows = {row["planner"]: row for row in error_table(predictions, TINY.plan_times_s)}
    assert rows["oracle"]["ade_m"] < rows["one"]["ade_m"]
    table = markdown_table(list(rows.values()), {"title": "planner", "ade_m": "ADE m"})
    assert table.count("\n") == len(rows) + 1


def test_the_candidate_nearest_to_the_mean_is_not_the_one_in_the_largest_group() -> None:
    ahead_m = np.asarray([0.0, 0.0, 0.0, 4.0, 10.0])
    candidates = np.zeros((1, 5, 8, 3))
    candidates[0, :, :, 0] = ahead_m[:, None]
    np.testing.assert_array_equal(nearest_to_mean(candidates)[0, :, 0], 4.0)
