"""PDM score of the scorer's predicted sub-scores, and the distance of a plan from the mean."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES

Scores = TypeVar("Scores")
"""A NumPy array or a torch tensor."""


def pdm_score(score_MQ: Scores) -> Scores:
    """Compute PDMS v1.1 (..., M) from sub-scores (..., M, Q): NC * DAC * (5 TTC + 5 EP + 2 C) / 12.

    Args:
        score_MQ: In the order of ``SCORE_NAMES``.
    """
    nc, dac, ttc, ep, comfort = (cast(Any, score_MQ)[..., q] for q in range(len(SCORE_NAMES)))
    return cast(Scores, nc * dac * (5.0 * ttc + 5.0 * ep + 2.0 * comfort) / 12.0)


def distance_from_mean_m(
    pose_MT3: NDArray[np.float64], counts_M: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Distance of each of M plans from the mean plan, averaged over its steps, meters.

    The maximum of many uncertain predictions is biased upward, most of all for plans that differ from the others.

    Args:
        pose_MT3: Plans (M, T, 2 or more).
        counts_M: Plans that the mean is made of; None: all.
    """
    xy_MT2 = pose_MT3[..., :2]
    if counts_M is not None and not counts_M.any():
        counts_M = None
    mean_T2 = xy_MT2.mean(axis=0) if counts_M is None else xy_MT2[counts_M].mean(axis=0)
    return np.asarray(np.hypot(*np.moveaxis(xy_MT2 - mean_T2, -1, 0)).mean(axis=-1))
