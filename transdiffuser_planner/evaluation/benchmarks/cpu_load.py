"""CPU load for benchmarks, and processor time and memory of a process."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transdiffuser_planner.runtime.supervision.realtime_settings import normal_priority


def _spin() -> None:
    normal_priority()  # the parent may have raised its own
    value = 1.0
    while True:
        value = value * 1.000001 % 1e6


@contextmanager
def loaded_cores(count: int) -> Iterator[None]:
    """Load ``count`` cores with one process each.

    Yields:
        Nothing; the processes end with the context.
    """
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
    """Return the resident memory of a process (this one by default) in MB."""
    text = (Path("/proc") / str(pid or os.getpid()) / "status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")) / 1024.0


def cpu_s(pid: int | None = None) -> float:
    """Return the processor time of a process (this one by default) in seconds."""
    fields = (Path("/proc") / str(pid or os.getpid()) / "stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
