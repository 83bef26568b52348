"""The optimizer of all trainings."""

from __future__ import annotations

import torch
from torch import nn


def adamw(network: nn.Module, *, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW with weight decay for matrices and kernels only, not for biases, norms and embeddings of missing inputs.

    Args:
        network: Its weights that require a gradient are trained.
        learning_rate: At the start.
        weight_decay: Of AdamW.
    """
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in trained if weight.ndim >= 2], "weight_decay": weight_decay},
        {"params": [weight for weight in trained if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate)
