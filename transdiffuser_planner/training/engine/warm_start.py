"""Starts a network from the weights of one that knows less: what is new is trained, what was known stays as it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.errors import TrainingError

LOUD = ("action_token_encoder.token.", "action_token_encoder.modulation.", "token_attention.out.")
"""What a new source speaks through: zero at first, so that both networks compute the same."""


@torch.no_grad()
def grow_from(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load weights by name, and train from now on only what they do not name.

    Args:
        network: The larger one.
        weights: Of the smaller one; of the same size, all of it goes on being trained.

    Returns:
        Names of what is new.

    Raises:
        TrainingError: The old network has weights that the new one does not, or of another size.
    """
    mine = network.state_dict()
    foreign = sorted(set(weights) - set(mine))
    if foreign:
        raise TrainingError(
            f"warm start: the old network has {foreign[0]} and {len(foreign) - 1} more that this one lacks"
        )
    for name, value in mine.items():
        if name not in weights:
            if any(part in name for part in LOUD):
                value.zero_()
            continue
        if weights[name].shape != value.shape:
            was, now = tuple(weights[name].shape), tuple(value.shape)
            raise TrainingError(f"warm start: {name} is {was} in the old network, {now} here")
        value.copy_(weights[name])
    new = sorted(set(mine) - set(weights))
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not new or name in new)
    return new
