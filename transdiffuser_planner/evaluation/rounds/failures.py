"""Failures in a drive, and the steps to return to: contacts, off-road, red lights, near misses, waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.evaluation.rounds.drive_trace import DriveTrace

STEP_S = 0.1
BACK_S = (4.0, 3.0, 2.0)
"""How long before a failure a better plan is searched: early it avoids the failure best, late are the states of failures only."""
SHORT_TTC_S = 0.95
STANDING_MPS, LONG_WAIT_S, WAIT_AGAIN_S = 0.3, 4.0, 4.0
HELD_M = 15.0
"""A signal that is not green explains a wait up to this far before its stop line."""
SAME_FAILURE_S = 2.0


class FailureKind(Enum):
    """Kind of a failure, the worst first."""

    CONTACT = "contact at fault"
    OFF_ROAD = "off road"
    RED_LIGHT = "red light"
    NEAR_MISS = "near miss"
    WAIT = "long wait"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One failure.

    Attributes:
        kind: What happens.
        step: Step of 0.1 s at which it begins.
        text: Further human-readable information, or "".
    """

    kind: FailureKind
    step: int
    text: str = ""

    @property
    def time_s(self) -> float:
        """Seconds since the start of the drive."""
        return self.step * STEP_S


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPoint:
    """A step of a drive at which another plan may avoid a failure.

    Attributes:
        failure: To avoid.
        step: Step with a planning cycle.
    """

    failure: Failure
    step: int


def find_failures(trace: DriveTrace) -> list[Failure]:
    """Return the failures of a drive in order of time; of several within two seconds the worst.

    Args:
        trace: Of the drive.
    """
    found = [Failure(kind=FailureKind.CONTACT, step=step, text=text) for step, text in trace.at_fault]
    found += [Failure(kind=FailureKind.OFF_ROAD, step=step) for step in _begins(np.asarray(trace.off_road))]
    found += [Failure(kind=FailureKind.RED_LIGHT, step=step) for step in trace.red_light]
    found += [
        Failure(kind=FailureKind.NEAR_MISS, step=step) for step in _begins(np.asarray(trace.ttc_s) <= SHORT_TTC_S)
    ]
    order = list(FailureKind)
    found.sort(key=lambda failure: (order.index(failure.kind), failure.step))
    kept: list[Failure] = []
    for failure in found:
        if all(abs(failure.step - other.step) > SAME_FAILURE_S / STEP_S for other in kept):
            kept.append(failure)
    return sorted([*kept, *_waits(trace)], key=lambda failure: failure.step)


def search_points(trace: DriveTrace, failures: list[Failure]) -> Iterator[SearchPoint]:
    """Yield the steps to return to, in order of time, each once.

    Args:
        trace: Of the drive.
        failures: Its failures.

    Yields:
        Steps with a planning cycle.
    """
    cycles = np.asarray(sorted(trace.cycles))
    wanted: dict[int, Failure] = {}
    for failure in failures:
        back_s = (0.0,) if failure.kind is FailureKind.WAIT else BACK_S
        for seconds in back_s:
            before = cycles[cycles <= failure.step - round(seconds / STEP_S)]
            if len(before):
                wanted.setdefault(int(before[-1]), failure)
    for step in sorted(wanted):
        yield SearchPoint(failure=wanted[step], step=step)


def _begins(is_so: NDArray[np.bool_]) -> list[int]:
    """First steps of uninterrupted intervals."""
    if not len(is_so):
        return []
    return [int(step) for step in np.flatnonzero(is_so & ~np.append(False, is_so[:-1]))]


def _waits(trace: DriveTrace) -> list[Failure]:
    """Every four seconds of standing without a signal that explains it, once it has lasted four seconds."""
    found, since = [], 0
    first, again = round(LONG_WAIT_S / STEP_S), round(WAIT_AGAIN_S / STEP_S)
    for step, (state, held_m) in enumerate(zip(trace.states, trace.held_m, strict=True)):
        since = since + 1 if state.speed_mps < STANDING_MPS and held_m > HELD_M else 0
        if since >= first and (since - first) % again == 0:
            found.append(Failure(kind=FailureKind.WAIT, step=step))
    return found
