"""State of a traffic light from a crop around its head: four convolutions of stride 2 and a linear layer.

The position in the crop matters as well as the color: red is above green. Letters: B batch, H and W rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.view_semantics import LAMP_CROP

WIDTHS = (16, 24, 32, 48)
DROPOUT = 0.2


class LampClassifier(nn.Module):
    """Logits of SignalState; UNKNOWN is a head without a lit lamp, or none."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        cells = (LAMP_CROP[0] // 2 ** len(WIDTHS)) * (LAMP_CROP[1] // 2 ** len(WIDTHS))
        self.dropout = nn.Dropout(DROPOUT)
        self.out = nn.Linear(WIDTHS[-1] * cells, len(SignalState))

    def forward(self, crop_B3HW: Tensor) -> Tensor:
        """Logits (B, 4).

        Args:
            crop_B3HW: RGB 0..1 of the size LAMP_CROP.
        """
        return torch.as_tensor(self.out(self.dropout(self.features(crop_B3HW).flatten(1))))
