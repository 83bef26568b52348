"""Keeps a run resumable: the whole state on disk every two minutes, at the end, and when the run is asked to stop."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

CHECKPOINT_EVERY_S = 120.0


class ResumableCheckpoint(pl.Callback):  # type: ignore[misc]
    """Saves between steps only, never inside one: what is resumed is exactly a state of the uninterrupted run.

    The first Ctrl-C lets the present step end and saves; a second one stops at once.

    Args:
        path: The checkpoint.
        num_steps: Of the whole stage.
    """

    def __init__(self, path: Path, num_steps: int) -> None:
        self.was_stopped = False
        self._path, self._num_steps = path, num_steps
        self._asked = False
        self._handler: Any = None
        self._saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for Ctrl-C."""
        self._saved = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_: Any) -> None:
        self._asked = True
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save when it is time, for all processes alike."""
        any_process = trainer.strategy.reduce_boolean_decision
        asked = self._asked or trainer.received_sigterm
        due = time.monotonic() - self._saved > CHECKPOINT_EVERY_S or trainer.global_step == self._num_steps
        if not any_process(asked or due, all=False):
            return
        trainer.save_checkpoint(self._path)
        self._saved = time.monotonic()
        if any_process(asked, all=False):
            self.was_stopped = trainer.global_step < self._num_steps
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave Ctrl-C as it was."""
        self._stop_listening()
