"""Means over scenarios with bootstrap intervals; a fixed seed gives the same intervals for the same results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

NUM_RESAMPLES = 10_000
LEVEL = 0.95
SEED = 20_260_101


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean with its 95 % interval over draws of the same number of scenarios."""

    mean: float
    low: float
    high: float


def bootstrap(values: ArrayLike, num_resamples: int = NUM_RESAMPLES) -> Interval | None:
    """Return the percentile bootstrap of the mean; None without values.

    Args:
        values: One number for each scenario.
        num_resamples: Number D of draws with replacement.
    """
    values_S = np.asarray(values, dtype=np.float64)
    if not len(values_S):
        return None
    draws_DS = np.random.default_rng(SEED).integers(0, len(values_S), (num_resamples, len(values_S)))
    low, high = np.percentile(values_S[draws_DS].mean(axis=1), [50.0 * (1.0 - LEVEL), 50.0 * (1.0 + LEVEL)])
    return Interval(mean=float(values_S.mean()), low=float(low), high=float(high))
