"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation) with the parameter names of its published weights.

Blocks of inverted residuals (Sandler et al. 2018) in four stages of strides 4, 8, 16 and 32; the last block and the head of the
classifier are left out. Padding as in TensorFlow, where the weights were trained: the extra row and column of a stride of 2 are at
the end. Letters: B batch, C channels, H and W rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEM_CHANNELS = 32
BLOCKS = (
    # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
)
STAGES = ((1, 3), (3, 5), (5, 11), (11, 15))
"""First block of each stage and the one after its last; block 0 belongs to the stem."""
WIDTHS = (24, 40, 112, 192)
_EPSILON, _MOMENTUM = 1e-3, 0.01
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _padding(kernel: int, stride: int) -> nn.Module:
    """Padding of an even input as in TensorFlow."""
    total = kernel - stride
    return nn.ZeroPad2d((total // 2, total - total // 2, total // 2, total - total // 2))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; a shortcut where the shape stays."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self._expand_conv = nn.Conv2d(before, wide, 1, bias=False) if expansion > 1 else None
        self._bn0 = _norm(wide) if expansion > 1 else None
        self._pad = _padding(kernel, stride)
        self._depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, after, 1, bias=False)
        self._bn2 = _norm(after)
        self._relu = nn.ReLU6()
        self._is_residual = stride == 1 and before == after

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Features (B, C', H', W')."""
        y = x_BCHW
        if self._expand_conv is not None and self._bn0 is not None:
            y = self._relu(self._bn0(self._expand_conv(y)))
        y = self._relu(self._bn1(self._depthwise_conv(self._pad(y))))
        y = self._bn2(self._project_conv(y))
        return torch.as_tensor(x_BCHW + y if self._is_residual else y)


class EfficientNetLite0(nn.Module):
    """Stem and four stages, called one by one like those of ``resnet.ResNet``; images range from 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self._pad = _padding(3, 2)
        self._conv_stem = nn.Conv2d(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = _norm(STEM_CHANNELS)
        self._relu = nn.ReLU6()
        blocks, before = [], STEM_CHANNELS
        for repeats, kernel, stride, expansion, channels in BLOCKS:
            for number in range(repeats):
                step = stride if number == 0 else 1
                blocks.append(InvertedResidual(before, channels, kernel, step, expansion))
                before = channels
        self._blocks = nn.ModuleList(blocks)
        self.register_buffer("_mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("_scale", 1.0 / torch.tensor(_STD).view(3, 1, 1), persistent=False)

    @property
    def stem_stride(self) -> int:
        """Input pixels per pixel of the first stage."""
        return 4

    def stem(self, x_BCHW: Tensor) -> Tensor:
        """Input of the first stage."""
        normalized = (x_BCHW - self._mean) * self._scale
        x = self._relu(self._bn0(self._conv_stem(self._pad(normalized))))
        return torch.as_tensor(self._blocks[0](x))

    def stage(self, index: int, x_BCHW: Tensor) -> Tensor:
        """Output of stage 0..3 from the previous features."""
        for number in range(*STAGES[index]):
            x_BCHW = self._blocks[number](x_BCHW)
        return x_BCHW
