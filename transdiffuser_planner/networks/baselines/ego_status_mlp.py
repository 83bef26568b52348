"""Planner without sensors: an MLP over ego status and past, optionally route, signal and speed limit (a baseline)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import NUM_AGENT_FEATURES, ModelContract
from transdiffuser_planner.networks.decoder.motion_encoder import SOURCES, MotionEncoder
from transdiffuser_planner.networks.network_config import NetworkConfig


class StatusMlp(nn.Module):
    """One ego plan per scene in model space, from inputs other than cameras and LiDAR."""

    def __init__(self, config: NetworkConfig, contract: ModelContract, *, with_route: bool) -> None:
        super().__init__()
        self.encoder = MotionEncoder(config, replace(contract, codebook_size=0, score_condition=False))
        self.sources = SOURCES if with_route else SOURCES[:2]
        hidden = 2 * config.width
        self.out = nn.Sequential(
            nn.Linear(len(self.sources) * config.width, hidden),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, contract.num_plan_steps * 3),
        )

    def forward(self, conditions: dict[str, Tensor]) -> Tensor:
        """Plan (B, T * 3)."""
        no_agents = conditions["status"].new_zeros(len(conditions["status"]), 1, NUM_AGENT_FEATURES)
        motion = self.encoder(conditions, no_agents)
        return torch.as_tensor(self.out(motion.side_by_side(self.sources)))
