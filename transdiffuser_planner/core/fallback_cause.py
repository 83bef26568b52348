"""Why a fallback was published instead of the model's plan: the reasons the planner gives, sorted into few causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum

LATE = "no plan of the model in time"
"""Reason of a fallback that the watchdog publishes."""
NO_STEP = "no time was left for a denoise step"
"""Reason of a fallback of a cycle that began too late."""
STOP_REQUESTED = "stop requested"
"""Reason of a stop that a user has requested."""
MODEL_LOADING = "the model is being loaded"
"""Reason of a fallback while a model is replaced."""
PLANNING_FAILED = "planning failed"
"""Beginning of the reason of a fallback after a fault of the model."""
_REJECTED = "candidates rejected"


class FallbackCause(Enum):
    """Cause of a fallback, in the order in which causes are listed."""

    TIME = "time"
    REJECTED = "rejected candidates"
    INPUTS = "inputs"
    MODEL = "model"
    REQUESTED = "requested stop"


def rejection_reason(num_candidates: int, why: str) -> str:
    """Return the reason of a fallback of which no candidate was accepted.

    Args:
        num_candidates: All of them.
        why: Reason for rejecting the best one.
    """
    return f"all {num_candidates} {_REJECTED}; the best for: {why}"


def cause_of(reason: str) -> FallbackCause:
    """Return the cause of a fallback.

    Args:
        reason: Of its status; what no part of the planner claims as its own is about inputs.
    """
    if reason in (LATE, NO_STEP):
        return FallbackCause.TIME
    if reason.startswith("all ") and _REJECTED in reason:
        return FallbackCause.REJECTED
    if reason == STOP_REQUESTED:
        return FallbackCause.REQUESTED
    if reason.startswith((PLANNING_FAILED, MODEL_LOADING)):
        return FallbackCause.MODEL
    return FallbackCause.INPUTS


def count_causes(reasons: Iterable[str]) -> Counter[FallbackCause]:
    """Count fallbacks by cause.

    Args:
        reasons: One for each fallback.
    """
    return Counter(map(cause_of, reasons))


def causes_text(counts: Counter[FallbackCause]) -> str:
    """Return the counts in one line, such as "time 2, rejected candidates 1"; "" without fallbacks.

    Args:
        counts: Result of ``count_causes``.
    """
    return ", ".join(f"{cause.value} {counts[cause]}" for cause in FallbackCause if counts[cause])
