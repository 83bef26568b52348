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
        plan_P = ego_plans(path.pose_T3[None], normalizer)[0]
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
    weight_P = (1.0 - (1.0 - target.weight_P) ** steps_replaced(schedule, num_steps)).astype(np.float32)

    def predict(x_MNP: Array, k: int) -> Array:
        eps_MNP: Array = predict_noise(x_MNP, k).copy()
        pull(eps_MNP[:, 0], x_MNP[:, 0], target.plan_P, weight_P, schedule.alpha_bar_K1[k])
        return eps_MNP

    return predict


def steps_replaced(schedule: NoiseSchedule, num_steps: int) -> float:
    """Training steps that each denoise step of a walk replaces; it guides as much as they do together.

    Args:
        schedule: The training schedule.
        num_steps: Denoise steps of the walk.
    """
    return schedule.num_steps / min(num_steps, schedule.num_steps)


def ego_plans(pose_MT3: NDArray[np.float64], normalizer: PlanNormalizer) -> Array:
    """Plans of the ego alone in model space, (M, P).

    Args:
        pose_MT3: x, y, heading in base_link.
        normalizer: The model's.
    """
    count, steps = pose_MT3.shape[:2]
    return np.asarray(normalizer.to_model(pose_MT3, np.zeros((count, 0, steps, 3)), np.zeros((count, 0, 3)))[:, 0])


def pull(eps_MP: Array, x_MP: Array, plan_P: Array, weight_P: Array | np.float32, alpha_bar: float) -> None:
    """Interpolate predicted noise towards that of target plans, in place.

    Args:
        eps_MP: Predicted noise; changed.
        x_MP: Samples.
        plan_P: Target plan of all samples, or (M, P) one of each.
        weight_P: Guidance weight of each number, or one of all.
        alpha_bar: Cumulative signal share at the denoise step of the samples.
    """
    target_eps_MP = (x_MP - np.float32(np.sqrt(alpha_bar)) * plan_P) / np.float32(np.sqrt(1.0 - alpha_bar))
    eps_MP += weight_P * (target_eps_MP - eps_MP)
