"""Starts a network from the weights of a smaller one: what is new does nothing at first, so both compute the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.errors import TrainingError

SILENT = ("singles.tokens.out", "motion_encoder.told")
"""The parts through which a source that the old network did not have speaks."""


@torch.no_grad()
def grow_from(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load weights by name; matrices that have more columns now get zeros there.

    Args:
        network: The larger one.
        weights: Of the smaller one.

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
            if any(part in name for part in SILENT):
                value.zero_()
            continue
        old = weights[name]
        if old.shape == value.shape:
            value.copy_(old)
        elif old.ndim == 2 and old.shape[0] == value.shape[0] and old.shape[1] < value.shape[1]:
            value[:, : old.shape[1]] = old
            value[:, old.shape[1] :] = 0.0
        else:
            raise TrainingError(
                f"warm start: {name} is {tuple(old.shape)} in the old network, {tuple(value.shape)} here"
            )
    return sorted(set(mine) - set(weights))
