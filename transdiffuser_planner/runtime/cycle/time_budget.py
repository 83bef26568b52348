"""How long stages take, learnt while driving, and what still fits before a moment on the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_WEIGHT = 0.15
_DEVIATIONS = 3.0
_FADE = 0.3


class StageCosts:
    """What stages cost on this machine now, in milliseconds.

    A stage has a quiet cost, learnt when it is warmed up, and a slowness that belongs to a group of stages: what is seen
    of one denoise step says how slow all of them are now. The upper estimate of the slowness is an exponentially weighted
    mean plus three mean deviations, as TCP estimates its time-outs (RFC 6298). Without news it fades towards quiet: a
    planner that thinks it has no time must find out when it has again.

    Written by the planning thread only; reading from others is harmless.
    """

    def __init__(self) -> None:
        self._quiet_ms: dict[str, float] = {}
        self._slowness: dict[str, tuple[float, float]] = {}

    def learn_quiet(self, stage: str, duration_ms: float) -> None:
        """Take a duration as the stage's quiet cost where it is the smallest so far."""
        self._quiet_ms[stage] = min(duration_ms, self._quiet_ms.get(stage, duration_ms))

    def observe(self, group: str, stage: str, duration_ms: float) -> None:
        """Learn from one run of a stage."""
        self.learn_quiet(stage, duration_ms)
        ratio = duration_ms / max(self._quiet_ms[stage], 1e-6)
        mean, deviation = self._slowness.get(group, (1.0, 0.1))
        gap = ratio - mean
        self._slowness[group] = (mean + _WEIGHT * gap, deviation + _WEIGHT * (abs(gap) - deviation))

    def fade(self) -> None:
        """A cycle brought no news."""
        for group, (mean, deviation) in self._slowness.items():
            self._slowness[group] = (mean + _FADE * (1.0 - mean), (1.0 - _FADE) * deviation)

    def usual_ms(self, group: str, stage: str, unknown_ms: float = 0.0) -> float:
        """What a stage usually takes now; ``unknown_ms`` before it was seen."""
        return self._quiet_ms.get(stage, unknown_ms) * self._slowness.get(group, (1.0, 0.0))[0]

    def upper_ms(self, group: str, stage: str, unknown_ms: float = 0.0) -> float:
        """What a stage hardly ever exceeds now; ``unknown_ms`` before it was seen."""
        mean, deviation = self._slowness.get(group, (1.0, 0.1))
        return self._quiet_ms.get(stage, unknown_ms) * (mean + _DEVIATIONS * deviation)


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
