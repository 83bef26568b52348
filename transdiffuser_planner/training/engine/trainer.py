"""Trains one stage with Lightning: on one or several devices, averaged, resumable, with curves and a progress bar."""

from __future__ import annotations

import logging
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from torch import nn

from transdiffuser_planner.training.batches.loader import ShuffledBatches, StepStream
from transdiffuser_planner.training.engine.checkpointing import ResumableCheckpoint
from transdiffuser_planner.training.engine.devices import Devices
from transdiffuser_planner.training.engine.ema import EmaWeights
from transdiffuser_planner.training.engine.lightning_module import LossFunction, StageModule, check_length
from transdiffuser_planner.training.engine.progress_bar import LOG_EVERY, StageBar, Validate, Validation
from transdiffuser_planner.training.engine.stage_weights import (
    StageWeights,
    checkpoint_path,
    load_into,
    load_weights,
    save_weights,
    weights_path,
)
from transdiffuser_planner.training.recipe import StageConfig

MAX_GRADIENT_NORM = 1.0


class StageTrainer:
    """Trains one network for one stage; interrupted at any time, it continues from its last checkpoint.

    Args:
        folder: Of the run.
        stage: Name of the files.
        network: Network to train, with its initial weights.
        config: Settings of the stage.
        batches: Batches of the training set.
        machine: Devices to train on.
    """

    def __init__(
        self,
        folder: Path,
        stage: str,
        network: nn.Module,
        config: StageConfig,
        batches: ShuffledBatches,
        machine: Devices,
    ) -> None:
        self.folder, self.stage, self.network, self.config = folder, stage, network, config
        self.batches, self.machine = batches, machine
        self.num_steps = max(round(config.epochs * batches.steps_per_epoch), 2)

    def fit(self, loss_function: LossFunction, validate: Validate | None = None, validate_every: int = 0) -> nn.Module:
        """Train to the end; a finished stage is only loaded.

        Args:
            loss_function: (network, batch) -> losses; their entry "total" is minimized.
            validate: Averaged network -> metrics to log.
            validate_every: Steps between validations; 0: only at the end.

        Returns:
            Averaged network, in eval mode on the CPU.

        Raises:
            TrainingError: The loss is NaN or infinite, or the folder contains this stage from another recipe or contract.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after saving the state.
            SystemExit: The same in other processes than the first, which ends the program for all.
        """
        if weights_path(self.folder, self.stage).is_file():
            return self._finished()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = checkpoint_path(self.folder, self.stage)
        module = StageModule(
            stage=self.stage,
            network=self.network.train(),
            loss_function=loss_function,
            config=self.config,
            num_steps=self.num_steps,
            seed=self.batches.seed,
            path=path,
        )
        average = EmaWeights(self.config.ema_decay)
        checkpoint = ResumableCheckpoint(path, self.num_steps)
        callbacks: list[pl.Callback] = [average, StageBar(self.stage, self.num_steps)]
        if validate is not None:
            callbacks.append(Validation(self.stage, average, validate, every=validate_every, num_steps=self.num_steps))
        trainer = self._lightning([*callbacks, checkpoint])
        shard = self.batches.shard(trainer.global_rank, trainer.world_size)
        trainer.fit(
            module.train(),
            StepStream(shard, self.num_steps),
            ckpt_path=path if path.is_file() else None,
            weights_only=True,
        )
        if checkpoint.was_stopped:
            if not trainer.is_global_zero:
                raise SystemExit(0)  # Lightning would kill the first process when another one fails before it
            raise KeyboardInterrupt
        network = average.network.cpu()
        if trainer.is_global_zero:
            save_weights(
                self.folder, StageWeights(tensors=network.state_dict(), stage=self.stage, num_steps=self.num_steps)
            )
        trainer.strategy.barrier()  # the next stage of every process reads the file
        return network

    def _finished(self) -> nn.Module:
        weights = load_weights(self.folder, self.stage)
        check_length(weights_path(self.folder, self.stage), weights.num_steps, self.num_steps)
        load_into(self.network, weights.tensors, self.folder)
        return self.network.eval().requires_grad_(False)

    def _lightning(self, callbacks: list[pl.Callback]) -> pl.Trainer:
        """Create the trainer; one Lightning epoch is the whole stage because the recipe's epochs may be fractions."""
        logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # no banner
        return pl.Trainer(
            **self.machine.lightning_options(),
            max_epochs=1,
            gradient_clip_val=MAX_GRADIENT_NORM,
            callbacks=callbacks,
            logger=TensorBoardLogger(self.folder, name="log", version=self.stage),
            log_every_n_steps=LOG_EVERY,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
