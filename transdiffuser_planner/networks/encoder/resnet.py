"""Residual network of basic blocks (He et al. 2016) with the parameter names of the published checkpoints.

``conv1``, ``bn1``, ``layer1.0.conv1`` ... so that pretrained ResNet-18/34 weights load (``training/engine/pretrained.py`` reads the
files); widths, depths, stem and input channels come from configuration.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.networks.network_config import BranchConfig

NUM_STAGES = 4


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Features (B, C', H', W')."""
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        y = self.relu(self.bn1(self.conv1(x_BCHW)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)


class ResNet(nn.Module):
    """Stem and four stages; the stages are called one by one so that fusion can happen between them."""

    def __init__(self, config: BranchConfig, in_channels: int) -> None:
        super().__init__()
        self.config = config
        width = config.widths[0]
        self.conv1 = nn.Conv2d(
            in_channels, width, config.stem_kernel, config.stem_stride, config.stem_kernel // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if config.stem_pool else nn.Identity()
        for index, (channels, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
            stride = 1 if index == 0 else 2
            stage = [BasicBlock(width, channels, stride)]
            stage += [BasicBlock(channels, channels, 1) for _ in range(blocks - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(*stage))
            width = channels
        self._initialize()

    def _initialize(self) -> None:
        """He initialization; the last norm of each block starts at zero so that a block starts as its shortcut."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(module.bn2.weight)

    @property
    def stem_stride(self) -> int:
        """Input pixels per pixel of the first stage."""
        return self.config.stem_stride * (2 if self.config.stem_pool else 1)

    def stem(self, x_BCHW: Tensor) -> Tensor:
        """Input of the first stage."""
        return torch.as_tensor(self.maxpool(self.relu(self.bn1(self.conv1(x_BCHW)))))

    def stage(self, index: int, x_BCHW: Tensor) -> Tensor:
        """Output of stage 0..3 from the previous features."""
        return torch.as_tensor(self.get_submodule(f"layer{index + 1}")(x_BCHW))
