"""The training loop of every stage: AdamW, OneCycle, average of the weights, checkpoints, TensorBoard, progress bar."""

from __future__ import annotations

import copy
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.training.config import StageConfig
from transdiffuser_planner.training.loader import ShuffledBatches

Losses = dict[str, Tensor]
LossFunction = Callable[[nn.Module, dict[str, Any]], Losses]
Validate = Callable[[nn.Module], dict[str, float]]

CHECKPOINT_EVERY_S = 120.0
LOG_EVERY = 20
MAX_GRADIENT_NORM = 1.0
FORMAT = 1


class AveragedModel:
    """Exponential moving average of a network's weights and buffers; short at first, so that early weights are forgotten."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self._count = 0

    def update(self, network: nn.Module) -> None:
        """Take in the network's present weights."""
        self._count += 1
        decay = min(self._decay, (1.0 + self._count) / (10.0 + self._count))
        with torch.no_grad():
            for ours, theirs in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
                if ours.is_floating_point():
                    ours.lerp_(theirs.to(ours.dtype), 1.0 - decay)
                else:
                    ours.copy_(theirs)

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"weights": self.network.state_dict(), "count": self._count}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of state."""
        self.network.load_state_dict(state["weights"])
        self._count = state["count"]


class Trainer:
    """Trains one network for one stage; interrupted at any time, it continues from its last checkpoint."""

    def __init__(
        self, folder: Path, stage: str, network: nn.Module, config: StageConfig, batches: ShuffledBatches
    ) -> None:
        self.network, self.config, self.batches, self.stage = network, config, batches, stage
        self.path = folder / f"{stage}.pt"
        self.num_steps = max(round(config.epochs * batches.steps_per_epoch), 2)
        self.average = AveragedModel(network, config.ema_decay)
        self.optimizer = torch.optim.AdamW(_parameter_groups(network, config.weight_decay), lr=config.learning_rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, config.learning_rate, total_steps=self.num_steps + 1, pct_start=config.warmup_share
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.log_folder = folder / "log"

    def fit(self, loss_function: LossFunction, validate: Validate | None = None, validate_every: int = 0) -> nn.Module:
        """Train to the end.

        Args:
            loss_function: (network, batch) -> losses; their entry "total" is minimised.
            validate: Averaged network -> numbers to log.
            validate_every: Steps between validations; 0: only at the end.

        Returns:
            The averaged network.

        Raises:
            TrainingError: The loss is NaN or infinite.
        """
        self._resume()
        writer = SummaryWriter(str(self.log_folder / self.stage), purge_step=self.step)
        saved = time.monotonic()
        bar = tqdm(
            total=self.num_steps, initial=self.step, desc=self.stage, unit="step", file=sys.stderr, mininterval=1.0
        )
        try:
            for batch in self.batches.stream(self.step, self.num_steps):
                losses = self._one_step(loss_function, batch)
                if self.step % LOG_EVERY == 0:
                    self._log(writer, losses, bar)
                bar.update(1)
                if validate is not None and validate_every and self.step % validate_every == 0:
                    self._write(writer, "validation", validate(self.average.network))
                if time.monotonic() - saved > CHECKPOINT_EVERY_S:
                    self.save()
                    saved = time.monotonic()
            if validate is not None:
                self._write(writer, "validation", validate(self.average.network))
        finally:
            self.save()
            bar.close()
            writer.close()
        return self.average.network

    def _one_step(self, loss_function: LossFunction, batch: dict[str, Any]) -> Losses:
        self.network.train()
        losses = loss_function(self.network, batch)
        if not torch.isfinite(losses["total"]):
            raise TrainingError(
                f"stage {self.stage}, step {self.step}: loss is {losses['total'].item()}; lower learning_rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.schedule.step()
        self.average.update(self.network)
        self.step += 1
        return losses

    def _log(self, writer: SummaryWriter, losses: Losses, bar: Any) -> None:
        values = {name: float(value.detach()) for name, value in losses.items()}
        for name, value in values.items():
            writer.add_scalar(f"{self.stage}/{name}", value, self.step)
        writer.add_scalar(f"{self.stage}/learning_rate", self.schedule.get_last_lr()[0], self.step)
        bar.set_postfix({name: f"{value:.3f}" for name, value in values.items()}, refresh=False)

    def _write(self, writer: SummaryWriter, part: str, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{part}/{name}", value, self.step)
        tqdm.write(
            f"{self.stage} step {self.step}: " + ", ".join(f"{k} {v:.3f}" for k, v in values.items()), file=sys.stderr
        )

    def save(self) -> None:
        """Write the checkpoint; a crash while writing leaves the one before."""
        state = {
            "format": FORMAT,
            "step": self.step,
            "num_steps": self.num_steps,
            "network": self.network.state_dict(),
            "average": self.average.state(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.path)

    def _resume(self) -> None:
        if not self.path.is_file():
            return
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        if state.get("format") != FORMAT or state["num_steps"] != self.num_steps:
            raise TrainingError(
                f"checkpoint {self.path}: made by another recipe ({state.get('num_steps')} steps, now {self.num_steps}); "
                "give another --out, or remove it to start this stage again"
            )
        self.network.load_state_dict(state["network"])
        self.average.load(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.step = state["step"]


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only, not for biases, norms and embeddings of missing inputs."""
    trained = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def finished_weights(folder: Path, stage: str) -> dict[str, Any]:
    """The averaged weights of a finished stage.

    Raises:
        TrainingError: The stage was not trained to its end.
    """
    path = folder / f"{stage}.pt"
    if not path.is_file():
        raise TrainingError(f"run {folder}: stage '{stage}' is not there; train it first")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["step"] < state["num_steps"]:
        raise TrainingError(
            f"run {folder}: stage '{stage}' stopped at step {state['step']} of {state['num_steps']}; resume it"
        )
    return dict(state["average"]["weights"])
