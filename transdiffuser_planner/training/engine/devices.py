"""Devices and precision of a run: GPUs if available, else the CPU; bfloat16 where it is fast."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy

from transdiffuser_planner.core.errors import ConfigError

PRECISIONS = ("fp32", "bf16")
PROCESS_TIMEOUT = timedelta(hours=12)
"""Timeout between processes: only the first one fills the feature cache and validates."""


def has_fast_bfloat16(accelerator: str) -> bool:
    """Check for matrix products in bfloat16 in hardware: emulated by a CPU they are twenty times slower."""
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True, kw_only=True, slots=True)
class Devices:
    """Devices to train on.

    Attributes:
        accelerator: "cuda" or "cpu".
        num_devices: Number of processes with one device each.
        precision: One of PRECISIONS.
    """

    accelerator: str = "cpu"
    num_devices: int = 1
    precision: str = "fp32"

    @staticmethod
    def choose(devices: str = "auto", precision: str = "auto") -> Devices:
        """Choose devices and precision of this machine.

        Args:
            devices: "auto" for all GPUs or else one process on the CPU; or a number of GPUs (without GPUs: of processes).
            precision: "auto" for bf16 where it is fast; or one of PRECISIONS.

        Raises:
            ConfigError: Fewer GPUs than requested, or the text is no number.
        """
        num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        accelerator = "cuda" if num_gpus else "cpu"
        if devices != "auto" and (not devices.isdecimal() or int(devices) < 1):
            raise ConfigError(f"--devices: expected auto or a number from 1 on, got {devices!r}")
        count = max(num_gpus, 1) if devices == "auto" else int(devices)
        if num_gpus and count > num_gpus:
            raise ConfigError(f"--devices: {count} requested, but there are {num_gpus} GPUs")
        if precision == "auto":
            precision = "bf16" if has_fast_bfloat16(accelerator) else "fp32"
        return Devices(accelerator=accelerator, num_devices=count, precision=precision)

    @property
    def device(self) -> torch.device:
        """Device of this process."""
        if self.accelerator == "cuda":
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("cpu")

    def autocast(self) -> torch.autocast:
        """Context of networks outside the training loop."""
        return torch.autocast(self.accelerator, torch.bfloat16, enabled=self.precision == "bf16")

    def lightning_options(self) -> dict[str, Any]:
        """Arguments of Lightning's Trainer; with several devices one process each, exchanging gradients (DDP)."""
        options: dict[str, Any] = {
            "accelerator": self.accelerator,
            "devices": self.num_devices,
            "precision": "bf16-mixed" if self.precision == "bf16" else "32-true",
        }
        if self.num_devices > 1:  # embeddings of inputs missing in a batch have no gradient
            options["strategy"] = DDPStrategy(find_unused_parameters=True, timeout=PROCESS_TIMEOUT)
        return options


def full_precision(device: torch.device) -> torch.autocast:
    """Context for sums and sampling, where bfloat16 is too imprecise."""
    return torch.autocast(device.type, enabled=False)


def to_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Move a batch of tensors to a device."""
    return {name: value.to(device) for name, value in batch.items()}


def is_first_process() -> bool:
    """Check for the process that writes files and prints."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


@contextmanager
def first_process_first() -> Iterator[None]:
    """Run the block in the first process, then in the others, which find its files.

    Yields:
        Nothing.
    """
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    if together and not is_first_process():
        torch.distributed.barrier()
    yield
    if together and is_first_process():
        torch.distributed.barrier()
