"""Diversity D, plan deviation, and displacement at several times."""

import numpy as np
import pytest
from scoring_scenes import straight_plan

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.displacement import displacement_table, final_displacement_at_m, miss_rate
from transdiffuser_planner.metrics.diversity import diversity, plan_deviation_m

TIMES = np.arange(1, 9) * 0.5


def test_equal_plans_have_no_diversity() -> None:
    result = diversity(np.repeat(straight_plan(5.0), 10, axis=0))
    assert result.value == 0.0
    assert result.num_plans == 10


def test_plans_in_opposite_directions_share_only_their_start() -> None:
    there = straight_plan(5.0)[..., :2]
    result = diversity(np.concatenate([there, -there]), width_m=2.0, cell_m=0.1)
    # Each covers 20 x 2 m and a half disc at both ends; together 40 x 2 m and two half discs.
    one, union = 40.0 + np.pi, 80.0 + np.pi
    assert result.value == pytest.approx(1.0 - one / union, abs=2e-3)
    assert result.value < result.largest_possible == 0.5


def test_diversity_grows_with_the_number_of_plans() -> None:
    rng = np.random.default_rng(0)
    fan = np.cumsum(rng.normal([2.0, 0.0], [0.5, 1.0], (30, 8, 2)), axis=1)
    values = [diversity(fan[:count]).value for count in (2, 10, 30)]
    assert values == sorted(values)


def test_plans_with_nan_have_no_diversity() -> None:
    with pytest.raises(EvaluationError, match="diversity: plans: expected finite positions"):
        diversity(np.full((3, 8, 2), np.nan))


def test_plan_deviation_is_the_mean_distance_where_both_are_known() -> None:
    plan = straight_plan(5.0)[0, :, :2]
    before = plan + np.asarray([0.0, 0.5])
    before[0] = np.nan
    assert plan_deviation_m(plan, before) == pytest.approx(0.5)


def test_displacement_is_taken_at_the_given_time() -> None:
    plan, truth = straight_plan(5.0), straight_plan(4.0)
    np.testing.assert_allclose(final_displacement_at_m(plan, truth, TIMES, 3.0), 3.0)
    with pytest.raises(EvaluationError, match=r"expected a step at 0.7 s"):
        final_displacement_at_m(plan, truth, TIMES, 0.7)


def test_a_sample_is_missed_if_no_candidate_comes_near() -> None:
    truth = np.concatenate([straight_plan(5.0), straight_plan(8.0)])
    candidates = np.stack([truth + 1.0, truth + 9.0], axis=1)
    candidates[1] += 9.0
    assert miss_rate(candidates, truth, TIMES, 4.0) == 0.5
    assert miss_rate(candidates, truth, TIMES, 4.0, valid_B=np.asarray([True, False])) == 0.0
    with pytest.raises(EvaluationError, match="at least one sample"):
        miss_rate(candidates, truth, TIMES, 4.0, valid_B=np.zeros(2, dtype=bool))


def test_the_table_counts_only_samples_known_until_then() -> None:
    truth = np.concatenate([straight_plan(5.0), straight_plan(5.0)])
    candidates = truth[:, None] + np.asarray([0.0, 1.0, 0.0])
    valid = np.ones((2, 8), dtype=bool)
    valid[1, 3:] = False
    rows = displacement_table(candidates, truth, valid, TIMES)
    assert [row.num_samples for row in rows] == [2, 1, 1, 1]
    np.testing.assert_allclose([row.ade_m for row in rows], 1.0)
    np.testing.assert_allclose([row.fde_m for row in rows], 1.0)
    assert all(row.miss_rate == 0.0 for row in rows)
    assert displacement_table(candidates, truth, np.zeros((2, 8), dtype=bool), TIMES) == ()
