"""Guides samples towards the path of the action tokens at every denoise step, by a weight.

The target plan x_0 corresponds to the noise eps = (x_k - sqrt(alpha_bar_k) x_0) / sqrt(1 - alpha_bar_k); the predicted noise
is interpolated towards it. This is weighted guidance as in inpainting with diffusion (Lugmayr et al. 2022): the decoder,
conditioned on the same tokens, retains influence, and plan steps beyond the tokens are not guided.

Letters: M samples, N = 1 + A tokens with the ego first, T plan steps, P = T x 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.planning.diffusion.sampler import PredictNoise
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class GuidanceTarget:
    """Target plan of the guidance.

    Attributes:
        plan_P: In model space.
        weight_P: Guidance weight of each number, 0 beyond the tokens.
    """

    plan_P: Array
    weight_P: Array

    @staticmethod
    def of(path: ActionTokenFeatures | None, normalizer: PlanNormalizer, weight: float) -> GuidanceTarget | None:
        """Build the target from action tokens.

        Args:
            path: Path of the action tokens.
            normalizer: The model's.
            weight: Guidance weight, 0 .. 1.

        Returns:
            The target; None without action tokens or weight.
        """
        if weight <= 0.0 or path is None:
            return None
        agents = np.zeros((1, 0, len(path.pose_T3), 3)), np.zeros((1, 0, 3))
        plan_P = normalizer.to_model(path.pose_T3[None], *agents)[0, 0]
        return GuidanceTarget(plan_P=plan_P, weight_P=np.repeat(weight * path.valid_T, 3).astype(np.float32))


def guided(
    predict_noise: PredictNoise, target: GuidanceTarget | None, schedule: NoiseSchedule, num_steps: int
) -> PredictNoise:
    """Guide the ego's samples towards a target.

    Args:
        predict_noise: (samples (M, N, P), denoise step k) -> predicted noise, same shape.
        target: None returns ``predict_noise`` unchanged.
        schedule: The training schedule; the weight is that of one of its steps.
        num_steps: Denoise steps of the walk; of fewer, each guides as much as the ones that it replaces.
    """
    if target is None:
        return predict_noise
    replaced = schedule.num_steps / min(num_steps, schedule.num_steps)
    weight_P = (1.0 - (1.0 - target.weight_P) ** replaced).astype(np.float32)

    def predict(x_MNP: Array, k: int) -> Array:
        eps_MNP: Array = predict_noise(x_MNP, k).copy()
        alpha_bar = schedule.alpha_bar_K1[k]
        target_eps_MP = (x_MNP[:, 0] - np.float32(np.sqrt(alpha_bar)) * target.plan_P) / np.float32(
            np.sqrt(1.0 - alpha_bar)
        )
        eps_MNP[:, 0] += weight_P * (target_eps_MP - eps_MNP[:, 0])
        return eps_MNP

    return predict
