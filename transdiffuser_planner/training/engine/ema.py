"""Exponential moving average of the weights: the weights that are validated, saved and deployed."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn


class EmaWeights(WeightAveraging):  # type: ignore[misc]
    """Averages weights and buffers after every step, with a shorter window at first to discard early weights.

    Args:
        decay: Share of the old average kept per step after the start; 0 disables averaging.
    """

    def __init__(self, decay: float) -> None:
        def average(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
            if not mean.is_floating_point():
                return value  # counters of the batch norms
            steps = int(count) + 1
            return torch.lerp(mean, value, 1.0 - min(decay, (1.0 + steps) / (10.0 + steps)))

        super().__init__(avg_fn=average)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Place the average on the network's device."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    @property
    def network(self) -> nn.Module:
        """Averaged network in eval mode."""
        assert self._average_model is not None
        module: Any = self._average_model.module
        network: nn.Module = module.network
        return network.eval().requires_grad_(False)
