"""Losses that keep the ego's plan away from failing ones: preference pairs and repulsion. The agents' rows are not touched.

Letters: B scenes, R scenes with a pair, M noisy samples per scene, F failing plans, N = 1 + A road users, P numbers of a plan.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.losses import masked_mean
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.training.engine.devices import full_precision
from transdiffuser_planner.training.preference_recipe import PreferenceConfig
from transdiffuser_planner.training.preferences.noise_prediction import Batch, NoisePrediction, recovered_x0
from transdiffuser_planner.training.preferences.policy_gradient import policy_loss

PREFERENCE_TERMS: Final = ("pairs", "repulsion", "policy")
"""Terms by the names of their weights in the recipe."""


def preference_losses(
    config: PreferenceConfig,
    schedule: NoiseSchedule,
    network: DenoisingDecoder,
    batch: Batch,
    drawn: NoisePrediction,
) -> dict[str, Tensor]:
    """Compute the terms of the recipe on the noisy samples of a step.

    Args:
        config: Which terms, and their constants.
        schedule: Noise schedule.
        network: The decoder.
        batch: With ``preferred_plans.preference_tensors``.
        drawn: Noisy samples of the targets and the predicted noise.

    Returns:
        ``PREFERENCE_TERMS``, unweighted; 0 for terms without weight. With pairs also "pairs_right", the share of noisy samples in
        which the winner's loss is lower, with a policy the curves of ``policy_gradient.policy_loss``.
    """
    zero = drawn.predicted.new_zeros(())
    parts = dict.fromkeys(PREFERENCE_TERMS, zero)
    with full_precision(drawn.predicted.device):
        if config.pairs > 0.0:
            parts |= pair_loss(config.beta, network, batch, drawn)
        if config.repulsion > 0.0:
            parts["repulsion"] = repulsion_loss(config.repulsion_reach, batch, drawn)
        if config.policy > 0.0:
            parts |= policy_loss(config, schedule, network, batch, drawn.prepared)
    return parts


def pair_loss(beta: float, network: DenoisingDecoder, batch: Batch, drawn: NoisePrediction) -> dict[str, Tensor]:
    """-log sigmoid(beta (loss of the loser - loss of the winner)), both with the same noise and step; 0 without a pair.

    Args:
        beta: Sharpness.
        network: The decoder.
        batch: With "loser" and "has_loser"; the winner is the batch's target.
        drawn: Noisy samples of the winner.

    Returns:
        "pairs" and "pairs_right".
    """
    row_R = torch.nonzero(batch["has_loser"] > 0.0)[:, 0]
    if len(row_R) == 0:
        none = drawn.predicted.sum() * 0.0
        return {"pairs": none, "pairs_right": none.detach()}
    level, noise = drawn.level_BM11[row_R], drawn.noise[row_R]
    noisy = drawn.noisy[row_R].clone()
    loser = batch["loser"][row_R][:, None]
    noisy[:, :, 0] = level[..., 0].sqrt() * loser + (1.0 - level[..., 0]).sqrt() * noise[:, :, 0]
    prepared = {name: value[row_R] for name, value in drawn.prepared.items()}
    predicted = network(noisy, drawn.k_BM[row_R], prepared)[0]
    lost_RM = (predicted[:, :, 0].float() - noise[:, :, 0]).square().mean(dim=-1)
    won_RM = (drawn.predicted[row_R][:, :, 0].float() - noise[:, :, 0]).square().mean(dim=-1)
    right = (lost_RM > won_RM).float().mean()
    return {"pairs": -functional.logsigmoid(beta * (lost_RM - won_RM)).mean(), "pairs_right": right.detach()}


def repulsion_loss(reach: float, batch: Batch, drawn: NoisePrediction) -> Tensor:
    """Nearness of the recovered plan to the nearest failing one: 1 at it, 0 from reach on, less at noisier steps.

    Args:
        reach: Mean absolute difference in model space from which on nothing repels.
        batch: With "failing" (B, F, P) and "has_failing" (B, F).
        drawn: Noisy samples and the predicted noise.
    """
    level_BM1 = drawn.level_BM11[..., 0]
    noisy, predicted = drawn.noisy[:, :, 0], drawn.predicted[:, :, 0].float()
    x0_BMP = recovered_x0(noisy, predicted, level_BM1)
    gap_BMF = (x0_BMP[:, :, None] - batch["failing"][:, None]).abs().mean(dim=-1)
    gap_BMF = gap_BMF + (1.0 - batch["has_failing"][:, None]) * 1e3
    near_BM = functional.relu(1.0 - gap_BMF.amin(dim=-1) / reach)
    has_B1 = batch["has_failing"].amax(dim=1)[:, None]
    return masked_mean(level_BM1[..., 0] * near_BM, has_B1)
