"""All parts of the planner's network together, with the names under which their weights are stored."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.encoder.auxiliary_heads import AuxiliaryHeads
from transdiffuser_planner.networks.encoder.scene_encoder import SceneEncoder, SceneFeatures
from transdiffuser_planner.networks.encoder.view_head import ViewHead
from transdiffuser_planner.networks.network_config import NetworkConfig


class PerceptionNetwork(nn.Module):
    """Scene encoder and auxiliary heads, trained in stage 1 and frozen in stage 2.

    Attributes:
        view_head: Semantics of the stitched view, called apart from ``forward``; None without one.
    """

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        self.config, self.contract = config, contract
        self.encoder = SceneEncoder(config, contract)
        self.heads = AuxiliaryHeads(config)
        self.view_head = ViewHead(config, contract) if config.view_channels else None

    def forward(
        self, image: Tensor, camera_valid: Tensor, lidar: Tensor, lidar_valid: Tensor
    ) -> tuple[SceneFeatures, dict[str, Tensor]]:
        """Features and auxiliary outputs of ``core.contract.ENCODER_INPUTS``."""
        features = self.encoder(image, camera_valid, lidar, lidar_valid)
        return features, self.heads(features)


class PlannerNetwork(nn.Module):
    """Perception and denoising decoder."""

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        self.config, self.contract = config, contract
        self.perception = PerceptionNetwork(config, contract)
        self.decoder = DenoisingDecoder(config, contract, self.perception.encoder.token_counts())

    def forward(
        self, observation: dict[str, Tensor], agents: Tensor, agents_valid: Tensor, x: Tensor, k: Tensor
    ) -> Tensor:
        """Predicted noise (B, M, N, P) of one denoise step; all parts in one call, for tests and inspection."""
        names = ("image", "camera_valid", "lidar", "lidar_valid")
        features, _ = self.perception(*(observation[name] for name in names))
        prepared = self.decoder.prepare(features.tokens, observation, agents, agents_valid)
        return torch.as_tensor(self.decoder(x, k, prepared)[0])
