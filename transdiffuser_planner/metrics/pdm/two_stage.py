"""Pseudo closed loop of NAVSIM v2: a scene's score times that of follow-up scenes, which start near the plans' ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SIGMA_SQUARED_M2 = 0.1


def follow_up_weights(
    end_2: FloatArray, start_K2: FloatArray, sigma_squared_m2: float = SIGMA_SQUARED_M2
) -> FloatArray:
    """Weights (K,) of follow-up scenes, summing to 1: a Gaussian of the distance from the plan's end to their start.

    Args:
        end_2: Position of the rear axle at the plan's last pose, map frame, meters.
        start_K2: Position of the rear axle at the start of each follow-up scene, map frame, meters.
        sigma_squared_m2: Variance of the Gaussian. Weights are equal if all of them vanish.
    """
    squared_K = ((start_K2 - end_2) ** 2).sum(axis=-1)
    weight_K = np.exp(-squared_K / (2.0 * sigma_squared_m2))
    total = weight_K.sum()
    if np.isclose(total, 0.0):
        return np.full(len(start_K2), 1.0 / len(start_K2))
    return np.asarray(weight_K / total)


def two_stage_score(first: float, follow_up_K: FloatArray, weight_K: FloatArray) -> float:
    """Score of a first scene times the weighted mean of its follow-ups'."""
    return float(first * (follow_up_K * weight_K).sum() / weight_K.sum())


def pair_score(now: float, before: float) -> float:
    """Mean of the two-stage scores of a scene and the one half a second before it."""
    return (now + before) / 2.0
