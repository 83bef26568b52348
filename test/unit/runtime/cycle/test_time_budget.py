"""Costs estimated online, and denoising that ends in time."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import SAMPLERS
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule, pairs_between
from transdiffuser_planner.planning.diffusion.sampler import draw_noise, sample_plans
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget, StageCosts

SCHEDULE = NoiseSchedule.cosine(10)
SHAPE = (16, 3, 24)
TARGET = np.linspace(-2.0, 2.0, 24, dtype=np.float32)


def _knows_the_answer(x: np.ndarray, k: int) -> np.ndarray:
    a = SCHEDULE.alpha_bar_K1[k]
    return np.asarray((x - np.sqrt(a) * TARGET) / np.sqrt(1.0 - a), dtype=np.float32)


def test_an_unknown_stage_has_the_assumed_cost() -> None:
    costs = StageCosts()
    assert costs.usual_ms("denoise", "step", 7.0) == 7.0 and costs.upper_ms("denoise", "step", 7.0) >= 7.0


def test_upper_estimate_covers_usual_durations_and_follows_a_slower_machine() -> None:
    costs, rng = StageCosts(), np.random.default_rng(0)
    durations = 10.0 + rng.uniform(-1.0, 1.0, 200)
    for duration in durations:
        costs.observe("rest", "rest", float(duration))
    assert durations.max() <= costs.upper_ms("rest", "rest") <= 13.0
    for duration in 3.0 * durations[:30]:
        costs.observe("rest", "rest", float(duration))
    assert costs.upper_ms("rest", "rest") >= 30.0


def test_slowness_measured_in_one_size_applies_to_all() -> None:
    costs = StageCosts()
    costs.learn_quiet("small", 1.0)
    costs.learn_quiet("large", 3.0)
    for _ in range(40):
        costs.observe("denoise", "small", 2.0)
    assert costs.usual_ms("denoise", "large") == pytest.approx(6.0, rel=0.05)


def test_without_measurements_costs_decay_to_quiet() -> None:
    costs = StageCosts()
    costs.learn_quiet("step", 1.0)
    for _ in range(20):
        costs.observe("denoise", "step", 50.0)
    for _ in range(20):
        costs.fade()
    assert costs.upper_ms("denoise", "step") == pytest.approx(1.0, abs=0.1)


def test_the_time_left_counts_down_with_the_clock_and_leaves_a_reserve() -> None:
    now = [1.0]
    budget = CycleBudget(end_s=1.1, clock=lambda: now[0])
    assert budget.left_ms() == pytest.approx(100.0) and budget.left_ms(30.0) == pytest.approx(70.0)
    now[0] = 1.2
    assert budget.left_ms() == pytest.approx(-100.0)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("stop_after", range(1, 11))
def test_a_walk_that_is_cut_short_after_any_step_ends_with_the_x0_sample(stop_after: int, sampler: str) -> None:
    made = []

    def predict(x: np.ndarray, k: int) -> np.ndarray:
        made.append(k)
        return _knows_the_answer(x, k)

    noise = draw_noise(0, 7, SHAPE, 10)
    fitting = lambda: 9 if len(made) < stop_after else 0  # noqa: E731
    sample = sample_plans(predict, SCHEDULE, noise, num_steps=10, sampler=sampler, steps_that_fit=fitting)
    assert sample.num_steps == stop_after == len(made)
    assert np.abs(sample.x0_MNP - TARGET).max() < 2e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_walk_that_is_slowed_down_continues_with_longer_steps_to_the_end(sampler: str) -> None:
    made = []

    def predict(x: np.ndarray, k: int) -> np.ndarray:
        made.append(k)
        return _knows_the_answer(x, k)

    noise, fitting = draw_noise(0, 7, SHAPE, 10), lambda: 5 - len(made)
    sample = sample_plans(predict, SCHEDULE, noise, num_steps=10, sampler=sampler, steps_that_fit=fitting)
    assert made == [10, *(k for k, _ in pairs_between(10, 5)[1:])] and sample.num_steps == 5
    assert np.abs(sample.x0_MNP - TARGET).max() < 2e-3


def test_time_to_spare_changes_nothing_bit_for_bit() -> None:
    noise = draw_noise(3, 11, SHAPE, 10)
    free = sample_plans(_knows_the_answer, SCHEDULE, noise, num_steps=10)
    watched = sample_plans(_knows_the_answer, SCHEDULE, noise, num_steps=10, steps_that_fit=lambda: 100)
    assert np.array_equal(free.x0_MNP, watched.x0_MNP)


def test_estimates_of_every_step_are_kept_on_request_only() -> None:
    noise = draw_noise(0, 7, SHAPE, 10)
    assert not sample_plans(_knows_the_answer, SCHEDULE, noise, num_steps=4).intermediate_KMNP
    kept = sample_plans(_knows_the_answer, SCHEDULE, noise, num_steps=4, return_intermediates=True).intermediate_KMNP
    assert len(kept) == 4 and all(estimate.shape == SHAPE for estimate in kept)
