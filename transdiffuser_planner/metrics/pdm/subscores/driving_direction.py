"""DDC, driving direction compliance: 1, 0.5 or 0 by the distance off the route's lanes within one second."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather

FloatArray = NDArray[np.float64]

WINDOW_STEPS = 11
"""The devkit sums over one second and both its ends."""
COMPLIANT_M, VIOLATION_M = 2.0, 6.0
METRIC = "driving_direction"


def score_direction(center_MS2: FloatArray, against_MS: NDArray[np.bool_]) -> tuple[FloatArray, Reasons]:
    """Score M simulated plans.

    Args:
        center_MS2: Centers of the ego's boxes.
        against_MS: Steps that count: off the route's lanes, for EPDMS also outside of intersections.
    """
    num_plans = len(center_MS2)
    if not against_MS.any():
        return np.ones(num_plans), gather(num_plans, [])
    distance_MS = np.zeros(against_MS.shape)
    step_MS2 = np.diff(center_MS2, axis=1)
    distance_MS[:, 1:] = np.sqrt(step_MS2[..., 0] ** 2 + step_MS2[..., 1] ** 2)
    distance_MS[~against_MS] = 0.0
    padded = np.concatenate([np.zeros((num_plans, WINDOW_STEPS - 1)), distance_MS], axis=1)
    window_MS = sliding_window_view(padded, WINDOW_STEPS, axis=1).sum(axis=-1)
    worst_M = window_MS.max(axis=1)
    score_M = np.where(worst_M < COMPLIANT_M, 1.0, np.where(worst_M < VIOLATION_M, 0.5, 0.0))
    found = [
        (
            int(plan),
            Reason(
                metric=METRIC,
                step=int((window_MS[plan] >= COMPLIANT_M).argmax()),
                detail=f"{worst_M[plan]:.1f} m off the route's lanes within 1 s",
            ),
        )
        for plan in np.flatnonzero(score_M < 1.0)
    ]
    return score_M, gather(num_plans, found)
