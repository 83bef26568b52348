"""One stage as a Lightning module: losses of a step, AdamW with a OneCycle learning rate, metadata of the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONTRACT_VERSION
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.training.engine.optimizer import adamw
from transdiffuser_planner.training.engine.stage_weights import PROGRESS, check_version
from transdiffuser_planner.training.recipe import StageConfig

Losses = dict[str, Tensor]
LossFunction = Callable[[Any, dict[str, Any]], Losses]


class StageModule(pl.LightningModule):  # type: ignore[misc]
    """A network with its losses.

    Args:
        stage: Name of the stage and prefix of its curves.
        network: Network to train.
        loss_function: (network, batch) -> losses; their entry "total" is minimized.
        config: Settings of the optimizer.
        num_steps: Optimizer steps of the whole stage.
        seed: Seed of dropout and noise.
        path: Checkpoint named in messages.
    """

    def __init__(
        self,
        *,
        stage: str,
        network: nn.Module,
        loss_function: LossFunction,
        config: StageConfig,
        num_steps: int,
        seed: int,
        path: Path,
    ) -> None:
        super().__init__()
        self.network = network
        self._stage, self._config, self._num_steps, self._seed, self._path = stage, config, num_steps, seed, path
        self._loss_function = loss_function

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed torch by step and process only, so that a resumed run draws the same numbers as an uninterrupted one."""
        sequence = np.random.SeedSequence([self._seed, self.global_step, self.global_rank])
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Losses:
        """Compute all losses of a batch; "loss" is the total.

        Args:
            batch: Tensors (B, ...).
            batch_idx: Unused.

        Raises:
            TrainingError: The total is NaN or infinite.
        """
        losses = self._loss_function(self.network, batch)
        total = losses["total"]
        if not torch.isfinite(total):
            raise TrainingError(
                f"stage {self._stage}, step {self.global_step}: loss is {total.item()}; lower learning_rate"
            )
        optimizer: Any = self.optimizers()
        rates = {"learning_rate": optimizer.param_groups[0]["lr"]}
        self.log_dict({f"{self._stage}/{name}": value for name, value in (losses | rates).items()})
        return {"loss": total, **{name: value.detach() for name, value in losses.items()}}

    def configure_optimizers(self) -> Any:
        """AdamW with a learning rate that rises and falls once."""
        config = self._config
        optimizer = adamw(self.network, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=self._num_steps + 1, pct_start=config.warmup_share
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record contract version and length in the checkpoint."""
        checkpoint[PROGRESS] = {"contract_version": CONTRACT_VERSION, "num_steps": self._num_steps}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Reject a checkpoint of another contract version or recipe.

        Args:
            checkpoint: The loaded checkpoint.

        Raises:
            TrainingError: The contract version or the number of steps differs.
        """
        about = checkpoint.get(PROGRESS, {})
        check_version(self._path, about.get("contract_version"))
        check_length(self._path, about["num_steps"], self._num_steps)


def check_length(path: Path, found: int, expected: int) -> None:
    """Reject a stage of another length, which has other learning rates.

    Args:
        path: The checkpoint.
        found: Its number of steps.
        expected: The recipe's number of steps.

    Raises:
        TrainingError: The numbers of steps differ.
    """
    if found != expected:
        raise TrainingError(
            f"checkpoint {path}: made by another recipe ({found} steps, now {expected}); "
            "give another --out, or remove it to start this stage again"
        )
