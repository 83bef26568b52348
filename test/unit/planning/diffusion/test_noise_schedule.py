"""Noise schedule and sampler, with closed-form denoisers in place of a network."""

import itertools

import numpy as np
import pytest

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


@pytest.mark.parametrize("num_steps", [1, 2, 5, 10])
def test_a_perfect_noise_prediction_recovers_x0(num_steps: int) -> None:
    target = np.linspace(-2.0, 2.0, 24, dtype=np.float32)
    noise = draw_noise(0, 7, SHAPE, 10)
    sample = sample_plans(_knows_the_answer(target), SCHEDULE, noise, num_steps=num_steps).x0_MNP
    assert np.abs(sample - target).max() < 2e-3


def test_ancestral_step_equals_the_formula_of_ddpm_where_nothing_is_clipped() -> None:
    rng = np.random.default_rng(0)
    x, eps, z = (0.3 * rng.standard_normal(SHAPE).astype(np.float32) for _ in range(3))
    for k, k_prev in SCHEDULE.pairs(10)[3:]:
        a, a_prev = SCHEDULE.alpha_bar_K1[k], SCHEDULE.alpha_bar_K1[k_prev]
        alpha = a / a_prev
        expected = (x - (1.0 - alpha) / np.sqrt(1.0 - a) * eps) / np.sqrt(alpha)
        if k_prev > 0:
            expected = expected + np.sqrt((1.0 - a_prev) / (1.0 - a) * (1.0 - alpha)) * z
        assert np.allclose(SCHEDULE.ancestral_step(x, eps, k, k_prev, z), expected, atol=1e-5)


@pytest.mark.parametrize("num_steps", [1, 2, 3, 7, 10])
def test_every_number_of_steps_starts_at_the_last_step_and_ends_at_zero(num_steps: int) -> None:
    pairs = SCHEDULE.pairs(num_steps)
    assert pairs[0][0] == 10
    assert pairs[-1][1] == 0
    assert len(pairs) == num_steps
    assert all(after[0] == before[1] for before, after in itertools.pairwise(pairs))


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
