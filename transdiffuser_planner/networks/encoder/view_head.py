"""Semantics of the stitched view: a small top-down path over the image branch's stages.

It supervises the image features and is a graph of its own at run time, so that a planning cycle does not pay for it.
Letters: B batch, C channels, H and W rows and columns, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.view_semantics import ViewClass, view_spec
from transdiffuser_planner.networks.network_config import NetworkConfig


class ViewHead(nn.Module):
    """Feature pyramid (Lin et al. 2017) from the coarsest image features to the resolution of ``core.view_semantics.view_spec``.

    Args:
        config: Sizes of the network; view_channels must not be 0.
        contract: Sizes of the view.
    """

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        channels, widths = config.view_channels, config.image.widths
        self.lateral = nn.ModuleList([nn.Conv2d(width, channels, 1) for width in widths])
        self.smooth = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in widths[1:]])
        self.out = nn.Conv2d(channels, len(ViewClass), 1)
        self.size = view_spec(contract).shape[1:]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits (B, K, H, W) of ViewClass.

        Args:
            maps: Fused image features (B, C, H, W) of the four stages, finest first.
        """
        x = functional.relu(self.lateral[-1](maps[-1]))
        for stage in range(len(maps) - 2, -1, -1):
            size = [int(length) for length in maps[stage].shape[2:]]
            x = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
            x = functional.relu(self.smooth[stage](x + self.lateral[stage](maps[stage])))
        x = self.out(x)
        if tuple(x.shape[2:]) != self.size:
            x = functional.interpolate(x, size=self.size, mode="bilinear", align_corners=False)
        return torch.as_tensor(x)
