"""Draws samples towards what action tokens ask for, at every denoise step and as far as a weight says.

The told plan x_0 would need the noise eps = (x_k - sqrt(alpha_bar_k) x_0) / sqrt(1 - alpha_bar_k); the model's own prediction
is moved that way. It is guidance as in inpainting with diffusion (Lugmayr et al. 2022), weighed: the decoder, which knows the
same tokens as a condition, keeps a say, and steps that nothing was said of are its alone.

Letters: M samples, N = 1 + A tokens with the ego first, T plan steps, P = T x 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.planning.diffusion.sampler import PredictNoise
from transdiffuser_planner.planning.observation.action_token_features import TokenPath

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class GuidanceTarget:
    """plan_P in model space, and weight_P: how far each of its numbers draws, 0 where nothing was said."""

    plan_P: Array
    weight_P: Array

    @staticmethod
    def of(path: TokenPath | None, normalizer: PlanNormalizer, weight: float) -> GuidanceTarget | None:
        """The plan that samples are drawn towards.

        Args:
            path: Of the action tokens.
            normalizer: The model's.
            weight: 0 .. 1.

        Returns:
            The plan; None without action tokens or weight.
        """
        if weight <= 0.0 or path is None:
            return None
        agents = np.zeros((1, 0, len(path.pose_T3), 3)), np.zeros((1, 0, 3))
        plan_P = normalizer.to_model(path.pose_T3[None], *agents)[0, 0]
        return GuidanceTarget(plan_P=plan_P, weight_P=np.repeat(weight * path.valid_T, 3).astype(np.float32))


def guided(predict_noise: PredictNoise, told: GuidanceTarget | None, schedule: NoiseSchedule) -> PredictNoise:
    """``predict_noise`` with the ego's samples (M, N, P) drawn towards the told plan."""
    if told is None:
        return predict_noise

    def predict(x_MNP: Array, k: int) -> Array:
        eps_MNP: Array = predict_noise(x_MNP, k).copy()
        share = schedule.alpha_bar_K1[k]
        wanted_MP = (x_MNP[:, 0] - np.float32(np.sqrt(share)) * told.plan_P) / np.float32(np.sqrt(1.0 - share))
        eps_MNP[:, 0] += told.weight_P * (wanted_MP - eps_MNP[:, 0])
        return eps_MNP

    return predict
