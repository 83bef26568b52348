"""Progress of a stage: a bar with the remaining time and the losses, and the validation results."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from torch import nn
from tqdm import tqdm

from transdiffuser_planner.training.engine.ema import EmaWeights

LOG_EVERY = 20
Validate = Callable[[nn.Module], dict[str, float]]


class StageBar(pl.Callback):  # type: ignore[misc]
    """One bar for the whole stage, continued by a resumed run and drawn by the first process only.

    Args:
        stage: Label of the bar.
        num_steps: Steps of the whole stage.
    """

    def __init__(self, stage: str, num_steps: int) -> None:
        self._stage, self._num_steps = stage, num_steps
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the bar at the present step."""
        self._bar = tqdm(
            total=self._num_steps,
            initial=trainer.global_step,
            desc=self._stage,
            unit="step",
            file=sys.stderr,
            mininterval=1.0,
            disable=not trainer.is_global_zero,
        )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the bar by one step."""
        if trainer.global_step % LOG_EVERY == 0:
            values = {name: f"{float(value):.3f}" for name, value in outputs.items() if name != "loss"}
            self._bar.set_postfix(values, refresh=False)
        self._bar.update(1)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class Validation(pl.Callback):  # type: ignore[misc]
    """Validates the averaged network periodically and at the end, in the first process only.

    Args:
        stage: Label of the printed line.
        average: Source of the averaged network.
        validate: Network -> metrics.
        every: Steps between validations; 0: only at the end.
        num_steps: Steps of the whole stage.
    """

    def __init__(self, stage: str, average: EmaWeights, validate: Validate, *, every: int, num_steps: int) -> None:
        self._stage, self._average, self._validate = stage, average, validate
        self._every, self._num_steps = every, num_steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Validate when due."""
        step = trainer.global_step
        due = step == self._num_steps or (self._every and step % self._every == 0)
        if not due or not trainer.is_global_zero:
            return
        with trainer.precision_plugin.forward_context():
            values = self._validate(self._average.network)
        assert trainer.logger is not None
        trainer.logger.log_metrics({f"validation/{name}": value for name, value in values.items()}, step)
        text = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
        tqdm.write(f"{self._stage} step {step}: {text}", file=sys.stderr)
