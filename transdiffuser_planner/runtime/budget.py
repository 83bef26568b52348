"""How long stages take, learnt while driving, and what still fits before a moment on the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_WEIGHT = 0.15
_DEVIATIONS = 3.0


class StageCosts:
    """Upper estimates of stage durations: exponentially weighted mean plus three mean deviations, in milliseconds.

    As TCP estimates its time-outs (RFC 6298): a stage that takes longer now and then is soon expected to.
    Written by the planning thread only; reading from others is harmless.
    """

    def __init__(self) -> None:
        self._mean_deviation: dict[str, tuple[float, float]] = {}

    def observe(self, stage: str, duration_ms: float) -> None:
        """Learn from one run of a stage."""
        if stage not in self._mean_deviation:
            self._mean_deviation[stage] = (duration_ms, duration_ms / 4.0)
            return
        mean, deviation = self._mean_deviation[stage]
        gap = duration_ms - mean
        self._mean_deviation[stage] = (mean + _WEIGHT * gap, deviation + _WEIGHT * (abs(gap) - deviation))

    def upper_ms(self, stage: str, unknown_ms: float = 0.0) -> float:
        """What a stage hardly ever exceeds; ``unknown_ms`` before it was seen."""
        if stage not in self._mean_deviation:
            return unknown_ms
        mean, deviation = self._mean_deviation[stage]
        return mean + _DEVIATIONS * deviation


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleBudget:
    """The moment by which a plan must be ready.

    Attributes:
        end_s: On the clock.
        clock: Monotonic seconds.
    """

    end_s: float
    clock: Callable[[], float] = time.perf_counter

    def left_ms(self, reserve_ms: float = 0.0) -> float:
        """Milliseconds until the end, less what comes afterwards; negative when it is too late."""
        return (self.end_s - self.clock()) * 1e3 - reserve_ms
