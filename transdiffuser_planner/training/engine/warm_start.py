"""Starts a network from the weights of another one: those of the same names are taken over."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.errors import TrainingError

OUTPUTS = ("action_token_encoder.token.", "action_token_encoder.modulation.", "token_attention.out.")
"""Output weights of a new source: initially zero, so that both networks compute the same."""


@torch.no_grad()
def start_from(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load weights by name, all of which are trained on; what has no value keeps its initial one.

    Args:
        network: The network.
        weights: Weights by name; those that the network does not have are left out.

    Returns:
        Names of the weights without a value.

    Raises:
        TrainingError: No name fits, or a tensor has another shape.
    """
    own = network.state_dict()
    common = [name for name in own if name in weights]
    if not common:
        raise TrainingError("warm start: no weight of the other network has a name of this one")
    for name in common:
        _check_shape(name, weights[name], own[name])
        own[name].copy_(weights[name])
    return [name for name in own if name not in weights]


def _check_shape(name: str, was: Tensor, now: Tensor) -> None:
    """Compare the shapes of a weight in both networks.

    Raises:
        TrainingError: They differ.
    """
    if was.shape != now.shape:
        raise TrainingError(f"warm start: {name} is {tuple(was.shape)} in the old network, {tuple(now.shape)} here")


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
        _check_shape(name, weights[name], value)
        value.copy_(weights[name])
    new = sorted(set(own) - set(weights))
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not new or name in new)
    return new
