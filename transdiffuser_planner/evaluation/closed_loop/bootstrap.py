"""Means over scenarios with intervals: the bootstrap, seeded, so that the same results give the same intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

NUM_RESAMPLES = 10_000
LEVEL = 0.95
SEED = 20_260_101


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean and between what it would lie in 95 of 100 draws of as many scenarios."""

    mean: float
    low: float
    high: float


def bootstrap(values: ArrayLike, num_resamples: int = NUM_RESAMPLES) -> Interval | None:
    """Percentile bootstrap of the mean; None of nothing.

    Args:
        values: One number for each scenario.
        num_resamples: Draws with replacement.
    """
    values_S = np.asarray(values, dtype=np.float64)
    if not len(values_S):
        return None
    drawn = np.random.default_rng(SEED).integers(0, len(values_S), (num_resamples, len(values_S)))
    low, high = np.percentile(values_S[drawn].mean(axis=1), [50.0 * (1.0 - LEVEL), 50.0 * (1.0 + LEVEL)])
    return Interval(mean=float(values_S.mean()), low=float(low), high=float(high))
