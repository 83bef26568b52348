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
TOKEN_PATH = np.stack([2.0 * np.arange(1, 9), 0.2 * np.arange(1, 9) ** 2 / 8.0, 0.05 * np.arange(1, 9)], axis=-1)


def _normalizer() -> PlanNormalizer:
    rng = np.random.default_rng(0)
    mean, std = rng.normal(0.0, 1.0, (2, 8, 3)), rng.uniform(0.5, 2.0, (2, 8, 3))
    return PlanNormalizer(ego_mean_T3=mean[0], ego_std_T3=std[0], agent_mean_T3=mean[1], agent_std_T3=std[1])


def _tokens(steps: int = 8) -> dict[str, np.ndarray]:
    segments = segments_between(np.concatenate([np.zeros((1, 3)), TOKEN_PATH]))
    valid = (np.arange(8) < steps).astype(np.float32)
    return {"action_tokens": (segments * valid[:, None])[None].astype(np.float32), "action_tokens_valid": valid[None]}


def _predicts_zero(x_MNP: np.ndarray, k: int) -> np.ndarray:
    """A model whose x0 is always 0: all differences equal the mean."""
    return x_MNP / np.float32(np.sqrt(1.0 - SCHEDULE.alpha_bar_K1[k]))


def _sampled(target: GuidanceTarget | None, num_steps: int = 10) -> np.ndarray:
    noise = draw_noise(1, 2, (5, 3, 24), 10)
    return sample_plans(
        guided(_predicts_zero, target, SCHEDULE, num_steps), SCHEDULE, noise, num_steps=num_steps
    ).x0_MNP


@pytest.mark.parametrize("num_steps", [10, 3, 1])
def test_full_guidance_gives_the_path_of_the_tokens(num_steps: int) -> None:
    normalizer = _normalizer()
    x0 = _sampled(GuidanceTarget.of(ActionTokenFeatures.of(_tokens()), normalizer, 1.0), num_steps)
    poses = normalizer.to_poses(x0, np.zeros((2, 3)))[:, 0]
    np.testing.assert_allclose(poses, np.broadcast_to(TOKEN_PATH, poses.shape), atol=1e-4)


def test_half_guidance_gives_half_the_target_and_does_not_guide_agents() -> None:
    target = GuidanceTarget.of(ActionTokenFeatures.of(_tokens()), _normalizer(), 0.5)
    assert target is not None
    x0 = _sampled(target)
    np.testing.assert_allclose(x0[:, 0], np.broadcast_to(0.5 * target.plan_P, (5, 24)), atol=1e-4)
    np.testing.assert_array_equal(x0[:, 1:], _sampled(None)[:, 1:])


def test_steps_beyond_the_tokens_are_not_guided() -> None:
    x0, alone = (
        _sampled(GuidanceTarget.of(ActionTokenFeatures.of(_tokens(3)), _normalizer(), 1.0)),
        _sampled(None),
    )
    np.testing.assert_array_equal(x0[:, 0, 9:], alone[:, 0, 9:])
    assert np.abs(x0[:, 0, :9] - alone[:, 0, :9]).max() > 0.1


def test_without_tokens_or_weight_there_is_no_guidance() -> None:
    normalizer = _normalizer()
    assert GuidanceTarget.of(ActionTokenFeatures.of({}), normalizer, 0.5) is None
    assert GuidanceTarget.of(ActionTokenFeatures.of(_tokens(0)), normalizer, 0.5) is None
    assert GuidanceTarget.of(ActionTokenFeatures.of(_tokens()), normalizer, 0.0) is None
    assert guided(_predicts_zero, None, SCHEDULE, 10) is _predicts_zero


def test_few_steps_guide_as_much_as_all_of_them() -> None:
    """Of a model that predicts x0 = 0, the last step alone decides: 1 - 0.5^5 with two steps of ten, 0.5 with ten."""
    target = GuidanceTarget.of(ActionTokenFeatures.of(_tokens()), _normalizer(), 0.5)
    assert target is not None
    x0 = _sampled(target, num_steps=2)
    np.testing.assert_allclose(x0[:, 0], np.broadcast_to((1.0 - 0.5**5) * target.plan_P, (5, 24)), atol=1e-4)
