"""Fine-tuning of an encoder whose trained decoder stays in use: losses that keep the meaning of the scene tokens.

Two ways, by weights of the recipe: the tokens stay near those of the encoder that initialized the training (distillation, Romero
et al. 2015), or the frozen decoder still predicts the noise of the logged plans from them. Both networks are fixed.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.encoder.scene_encoder import SceneFeatures
from transdiffuser_planner.networks.losses import distillation_loss
from transdiffuser_planner.networks.network_config import RESNET, NetworkConfig, named_config
from transdiffuser_planner.networks.planner_network import PerceptionNetwork
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.training.engine.stage_weights import load_into, starting_weights
from transdiffuser_planner.training.engine.warm_start import LIDAR_STEM, merged_heights, start_from
from transdiffuser_planner.training.feature_cache import perceive
from transdiffuser_planner.training.recipe import TrainingConfig
from transdiffuser_planner.training.stages import decoder as decoder_stage

Batch = dict[str, Any]

STAGE = "encoder"
"""Stage whose weights the training starts from."""


@dataclass(frozen=True, kw_only=True)
class KeptBehavior:
    """Fixed networks that the trained encoder must stay compatible with.

    Attributes:
        teacher: The perception as it was before the training; None without distillation.
        decoder: The trained decoder; None without its loss.
        schedule: Noise schedule of the decoder.
        num_samples: Noisy samples per scene.
        lidar_channels: LiDAR channels that the teacher was trained with.
    """

    teacher: PerceptionNetwork | None
    decoder: DenoisingDecoder | None
    schedule: NoiseSchedule
    num_samples: int
    lidar_channels: int

    @staticmethod
    def of(
        config: TrainingConfig,
        network: NetworkConfig,
        contract: ModelContract,
        perception: PerceptionNetwork,
        start: Path | None,
        schedule: NoiseSchedule,
    ) -> KeptBehavior | None:
        """Build what the recipe requests; None if it requests nothing.

        Args:
            config: The recipe.
            network: Sizes of the networks.
            contract: Sizes of the tensors.
            perception: The initialized perception, before its training.
            start: Folder of the weights that it was initialized from.
            schedule: Noise schedule.

        Raises:
            ConfigError: The recipe requests a loss, but nothing was loaded.
            TrainingError: The folder has no decoder, or one of other sizes.
        """
        weights = config.loss
        if not weights.distillation and not weights.denoising:
            return None
        if start is None:
            raise ConfigError(
                "recipe: loss distillation or denoising keeps what a trained model knows; give it with --init-from"
            )
        decoder = None
        if weights.denoising:
            decoder = DenoisingDecoder(network, contract, perception.encoder.token_counts())
            load_into(decoder, starting_weights(start, decoder_stage.STAGE), start)
        teacher = _teacher(config, network, contract, perception, start) if weights.distillation else None
        for fixed in (teacher, decoder):
            if fixed is not None:
                fixed.eval().requires_grad_(False)
        stem = starting_weights(start, STAGE)[f"perception.encoder.{LIDAR_STEM}"]
        return KeptBehavior(
            teacher=teacher,
            decoder=decoder,
            schedule=schedule,
            num_samples=config.encoder.samples_per_scene,
            lidar_channels=stem.shape[1],
        )

    def losses(self, config: TrainingConfig, features: SceneFeatures, batch: Batch) -> dict[str, Tensor]:
        """Compute "distillation" and "denoising", unweighted, those that the recipe requests.

        Args:
            config: The recipe.
            features: Of the trained encoder.
            batch: Of the encoder stage, with "clean_image" for the teacher.
        """
        parts = {}
        if self.teacher is not None:
            _follow(self.teacher, batch)
            contract = self.teacher.contract
            lidar = merged_heights(batch["lidar"], self.lidar_channels, contract.lidar_clip_points)
            with torch.no_grad():
                known, _ = perceive(self.teacher, batch | {"image": batch["clean_image"], "lidar": lidar}, contract)
            parts["distillation"] = distillation_loss(features.tokens, known.tokens)
        if self.decoder is not None:
            _follow(self.decoder, batch)
            scene = batch | features.tokens
            planned = decoder_stage.losses(config.loss, self.num_samples, self.schedule, self.decoder, scene)
            parts["denoising"] = planned["diffusion"]
        return parts


def _teacher(
    config: TrainingConfig, network: NetworkConfig, contract: ModelContract, perception: PerceptionNetwork, start: Path
) -> PerceptionNetwork:
    """The perception before the training; with another backbone the earlier one, whose image branch was trained."""
    if config.backbone == RESNET:
        return copy.deepcopy(perception)
    earlier = PerceptionNetwork(replace(network, image=named_config(config.network).image, view_channels=0), contract)
    prefix = "perception."
    weights = starting_weights(start, STAGE)
    start_from(earlier, {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)})
    return earlier


def _follow(network: nn.Module, batch: Batch) -> None:
    """Move a fixed network to the device of the batch; nothing happens from the second call on."""
    network.to(batch["plan"].device)
