"""Plan regression on the same features and conditions: the decoder's stack with nothing to denoise (a baseline).

It also serves as the auxiliary plan loss of the encoder's training. Letters: B batch, N tokens, P numbers of a plan.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import ModelContract, plan_spec
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.network_config import NetworkConfig


class RegressionHead(nn.Module):
    """One joint plan per scene, in model space."""

    def __init__(self, config: NetworkConfig, contract: ModelContract, token_counts: dict[str, int]) -> None:
        super().__init__()
        self.decoder = DenoisingDecoder(config, replace(contract, codebook_size=0, score_condition=False), token_counts)
        self.register_buffer("nothing", torch.zeros(1, 1, *plan_spec(contract).shape), persistent=False)

    def forward(
        self, features: dict[str, Tensor], conditions: dict[str, Tensor], agents: Tensor, agents_valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Plans (B, N, P) and the ego's representation (B, D); arguments as ``DenoisingDecoder.prepare``."""
        prepared = self.decoder.prepare(features, conditions, agents, agents_valid)
        nothing = self.nothing.expand(agents.shape[0], -1, -1, -1)
        step = torch.zeros(agents.shape[0], 1, dtype=torch.int64, device=agents.device)
        plan, fused = self.decoder(nothing, step, prepared)
        return plan[:, 0], fused[:, 0]
