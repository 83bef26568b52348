"""Stage durations, estimated while driving, and the time left until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

_WEIGHT = 0.15
_DEVIATIONS = 3.0
_FADE = 0.3


class StageCosts:
    """Estimates the present cost of stages on this machine, in milliseconds.

    A stage has a quiet cost, measured at warm-up, and a slowness shared by a group of stages: a measurement of one
    denoise step updates the slowness of all of them. The upper estimate of the slowness is an exponentially weighted mean
    plus three mean deviations, as in TCP's retransmission timer (RFC 6298). Without measurements it decays towards quiet:
    otherwise a planner without time for any step would never measure that it has time again.

    Written by the planning thread only; other threads may read.
    """

    def __init__(self) -> None:
        self._quiet_ms: dict[str, float] = {}
        self._slowness: dict[str, tuple[float, float]] = {}

    def learn_quiet(self, stage: str, duration_ms: float) -> None:
        """Lower the stage's quiet cost to a duration that is the shortest so far.

        Args:
            stage: Name of the stage.
            duration_ms: Duration of one run.
        """
        self._quiet_ms[stage] = min(duration_ms, self._quiet_ms.get(stage, duration_ms))

    def observe(self, group: str, stage: str, duration_ms: float) -> None:
        """Update quiet cost and slowness with one run of a stage.

        Args:
            group: Group that shares the slowness.
            stage: Name of the stage.
            duration_ms: Duration of the run.
        """
        self.learn_quiet(stage, duration_ms)
        ratio = duration_ms / max(self._quiet_ms[stage], 1e-6)
        mean, deviation = self._slowness.get(group, (1.0, 0.1))
        gap = ratio - mean
        self._slowness[group] = (mean + _WEIGHT * gap, deviation + _WEIGHT * (abs(gap) - deviation))

    def fade(self) -> None:
        """Decay the slowness towards quiet after a cycle without a measurement."""
        for group, (mean, deviation) in self._slowness.items():
            self._slowness[group] = (mean + _FADE * (1.0 - mean), (1.0 - _FADE) * deviation)

    def usual_ms(self, group: str, stage: str, unknown_ms: float = 0.0) -> float:
        """Mean cost of a stage now; based on ``unknown_ms`` before its first measurement."""
        return self._quiet_ms.get(stage, unknown_ms) * self._slowness.get(group, (1.0, 0.0))[0]

    def upper_ms(self, group: str, stage: str, unknown_ms: float = 0.0) -> float:
        """Upper estimate of a stage's cost now; based on ``unknown_ms`` before its first measurement."""
        mean, deviation = self._slowness.get(group, (1.0, 0.1))
        return self._quiet_ms.get(stage, unknown_ms) * (mean + _DEVIATIONS * deviation)


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleBudget:
    """Time by which a plan must be ready.

    Attributes:
        end_s: That time, on the clock.
        clock: Returns monotonic seconds.
    """

    end_s: float
    clock: Callable[[], float] = time.perf_counter

    def left_ms(self, reserve_ms: float = 0.0) -> float:
        """Milliseconds until the end, minus a reserve for later stages; negative when it is too late."""
        return (self.end_s - self.clock()) * 1e3 - reserve_ms
