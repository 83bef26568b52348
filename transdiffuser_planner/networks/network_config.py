"""Sizes of the networks: `tiny`, `base` and `base_half` differ in these numbers and in the contract only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from transdiffuser_planner.core.errors import ConfigError

Widths = tuple[int, int, int, int]

RESNET, EFFICIENTNET_LITE0 = "resnet", "efficientnet_lite0"
BACKBONES = (RESNET, EFFICIENTNET_LITE0)
"""Kinds of image branches."""
VIEW_CHANNELS = 32
"""Channels of the view head of recipes that have one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BranchConfig:
    """One branch of the encoder.

    Attributes:
        kind: "resnet", or "efficientnet_lite0", whose widths are its own and which has neither blocks nor stem to choose.
        widths: Channels of the four stages.
        blocks: Basic blocks of the four stages.
        stem_kernel, stem_stride: Of the first convolution.
        stem_pool: Whether the 3x3 max pooling of stride 2 follows it, as published.
        tokens: Rows and columns of the token grid of the fusion.
    """

    widths: Widths
    blocks: Widths
    stem_kernel: int = 7
    stem_stride: int = 2
    stem_pool: bool = True
    tokens: tuple[int, int] = (8, 8)
    kind: str = RESNET

    def __post_init__(self) -> None:
        if self.kind not in BACKBONES:
            raise ConfigError(f"backbone '{self.kind}' is unknown; known are {', '.join(BACKBONES)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """All sizes that the contract does not fix.

    Attributes:
        image, lidar: The two branches of the scene encoder.
        fusion_layers, fusion_heads: Transformer that mixes both branches after every stage.
        bev_channels: Channels of the bird's-eye map.
        bev_upsample: Cells of the heads' outputs per cell of the map, along each axis.
        bev_patch_cells: Edge of the square of map cells that becomes one token.
        head_channels: Hidden channels of the auxiliary heads.
        view_channels: Channels of the head for the semantics of the stitched view; 0: no such head.
        width, heads, layers, ffn_width: Of the denoising decoder and the plan regression head.
        embed_width: Hidden width of the motion encoder's MLPs.
        dropout: In the decoder's attention and feed-forward parts while training.
        joint: Whether ego and agents of one sample attend to one another; else each is denoised independently.

    Raises:
        ConfigError: Sizes that cannot work together.
    """

    name: str
    image: BranchConfig
    lidar: BranchConfig
    fusion_layers: int = 2
    fusion_heads: int = 4
    bev_channels: int = 64
    bev_upsample: int = 1
    bev_patch_cells: int = 8
    head_channels: int = 64
    width: int = 256
    heads: int = 8
    layers: int = 6
    ffn_width: int = 1024
    embed_width: int = 256
    dropout: float = 0.1
    joint: bool = True
    view_channels: int = 0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"network {self.name}: width {self.width} must be a multiple of heads {self.heads}")
        for width in self.image.widths:
            if width % self.fusion_heads:
                raise ConfigError(f"network {self.name}: image width {width} must be a multiple of {self.fusion_heads}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"network {self.name}: dropout must lie in 0 .. 1, got {self.dropout}")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable form."""
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> NetworkConfig:
        """Invert ``to_dict``.

        Args:
            data: Result of ``to_dict``.

        Raises:
            ConfigError: A field is unknown or missing.
        """
        try:
            branches = {name: BranchConfig(**_tuples(data[name])) for name in ("image", "lidar")}
            return NetworkConfig(**{**data, **branches})
        except (KeyError, TypeError) as error:
            raise ConfigError(f"network configuration: {error}; train again with this version") from None


def _tuples(branch: dict[str, Any]) -> dict[str, Any]:
    """Convert JSON's lists of a branch to tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in branch.items()}


def tiny_config() -> NetworkConfig:
    """The shipped network: trained and run on two CPU cores."""
    return NetworkConfig(
        name="tiny",
        image=BranchConfig(
            widths=(32, 48, 96, 160), blocks=(1, 2, 2, 2), stem_stride=4, stem_pool=False, tokens=(4, 16)
        ),
        lidar=BranchConfig(
            widths=(32, 64, 96, 160), blocks=(1, 2, 2, 2), stem_stride=4, stem_pool=False, tokens=(4, 4)
        ),
        fusion_layers=1,
        bev_channels=48,
        bev_upsample=2,
        bev_patch_cells=4,
        head_channels=48,
        width=128,
        heads=4,
        layers=2,
        ffn_width=256,
        embed_width=128,
    )


def base_config() -> NetworkConfig:
    """The paper's size: TransFuser backbone with two ResNet-34, decoder of width 256."""
    widths, blocks = (64, 128, 256, 512), (3, 4, 6, 3)
    return NetworkConfig(
        name="base",
        image=BranchConfig(widths=widths, blocks=blocks, tokens=(8, 32)),
        lidar=BranchConfig(widths=widths, blocks=blocks, tokens=(8, 8)),
    )


def base_half_config() -> NetworkConfig:
    """The network of ``base`` for inputs of half the resolution: a quarter of the encoder's work, fewer tokens."""
    full = base_config()
    return replace(
        full,
        name="base_half",
        image=replace(full.image, tokens=(4, 16)),
        lidar=replace(full.lidar, tokens=(4, 4)),
        bev_upsample=2,
        bev_patch_cells=4,
    )


CONFIGS = {"tiny": tiny_config, "base": base_config, "base_half": base_half_config}


def with_backbone(config: NetworkConfig, kind: str) -> NetworkConfig:
    """Return a configuration with another image branch.

    Args:
        config: Of one of the sizes.
        kind: One of BACKBONES.

    Raises:
        ConfigError: The kind is unknown.
    """
    if kind == EFFICIENTNET_LITE0:
        return replace(config, image=replace(config.image, kind=kind, widths=(24, 40, 112, 192)))
    return replace(config, image=replace(config.image, kind=kind))


def named_config(name: str) -> NetworkConfig:
    """Return the configuration of a name.

    Args:
        name: A key of ``CONFIGS``.

    Raises:
        ConfigError: The name is unknown.
    """
    if name not in CONFIGS:
        raise ConfigError(f"network configuration '{name}' is unknown; known are {', '.join(CONFIGS)}")
    return CONFIGS[name]()
