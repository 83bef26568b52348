"""Starts a network from the weights of another one: those of the same names are taken over."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.errors import TrainingError

OUTPUTS = (
    "action_token_encoder.token.",
    "action_token_encoder.modulation.",
    "token_attention.out.",
    "score_condition_encoder.token.",
    "score_condition_encoder.modulation.",
)
"""Output weights of a new source: initially zero, so that both networks compute the same."""
LIDAR_STEM = "lidar_branch.conv1.weight"
"""The convolution that reads the LiDAR channels."""


@torch.no_grad()
def start_from(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load weights by name, all of which are trained on; what has no value keeps its initial one.

    Args:
        network: The network.
        weights: Weights by name; those that the network does not have, or in another shape, are left out. Where the network
            divides obstacles by height and the weights do not, every channel of obstacles starts with the weights of all
            obstacles.

    Returns:
        Names of the weights without a value.

    Raises:
        TrainingError: No weight fits.
    """
    own, new = network.state_dict(), []
    for name, target in own.items():
        value = weights.get(name)
        if value is not None and name.endswith(LIDAR_STEM):
            value = _more_heights(value, target.shape[1])
        if value is None or value.shape != target.shape:
            new.append(name)
        else:
            target.copy_(value)
    if len(new) == len(own):
        raise TrainingError("warm start: no weight of the other network has name and shape of one here")
    return new


def merged_heights(lidar_BCLL: Tensor, channels: int, clip: int) -> Tensor:
    """Point counts as a network of fewer channels reads them, in the channels of one that started from it.

    Counts are sums clipped to the contract's limit, so the merged ones are exact.

    Args:
        lidar_BCLL: Counts by height.
        channels: Channels of the earlier network; the highest one gets all points above.
        clip: Limit of the counts.
    """
    if lidar_BCLL.shape[1] == channels:
        return lidar_BCLL
    merged = torch.zeros_like(lidar_BCLL)
    merged[:, : channels - 1] = lidar_BCLL[:, : channels - 1]
    merged[:, channels - 1] = lidar_BCLL[:, channels - 1 :].sum(dim=1).clamp(max=clip)
    return merged


def _more_heights(weight_OCHW: Tensor, channels: int) -> Tensor:
    """Weights for more channels: the highest one repeated."""
    missing = channels - weight_OCHW.shape[1]
    return torch.cat([weight_OCHW, *[weight_OCHW[:, -1:]] * missing], dim=1) if missing > 0 else weight_OCHW


@torch.no_grad()
def grow_from(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load weights by name and freeze them; only weights without a value are trained.

    Args:
        network: The larger network.
        weights: Weights of the smaller network; if they are complete, all weights are trained.

    Returns:
        Names of the new weights.

    Raises:
        TrainingError: The old network has weights that are missing in the new one or of another shape.
    """
    own = network.state_dict()
    foreign = sorted(set(weights) - set(own))
    if foreign:
        raise TrainingError(
            f"warm start: the old network has {foreign[0]} and {len(foreign) - 1} more that are missing here"
        )
    for name, value in own.items():
        if name not in weights:
            if any(part in name for part in OUTPUTS):
                value.zero_()
            continue
        if weights[name].shape != value.shape:
            was, now = tuple(weights[name].shape), tuple(value.shape)
            raise TrainingError(f"warm start: {name} is {was} in the old network, {now} here")
        value.copy_(weights[name])
    new = sorted(set(own) - set(weights))
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not new or name in new)
    return new
