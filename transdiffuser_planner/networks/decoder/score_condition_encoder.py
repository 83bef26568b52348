"""Conditions the denoising decoder on sub-scores that the plan is to have; without any the conditioning is exactly zero.

FlowR2A (arXiv 2606.24231) learns plans under their scores, good and bad ones, and asks for high ones. The scores act on the
ego's token and on the modulation of every layer, once per scene: nothing is added per candidate. No output has a bias and both are
masked, so a decoder trained without scores can be extended without changing its output without scores.

Letters: B batch, Q scores, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.driving_style import WANTED_SCORES
from transdiffuser_planner.networks.network_config import NetworkConfig


@dataclass(frozen=True, slots=True)
class ScoreConditioning:
    """Vectors (B, D) of the wanted scores.

    Attributes:
        token: Added to the ego's token.
        modulation: Added to the modulation.
    """

    token: Tensor
    modulation: Tensor


class ScoreConditionEncoder(nn.Module):
    """Encodes ``core.driving_style.STYLE_INPUTS``."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.embedding = nn.Sequential(
            nn.Linear(2 * len(WANTED_SCORES), config.embed_width), nn.SiLU(), nn.Linear(config.embed_width, width)
        )
        self.token = nn.Linear(width, width, bias=False)
        self.modulation = nn.Linear(width, width, bias=False)

    def forward(self, scores_BQ: Tensor, valid_BQ: Tensor) -> ScoreConditioning:
        """Encode the scores that are asked for.

        Args:
            scores_BQ: In the order of WANTED_SCORES.
            valid_BQ: 1 for scores that are asked for, else 0.
        """
        centered = (2.0 * scores_BQ - 1.0) * valid_BQ
        source = self.embedding(torch.cat([centered, valid_BQ], dim=-1)) * valid_BQ.amax(dim=1, keepdim=True)
        return ScoreConditioning(token=self.token(source), modulation=self.modulation(source))
