"""Auxiliary heads that supervise the encoder: bird's-eye semantics, agent boxes, the next signal's state.

Letters: B batch, C channels, L bird's-eye cells, H and W rows and columns, N positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.contract import NUM_BOX_CHANNELS, BevClass
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.networks.encoder.scene_encoder import SceneFeatures
from transdiffuser_planner.networks.network_config import NetworkConfig

CENTER_PRIOR = 0.02


class MapHeads(nn.Module):
    """One 3x3 convolution on the bird's-eye map, then a linear read-out of every output cell's channels."""

    def __init__(self, config: NetworkConfig, out_channels: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(config.bev_channels, config.head_channels, 3, padding=1)
        self.out = nn.Conv2d(config.head_channels, out_channels * config.bev_upsample**2, 1)
        self.upsample = config.bev_upsample

    def forward(self, x_BCLL: Tensor) -> Tensor:
        """(B, out_channels, L, L)."""
        y = self.out(functional.relu(self.hidden(x_BCLL), inplace=True))
        return functional.pixel_shuffle(y, self.upsample) if self.upsample > 1 else y


class SignalHead(nn.Module):
    """Locates the traffic light: a learned attention weights the features of all image positions."""

    def __init__(self, fine_channels: int, coarse_channels: int, hidden: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(fine_channels, hidden, 3, padding=1)
        self.score = nn.Conv2d(hidden, 2, 1)
        self.coarse = nn.Linear(coarse_channels, hidden)
        self.out = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, len(SignalState)))

    def forward(self, fine_BCHW: Tensor, coarse_BCHW: Tensor) -> Tensor:
        """Logits (B, 4) over SignalState."""
        votes = functional.relu(self.fine(fine_BCHW), inplace=True)
        weights_B2N = self.score(votes).flatten(2).softmax(dim=-1)
        found_B2C = weights_B2N @ votes.flatten(2).transpose(1, 2)
        overall = functional.relu(self.coarse(coarse_BCHW.mean(dim=(2, 3))))
        return torch.as_tensor(self.out(torch.cat([found_B2C.flatten(1), overall], dim=-1)))


class AuxiliaryHeads(nn.Module):
    """All heads; outputs as in ``core.contract.auxiliary_specs``."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.sizes = [len(BevClass), len(AgentClass), NUM_BOX_CHANNELS]
        self.maps = MapHeads(config, sum(self.sizes))
        self.signal = SignalHead(config.image.widths[-2], config.image.widths[-1], config.head_channels)
        first, last = (sum(self.sizes[:n]) * config.bev_upsample**2 for n in (1, 2))
        with torch.no_grad():
            self.maps.out.bias[first:last] = math.log(CENTER_PRIOR / (1.0 - CENTER_PRIOR))

    def forward(self, features: SceneFeatures) -> dict[str, Tensor]:
        """Auxiliary outputs by name."""
        semantics, centers, boxes = self.maps(features.bev_BCLL).split(self.sizes, dim=1)
        return {
            "bev_logits": semantics,
            "agent_heatmap": centers,
            "agent_box": boxes,
            "signal_logits": self.signal(features.image_maps[-2], features.image_maps[-1]),
        }
