"""Samples drawn towards what action tokens ask for."""

import numpy as np
import pytest

from transdiffuser_planner.planning.action_codebook import segments_between
from transdiffuser_planner.planning.diffusion.guidance import GuidanceTarget, guided
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.planning.diffusion.sampler import draw_noise, sample_plans
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures

SCHEDULE = NoiseSchedule.cosine(10)
ASKED = np.stack([2.0 * np.arange(1, 9), 0.2 * np.arange(1, 9) ** 2 / 8.0, 0.05 * np.arange(1, 9)], axis=-1)


def _normalizer() -> PlanNormalizer:
    rng = np.random.default_rng(0)
    mean, std = rng.normal(0.0, 1.0, (2, 8, 3)), rng.uniform(0.5, 2.0, (2, 8, 3))
    return PlanNormalizer(ego_mean_T3=mean[0], ego_std_T3=std[0], agent_mean_T3=mean[1], agent_std_T3=std[1])


def _said(steps: int = 8) -> dict[str, np.ndarray]:
    segments = segments_between(np.concatenate([np.zeros((1, 3)), ASKED]))
    valid = (np.arange(8) < steps).astype(np.float32)
    return {"action_tokens": (segments * valid[:, None])[None].astype(np.float32), "action_tokens_valid": valid[None]}


def _stands_still(x_MNP: np.ndarray, k: int) -> np.ndarray:
    """A model for which everything predict_x0 is 0: nobody's differences differ from the mean."""
    return x_MNP / np.float32(np.sqrt(1.0 - SCHEDULE.alpha_bar_K1[k]))


def _sampled(told: GuidanceTarget | None, num_steps: int = 10) -> np.ndarray:
    noise = draw_noise(1, 2, (5, 3, 24), 10)
    return sample_plans(guided(_stands_still, told, SCHEDULE), SCHEDULE, noise, num_steps=num_steps).x0_MNP


@pytest.mark.parametrize("num_steps", [10, 3, 1])
def test_drawn_all_the_way_a_sample_is_what_was_asked_for(num_steps: int) -> None:
    normalizer = _normalizer()
    predict_x0 = _sampled(GuidanceTarget.of(ActionTokenFeatures.of(_said()), normalizer, 1.0), num_steps)
    poses = normalizer.to_poses(predict_x0, np.zeros((2, 3)))[:, 0]
    np.testing.assert_allclose(poses, np.broadcast_to(ASKED, poses.shape), atol=1e-4)


def test_drawn_half_way_it_is_in_between_and_agents_are_not_drawn() -> None:
    told = GuidanceTarget.of(ActionTokenFeatures.of(_said()), _normalizer(), 0.5)
    assert told is not None
    predict_x0 = _sampled(told)
    np.testing.assert_allclose(predict_x0[:, 0], np.broadcast_to(0.5 * told.plan_P, (5, 24)), atol=1e-4)
    np.testing.assert_array_equal(predict_x0[:, 1:], _sampled(None)[:, 1:])


def test_what_was_not_said_is_the_models_alone() -> None:
    predict_x0, alone = (
        _sampled(GuidanceTarget.of(ActionTokenFeatures.of(_said(3)), _normalizer(), 1.0)),
        _sampled(None),
    )
    np.testing.assert_array_equal(predict_x0[:, 0, 9:], alone[:, 0, 9:])
    assert np.abs(predict_x0[:, 0, :9] - alone[:, 0, :9]).max() > 0.1


def test_silence_and_no_weight_change_nothing() -> None:
    normalizer = _normalizer()
    assert GuidanceTarget.of(ActionTokenFeatures.of({}), normalizer, 0.5) is None
    assert GuidanceTarget.of(ActionTokenFeatures.of(_said(0)), normalizer, 0.5) is None
    assert GuidanceTarget.of(ActionTokenFeatures.of(_said()), normalizer, 0.0) is None
    assert guided(_stands_still, None, SCHEDULE) is _stands_still
