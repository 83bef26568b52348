"""Resumable runs: the whole state on disk every two minutes, at the end, and when a stop is requested."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

CHECKPOINT_EVERY_S = 120.0


class ResumableCheckpoint(pl.Callback):  # type: ignore[misc]
    """Saves between steps only, so that a checkpoint is exactly a state of the uninterrupted run.

    The first Ctrl-C finishes the present step and saves; a second one stops immediately.

    Args:
        path: The checkpoint.
        num_steps: Steps of the whole stage.
    """

    def __init__(self, path: Path, num_steps: int) -> None:
        self.was_stopped = False
        self._path, self._num_steps = path, num_steps
        self._stop_requested = False
        self._handler: Any = None
        self._saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the handler of Ctrl-C."""
        self._saved = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._request_stop)

    def _request_stop(self, *_: Any) -> None:
        self._stop_requested = True
        self._restore_handler()

    def _restore_handler(self) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save when a checkpoint is due, in all processes at the same step."""
        any_process = trainer.strategy.reduce_boolean_decision
        requested = self._stop_requested or trainer.received_sigterm
        due = time.monotonic() - self._saved > CHECKPOINT_EVERY_S or trainer.global_step == self._num_steps
        if not any_process(requested or due, all=False):
            return
        trainer.save_checkpoint(self._path)
        self._saved = time.monotonic()
        if any_process(requested, all=False):
            self.was_stopped = trainer.global_step < self._num_steps
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restore the handler of Ctrl-C."""
        self._restore_handler()
