"""Transformer fusion of image and LiDAR features (TransFuser, Chitta et al. 2022): both grids attend to each other.

Letters: B batch, C channels, H and W rows and columns, N tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.networks.attention import SelfAttention


class FusionBlock(nn.Module):
    """Pre-norm self-attention over all tokens and a feed-forward part of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(inplace=True), nn.Linear(4 * width, width))

    def forward(self, x_BNC: Tensor) -> Tensor:
        """Tokens of the same shape."""
        x_BNC = x_BNC + self.attention(self.norm1(x_BNC))
        return x_BNC + self.mlp(self.norm2(x_BNC))


class Fusion(nn.Module):
    """Exchanges information between the branches after one stage."""

    def __init__(
        self,
        *,
        image_channels: int,
        lidar_channels: int,
        image_tokens: tuple[int, int],
        lidar_tokens: tuple[int, int],
        layers: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.image_tokens, self.lidar_tokens = image_tokens, lidar_tokens
        width = image_channels
        same = image_channels == lidar_channels
        self.lidar_in = nn.Identity() if same else nn.Linear(lidar_channels, width)
        self.lidar_out = nn.Identity() if same else nn.Linear(width, lidar_channels)
        self.num_image = image_tokens[0] * image_tokens[1]
        self.num_lidar = lidar_tokens[0] * lidar_tokens[1]
        self.position = nn.Parameter(torch.randn(self.num_image + self.num_lidar, width) * 0.02)
        self.missing_image = nn.Parameter(torch.randn(width) * 0.02)
        self.missing_lidar = nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList([FusionBlock(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(
        self, image_BCHW: Tensor, lidar_BCHW: Tensor, image_valid_BN: Tensor, lidar_valid_B1: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both feature maps with the other's information added.

        Args:
            image_BCHW: Image features after the stage.
            lidar_BCHW: LiDAR features after the stage.
            image_valid_BN: Share 0..1 of each image token that a camera covers.
            lidar_valid_B1: 1 with a point cloud, else 0.
        """
        image_BNC = _tokens(image_BCHW, self.image_tokens)
        lidar_BNC = self.lidar_in(_tokens(lidar_BCHW, self.lidar_tokens))
        image_BNC = mix(image_BNC, image_valid_BN, self.missing_image)
        lidar_BNC = mix(lidar_BNC, lidar_valid_B1, self.missing_lidar)
        x_BNC = torch.cat([image_BNC, lidar_BNC], dim=1) + self.position
        for block in self.blocks:
            x_BNC = block(x_BNC)
        x_BNC = self.norm(x_BNC)
        image_add = _grid(x_BNC[:, : self.num_image], self.image_tokens, image_BCHW)
        lidar_add = _grid(self.lidar_out(x_BNC[:, self.num_image :]), self.lidar_tokens, lidar_BCHW)
        return image_BCHW + image_add, lidar_BCHW + lidar_add


def mix(tokens_BNC: Tensor, valid_BN: Tensor, missing_C: Tensor) -> Tensor:
    """Blend tokens with the learned embedding by their validity 0..1."""
    return missing_C + valid_BN[..., None] * (tokens_BNC - missing_C)


def _tokens(x_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Average-pool to a token grid and flatten: (B, N, C)."""
    kernel = (int(x_BCHW.shape[2]) // size[0], int(x_BCHW.shape[3]) // size[1])
    pooled = x_BCHW if kernel == (1, 1) else functional.avg_pool2d(x_BCHW, kernel)
    return pooled.flatten(2).transpose(1, 2)


def _grid(tokens_BNC: Tensor, size: tuple[int, int], like_BCHW: Tensor) -> Tensor:
    """Convert tokens back to a feature map of the size of like_BCHW, bilinear."""
    grid = tokens_BNC.to(like_BCHW.dtype).reshape(-1, *size, tokens_BNC.shape[2]).permute(0, 3, 1, 2)
    target = (int(like_BCHW.shape[2]), int(like_BCHW.shape[3]))
    if target == size:
        return grid
    return functional.interpolate(grid, size=target, mode="bilinear", align_corners=False)
