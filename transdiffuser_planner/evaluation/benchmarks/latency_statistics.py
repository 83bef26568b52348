"""Summary statistics of latencies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def percentiles(values_ms: Sequence[float]) -> dict[str, float]:
    """Return median, p95, p99, maximum, and jitter (mean change from one cycle to the next) in milliseconds.

    Args:
        values_ms: Latency of each cycle.
    """
    values = np.asarray(values_ms, dtype=np.float64)
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    jitter = float(np.abs(np.diff(values)).mean()) if len(values) > 1 else 0.0
    found = {"p50": p50, "p95": p95, "p99": p99, "max": values.max(), "jitter": jitter}
    return {name: round(float(value), 2) for name, value in found.items()}
