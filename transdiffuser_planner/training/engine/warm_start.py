"""Starts a network from the weights of a smaller one: new weights are trained, known ones stay fixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.errors import TrainingError

OUTPUTS = ("action_token_encoder.token.", "action_token_encoder.modulation.", "token_attention.out.")
"""Output weights of a new source: initially zero, so that both networks compute the same."""


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
