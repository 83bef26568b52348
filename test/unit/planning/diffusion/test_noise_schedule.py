"""Noise schedule and sampler, with closed-form denoisers in place of a network."""

import itertools

import numpy as np
import pytest

from transdiffuser_planner.core.contract import SAMPLERS
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.sampler import draw_noise, sample_plans

SCHEDULE = NoiseSchedule.cosine(10)
SHAPE = (64, 3, 24)


def _knows_the_answer(target: np.ndarray):
    def predict(x: np.ndarray, k: int) -> np.ndarray:
        a = SCHEDULE.alpha_bar_K1[k]
        return ((x - np.sqrt(a) * target) / np.sqrt(1.0 - a)).astype(np.float32)

    return predict


def _gaussian(mean: float, deviation: float):
    """The best noise prediction where x_0 is normally distributed."""

    def predict(x: np.ndarray, k: int) -> np.ndarray:
        a = SCHEDULE.alpha_bar_K1[k]
        variance = a * deviation**2 + 1.0 - a
        return (np.sqrt(1.0 - a) * (x - np.sqrt(a) * mean) / variance).astype(np.float32)

    return predict


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("num_steps", [1, 2, 3, 5, 10])
def test_a_perfect_noise_prediction_recovers_x0(num_steps: int, sampler: str) -> None:
    target = np.linspace(-2.0, 2.0, 24, dtype=np.float32)
    noise = draw_noise(0, 7, SHAPE, 10)
    sample = sample_plans(_knows_the_answer(target), SCHEDULE, noise, num_steps=num_steps, sampler=sampler)
    assert np.abs(sample.x0_MNP - target).max() < 2e-3 and sample.num_steps == num_steps


@pytest.mark.parametrize("num_steps", [4, 5, 8])
def test_the_second_order_sampler_is_nearer_to_the_exact_flow_than_the_first_order_one(num_steps: int) -> None:
    mean, deviation, (noise,) = 0.7, 0.5, draw_noise(0, 7, SHAPE, 1)
    a = SCHEDULE.alpha_bar_K1[-1]
    exact = mean + deviation * (noise - np.sqrt(a) * mean) / np.sqrt(a * deviation**2 + 1.0 - a)
    ddim, second = (
        sample_plans(_gaussian(mean, deviation), SCHEDULE, noise[None], num_steps=num_steps, sampler=sampler).x0_MNP
        for sampler in ("ddim", "dpm-solver++")
    )
    assert np.abs(second - exact).mean() < 0.8 * np.abs(ddim - exact).mean()


def test_the_ancestral_chain_of_all_steps_has_the_spread_of_the_data() -> None:
    noise = draw_noise(0, 7, (4096, 1, 4), 10)
    sample = sample_plans(_gaussian(0.7, 0.5), SCHEDULE, noise, num_steps=10, sampler="ddpm").x0_MNP
    assert sample.mean() == pytest.approx(0.7, abs=0.05) and sample.std() == pytest.approx(0.5, abs=0.15)


def test_ancestral_step_equals_the_formula_of_ddpm_where_nothing_is_clipped() -> None:
    rng = np.random.default_rng(0)
    x, eps, z = (0.3 * rng.standard_normal(SHAPE).astype(np.float32) for _ in range(3))
    for k, k_prev in SCHEDULE.pairs(10)[3:]:
        a, a_prev = SCHEDULE.alpha_bar_K1[k], SCHEDULE.alpha_bar_K1[k_prev]
        alpha = a / a_prev
        expected = (x - (1.0 - alpha) / np.sqrt(1.0 - a) * eps) / np.sqrt(alpha)
        if k_prev > 0:
            expected = expected + np.sqrt((1.0 - a_prev) / (1.0 - a) * (1.0 - alpha)) * z
        x0 = SCHEDULE.predict_x0(x, eps, k)
        assert np.allclose(SCHEDULE.ancestral_step(x, x0, k, k_prev, z), expected, atol=1e-5)


@pytest.mark.parametrize("num_steps", range(1, 11))
def test_every_number_of_steps_starts_at_the_last_step_and_ends_at_zero(num_steps: int) -> None:
    pairs = SCHEDULE.pairs(num_steps)
    assert pairs[0][0] == 10
    assert pairs[-1][1] == 0
    assert len(pairs) == num_steps
    assert all(after[0] == before[1] for before, after in itertools.pairwise(pairs))
    assert all(k > k_prev for k, k_prev in pairs)


def test_more_steps_than_the_schedule_has_are_all_of_them() -> None:
    assert SCHEDULE.pairs(25) == SCHEDULE.pairs(10)


def test_few_steps_lie_closer_together_at_low_noise() -> None:
    assert SCHEDULE.pairs(3) == [(10, 6), (6, 2), (2, 0)]


def test_noise_depends_on_seed_and_stamp_and_on_nothing_else() -> None:
    first = draw_noise(1, 123_456_789_000, SHAPE, 10)
    assert np.array_equal(first, draw_noise(1, 123_456_789_000, SHAPE, 10))
    assert not np.array_equal(first, draw_noise(2, 123_456_789_000, SHAPE, 10))
    assert not np.array_equal(first, draw_noise(1, 123_456_789_001, SHAPE, 10))


def test_schedule_survives_json_and_refuses_nonsense() -> None:
    assert NoiseSchedule.from_json(SCHEDULE.to_json()) == SCHEDULE
    with pytest.raises(ModelError, match="strictly"):
        NoiseSchedule.from_json({"alpha_bar": [1.0, 0.5, 0.6]})
    with pytest.raises(ModelError, match="not readable"):
        NoiseSchedule.from_json({})
