"""Conditions the denoising decoder on action tokens; without tokens the conditioning is exactly zero.

The path of the tokens acts in three places: on the ego's token as unnormalized differences (a normalized embedding encodes
the direction, but hardly the distance), on the modulation of every layer, and as the last source that the ego reads. None of
them has a bias and all are masked, so a decoder trained without tokens can be extended without changing its output
without tokens.

Letters: B batch, T plan steps, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.networks.network_config import NetworkConfig

_POSE_SCALE = (0.05, 0.2, 1.0)
_SEGMENT_SCALE = (0.2, 2.0, 3.0)
_DIFFERENCE_SCALE = (0.4, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class ActionTokenConditioning:
    """Vectors (B, D) of the action tokens.

    Attributes:
        token: Added to the ego's token.
        modulation: Added to the modulation.
        source: Read by the ego as one more source.
    """

    token: Tensor
    modulation: Tensor
    source: Tensor


class ActionTokenEncoder(nn.Module):
    """Encodes ``core.contract.TOKEN_INPUTS``."""

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        steps, width = contract.num_plan_steps, config.width
        self.token = nn.Linear(steps * 4, width, bias=False)
        self.embedding = nn.Sequential(
            nn.Linear(steps * 7, config.embed_width), nn.SiLU(), nn.Linear(config.embed_width, width)
        )
        self.norm = nn.LayerNorm(width)
        self.modulation = nn.Linear(width, width, bias=False)

    def forward(self, segment_BT3: Tensor, valid_BT: Tensor) -> ActionTokenConditioning:
        """Encode the valid tokens.

        Args:
            segment_BT3: dx, dy, dheading of each plan step in the frame of the pose before it.
            valid_BT: 1 for valid tokens, which are the first ones, else 0.
        """
        valid = valid_BT[..., None]
        segment = segment_BT3 * valid
        step = _in_base_link(segment)
        pose = torch.cumsum(step, dim=1) * segment.new_tensor(_POSE_SCALE) * valid
        numbers = torch.cat([segment * segment.new_tensor(_SEGMENT_SCALE), pose, valid], dim=-1).flatten(1)
        source = self.norm(self.embedding(numbers)) * valid_BT.amax(dim=1, keepdim=True)
        differences = torch.cat([step * step.new_tensor(_DIFFERENCE_SCALE), valid], dim=-1).flatten(1)
        return ActionTokenConditioning(token=self.token(differences), modulation=self.modulation(source), source=source)


def _in_base_link(segment_BT3: Tensor) -> Tensor:
    """Segments, each in the frame of the one before, as differences between poses in base_link."""
    before = torch.cumsum(segment_BT3[..., 2], dim=1) - segment_BT3[..., 2]
    cos, sin = torch.cos(before), torch.sin(before)
    x = cos * segment_BT3[..., 0] - sin * segment_BT3[..., 1]
    y = sin * segment_BT3[..., 0] + cos * segment_BT3[..., 1]
    return torch.stack([x, y, segment_BT3[..., 2]], dim=-1)
