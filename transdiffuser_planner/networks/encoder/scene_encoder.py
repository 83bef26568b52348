"""Scene encoder: image and LiDAR branches fused after every stage; outputs a bird's-eye map and token grids.

Letters: B batch, C channels, H and W rows and columns, L bird's-eye cells, N tokens, D decoder width, V view segments.
Missing cameras and a missing point cloud are masked and replaced by learned embeddings, so that zeros never count as data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.networks.encoder.efficientnet_lite import EfficientNetLite0
from transdiffuser_planner.networks.encoder.fusion import Fusion, mix
from transdiffuser_planner.networks.encoder.resnet import NUM_STAGES, ResNet
from transdiffuser_planner.networks.network_config import RESNET, NetworkConfig

FEATURE_NAMES = ("bev_tokens", "image_tokens", "lidar_tokens")


@dataclass(frozen=True, slots=True)
class SceneFeatures:
    """Outputs of the encoder.

    Attributes:
        bev_BCLL: Bird's-eye map, row 0 ahead, column 0 left; coarser than the heads' outputs by bev_upsample.
        image_maps: Fused image features of the four stages, finest first.
        lidar_BCHW: Fused LiDAR features of the last stage.
        tokens: FEATURE_NAMES -> (B, N, D), the decoder's memories.
    """

    bev_BCLL: Tensor
    image_maps: list[Tensor]
    lidar_BCHW: Tensor
    tokens: dict[str, Tensor]


class SceneEncoder(nn.Module):
    """The backbone: fusion of two ResNets, top-down path to the bird's-eye map, tokens for the decoder."""

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        self.config, self.contract = config, contract
        is_resnet = config.image.kind == RESNET
        self.image_branch = ResNet(config.image, 3) if is_resnet else EfficientNetLite0()
        self.lidar_branch = ResNet(config.lidar, contract.lidar_channels)
        self._check_sizes()
        self.fusions = nn.ModuleList(
            [
                Fusion(
                    image_channels=config.image.widths[stage],
                    lidar_channels=config.lidar.widths[stage],
                    image_tokens=config.image.tokens,
                    lidar_tokens=config.lidar.tokens,
                    layers=config.fusion_layers,
                    heads=config.fusion_heads,
                )
                for stage in range(NUM_STAGES)
            ]
        )
        self.bird_eye = BirdEyePath(config, contract)
        self.bev_tokens = nn.Conv2d(config.bev_channels, config.width, config.bev_patch_cells, config.bev_patch_cells)
        self.image_tokens = nn.Linear(config.image.widths[-1], config.width)
        self.lidar_tokens = nn.Linear(config.lidar.widths[-1], config.width)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(config.width) for name in FEATURE_NAMES})
        self.missing_image = nn.Parameter(torch.randn(config.width) * 0.02)
        self.missing_lidar = nn.Parameter(torch.randn(config.width) * 0.02)
        share = torch.from_numpy(segment_shares(contract, config.image.tokens[1]))
        self.register_buffer("segment_share_WV", share, persistent=False)

    def forward(self, image: Tensor, camera_valid: Tensor, lidar: Tensor, lidar_valid: Tensor) -> SceneFeatures:
        """Features of a batch of ``core.contract.ENCODER_INPUTS``."""
        rows = self.config.image.tokens[0]
        column_valid_BW = camera_valid @ self.segment_share_WV.T
        image_valid_BN = column_valid_BW[:, None, :].expand(-1, rows, -1).flatten(1)
        x = self.image_branch.stem(image)
        y = self.lidar_branch.stem(lidar)
        images, clouds = [], []
        for stage, fusion in enumerate(self.fusions):
            x, y = self.image_branch.stage(stage, x), self.lidar_branch.stage(stage, y)
            x, y = fusion(x, y, image_valid_BN, lidar_valid)
            images.append(x)
            clouds.append(y)
        bev = self.bird_eye(clouds)
        raw = {
            "bev_tokens": _flatten(self.bev_tokens(bev)),
            "image_tokens": self.image_tokens(_flatten(x)),
            "lidar_tokens": self.lidar_tokens(_flatten(y)),
        }
        tokens = {name: self.norms[name](value.float()) for name, value in raw.items()}
        tokens["image_tokens"] = mix(tokens["image_tokens"], image_valid_BN, self.missing_image)
        tokens["lidar_tokens"] = mix(tokens["lidar_tokens"], lidar_valid, self.missing_lidar)
        return SceneFeatures(bev, images, y, tokens)

    def token_counts(self) -> dict[str, int]:
        """Number of tokens of each source."""
        side = self.contract.bev_cells // self.config.bev_upsample // self.config.bev_patch_cells
        image, lidar = self.config.image.tokens, self.config.lidar.tokens
        return {"bev_tokens": side * side, "image_tokens": image[0] * image[1], "lidar_tokens": lidar[0] * lidar[1]}

    def _check_sizes(self) -> None:
        """Check that the token grids are the last stage's grids.

        Raises:
            ConfigError: They differ.
        """
        c, scale = self.contract, 2 ** (NUM_STAGES - 1)
        image_stride, lidar_stride = self.image_branch.stem_stride * scale, self.lidar_branch.stem_stride * scale
        image = (c.image_height // image_stride, c.image_width // image_stride)
        lidar = (c.lidar_cells // lidar_stride, c.lidar_cells // lidar_stride)
        if (image, lidar) != (self.config.image.tokens, self.config.lidar.tokens):
            raise ConfigError(
                f"network {self.config.name}: last stages are {image} and {lidar}, but the tokens are configured as "
                f"{self.config.image.tokens} and {self.config.lidar.tokens}; change tokens or the contract"
            )
        map_cells = c.bev_cells // self.config.bev_upsample
        if c.lidar_cells // self.lidar_branch.stem_stride != map_cells or map_cells % self.config.bev_patch_cells:
            raise ConfigError(
                f"network {self.config.name}: the LiDAR branch's first stage must have {map_cells} cells, "
                f"and bev_patch_cells {self.config.bev_patch_cells} must divide them"
            )


class BirdEyePath(nn.Module):
    """Feature pyramid: the fused LiDAR features from coarse to the bird's-eye map's resolution."""

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        channels = config.bev_channels
        self.lateral = nn.ModuleList([nn.Conv2d(width, channels, 1) for width in config.lidar.widths])
        self.smooth = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(NUM_STAGES - 1)])

    def forward(self, clouds: list[Tensor]) -> Tensor:
        """Bird's-eye map (B, C, L, L) from the four stages' features, finest first."""
        x = functional.relu(self.lateral[-1](clouds[-1]), inplace=True)
        for stage in range(NUM_STAGES - 2, -1, -1):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = functional.relu(self.smooth[stage](x + self.lateral[stage](clouds[stage])), inplace=True)
        return x


def segment_shares(contract: ModelContract, columns: int) -> np.ndarray:
    """Share of each token column that lies in each segment of the stitched view: (columns, segments), rows sum to 1."""
    edges = np.concatenate([[0.0], np.cumsum([segment.width_fraction for segment in contract.segments])])
    left = np.arange(columns)[:, None] / columns
    right = left + 1.0 / columns
    overlap = np.minimum(right, edges[None, 1:]) - np.maximum(left, edges[None, :-1])
    shares = np.maximum(overlap, 0.0) * columns
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def _flatten(x_BCHW: Tensor) -> Tensor:
    return x_BCHW.flatten(2).transpose(1, 2)
