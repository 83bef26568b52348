"""Stopwatch with named laps."""

from __future__ import annotations

import time


class StageTimes:
    """Milliseconds per named stage of a cycle."""

    def __init__(self) -> None:
        self.stage_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Record the time since the last lap under a stage's name."""
        now = time.perf_counter()
        self.stage_ms[stage] = (now - self._last) * 1e3
        self._last = now

    def resume(self) -> None:
        """Continue after a pause, which counts for no stage."""
        self._last = time.perf_counter()

    @property
    def total_ms(self) -> float:
        """Sum over all stages so far."""
        return sum(self.stage_ms.values())
