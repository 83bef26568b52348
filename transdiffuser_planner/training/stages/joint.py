"""Stage 3, optional: end-to-end training of encoder and decoder from the sensors to the plans."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.planning.action_codebook import ActionCodebook
from transdiffuser_planner.planning.diffusion.joint_sampler import JointSampler
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.training.batches.augmentation import drop_tokens
from transdiffuser_planner.training.engine.devices import full_precision, to_device
from transdiffuser_planner.training.feature_cache import perceive
from transdiffuser_planner.training.recipe import TrainingConfig
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage

Batch = dict[str, Any]

STAGE = "joint"


def make_batch(
    samples: SampleSet,
    codebook: ActionCodebook | None,
    contract: ModelContract,
    normalizer: PlanNormalizer,
    config: TrainingConfig,
    index_B: NDArray[np.int64],
    rng: np.random.Generator,
) -> Batch:
    """Make one batch of tensors: sensors and labels as in stage 1 but never mirrored, action tokens as in stage 2."""
    straight = replace(config, augmentation=replace(config.augmentation, mirror=0.0))
    batch = encoder_stage.make_batch(samples, contract, normalizer, straight, index_B, rng)
    if codebook is not None:
        tokens = codebook.encode(samples.gather(index_B, ("plan",))["plan"])
        token_inputs = drop_tokens(codebook.segment_C3[tokens].astype(np.float32), rng, config.augmentation)
        batch |= {name: torch.from_numpy(value) for name, value in token_inputs.items()}
    return batch


def losses(
    config: TrainingConfig, contract: ModelContract, schedule: NoiseSchedule, network: PlannerNetwork, batch: Batch
) -> dict[str, Tensor]:
    """Compute the diffusion loss of stage 2 plus the auxiliary losses of stage 1, weighted into "total"."""
    features, heads = perceive(network.perception, batch, contract, with_view=True)
    parts = encoder_stage.auxiliary_losses(heads, batch)
    with full_precision(batch["plan"].device):
        auxiliary = encoder_stage.weighted(config.loss, parts)
    num_samples = config.joint.samples_per_scene
    planned = decoder_stage.losses(config.loss, num_samples, schedule, network.decoder, batch | features.tokens)
    return parts | planned | {"total": auxiliary + planned["total"]}


@torch.no_grad()
def validate(
    samples: SampleSet,
    contract: ModelContract,
    normalizer: PlanNormalizer,
    schedule: NoiseSchedule,
    limit: int,
    network: nn.Module,
) -> dict[str, float]:
    """Validate as in stage 2 with features of this network: ADE in meters and spread."""
    assert isinstance(network, PlannerNetwork)
    network.eval()
    device = next(network.parameters()).device
    index = np.linspace(0, len(samples) - 1, min(limit, len(samples))).astype(np.int64)

    def batches() -> Any:
        for part in np.array_split(index, max(len(index) // 64, 1)):
            batch = encoder_stage.make_batch(samples, contract, normalizer, None, part, np.random.default_rng(0))
            tokens = perceive(network.perception, to_device(batch, device), contract)[0].tokens
            yield batch | {name: value.float() for name, value in tokens.items()}

    sampler = JointSampler(contract=contract, schedule=schedule, normalizer=normalizer)
    return decoder_stage.sampling_errors(network.decoder, batches(), sampler)


def batch_maker(
    samples: SampleSet,
    codebook: ActionCodebook | None,
    contract: ModelContract,
    normalizer: PlanNormalizer,
    config: TrainingConfig,
) -> Any:
    """``make_batch`` for the training set."""
    return partial(make_batch, samples, codebook, contract, normalizer, config)
