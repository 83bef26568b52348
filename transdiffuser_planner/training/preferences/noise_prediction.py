"""The decoder's noise prediction on a batch at random denoise steps: what all its losses are made of.

Letters: B scenes, M noisy samples per scene, N = 1 + A road users, P numbers of a plan, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from transdiffuser_planner.core.contract import CONDITION_INPUTS, TOKEN_INPUTS
from transdiffuser_planner.core.driving_style import STYLE_INPUTS
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.planning.diffusion.noise_schedule import MAX_X0, NoiseSchedule

Batch = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisePrediction:
    """Noisy samples of a batch and the network's answer.

    Attributes:
        prepared: Result of ``DenoisingDecoder.prepare`` for the scenes.
        k_BM: Denoise steps.
        level_BM11: Share of the signal in the samples' variance at these steps.
        noise: Added noise (B, M, N, P).
        noisy: Noisy samples (B, M, N, P).
        predicted: Predicted noise (B, M, N, P).
        fused_BMD: The ego's representation before the action decoder.
    """

    prepared: dict[str, Tensor]
    k_BM: Tensor
    level_BM11: Tensor
    noise: Tensor
    noisy: Tensor
    predicted: Tensor
    fused_BMD: Tensor


def noise_prediction(
    network: DenoisingDecoder, batch: Batch, num_samples: int, schedule: NoiseSchedule
) -> NoisePrediction:
    """Add noise to the joint plans of a batch and predict it.

    Args:
        network: The decoder.
        batch: Labels, conditions and scene features.
        num_samples: Noisy samples per scene.
        schedule: Noise schedule.
    """
    device = batch["plan"].device
    shape = (len(batch["plan"]), num_samples)
    alpha_bar = torch.tensor(schedule.alpha_bar_K1, dtype=torch.float32, device=device)
    k = torch.randint(1, schedule.num_steps + 1, shape, device=device)
    level = alpha_bar[k][..., None, None]
    x0 = batch["plan"][:, None]
    noise = torch.randn(*shape, *batch["plan"].shape[1:], device=device)
    noisy = level.sqrt() * x0 + (1.0 - level).sqrt() * noise
    features = {name: batch[name] for name in FEATURE_NAMES}
    prepared = network.prepare(features, conditions_of(batch), batch["agents"], batch["agents_valid"])
    predicted, fused = network(noisy, k, prepared)
    return NoisePrediction(
        prepared=prepared, k_BM=k, level_BM11=level, noise=noise, noisy=noisy, predicted=predicted, fused_BMD=fused
    )


def recovered_x0(noisy: Tensor, predicted: Tensor, level: Tensor) -> Tensor:
    """Return the x0 estimate of samples, limited as at run time.

    Args:
        noisy: Samples.
        predicted: Predicted noise of the same shape.
        level: Share of the signal in their variance, broadcastable.
    """
    return ((noisy - (1.0 - level).sqrt() * predicted) / level.sqrt()).clamp(-MAX_X0, MAX_X0)


def conditions_of(batch: Batch) -> dict[str, Tensor]:
    """Conditions of the decoder in a batch, with or without action tokens and wanted scores."""
    return {name: batch[name] for name in (*CONDITION_INPUTS, *TOKEN_INPUTS, *STYLE_INPUTS) if name in batch}
