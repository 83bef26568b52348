"""Resumable runs: the whole state on disk every two minutes, at the end, and when a stop is requested."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

CHECKPOINT_EVERY_S = 120.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ResumableCheckpoint(pl.Callback):  # type: ignore[misc]
    """Saves between steps only, so that a checkpoint is exactly a state of the uninterrupted run.

    The first Ctrl-C or SIGTERM finishes the present step and saves; a second one stops immediately. Lightning's own handler of
    SIGTERM is replaced: it exchanges a tensor with the other processes wherever the signal comes, while they may be exchanging
    gradients, and all wait for ever.

    Args:
        path: The checkpoint.
        num_steps: Steps of the whole stage.
    """

    def __init__(self, path: Path, num_steps: int) -> None:
        self.was_stopped = False
        self._path, self._num_steps = path, num_steps
        self._stop_requested = False
        self._handlers: dict[signal.Signals, Any] = {}
        self._saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the handlers of Ctrl-C and SIGTERM."""
        self._saved = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._request_stop) for number in _STOP_SIGNALS}

    def _request_stop(self, *_: Any) -> None:
        self._stop_requested = True
        if signal.SIGINT in self._handlers:
            signal.signal(signal.SIGINT, self._handlers[signal.SIGINT])
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save when a checkpoint is due, in all processes at the same step."""
        any_process = trainer.strategy.reduce_boolean_decision
        requested = self._stop_requested
        due = time.monotonic() - self._saved > CHECKPOINT_EVERY_S or trainer.global_step == self._num_steps
        if not any_process(requested or due, all=False):
            return
        trainer.save_checkpoint(self._path)
        self._saved = time.monotonic()
        if any_process(requested, all=False):
            self.was_stopped = trainer.global_step < self._num_steps
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restore the handlers of Ctrl-C and SIGTERM."""
        self._restore_handlers()
