"""Processes that keep cores busy, for measurements under load, and what a process costs."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transdiffuser_planner.runtime.supervision.realtime_settings import normal_priority


def _spin() -> None:
    normal_priority()  # whoever started it may have raised its own
    value = 1.0
    while True:
        value = value * 1.000001 % 1e6


@contextmanager
def loaded_cores(count: int) -> Iterator[None]:
    """Run this many processes that each want a whole core."""
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_spin, daemon=True) for _ in range(count)]
    for child in children:
        child.start()
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.join()


def resident_mb(pid: int | None = None) -> float:
    """Resident memory of a process (this one by default) in MB."""
    text = (Path("/proc") / str(pid or os.getpid()) / "status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")) / 1024.0


def cpu_s(pid: int | None = None) -> float:
    """Processor time that a process (this one by default) has used, in seconds."""
    fields = (Path("/proc") / str(pid or os.getpid()) / "stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
