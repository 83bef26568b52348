"""Open-loop errors of a model and its baselines on unseen samples, as one table.

Candidates are summarized three ways: one of them at random, the one nearest to their mean (no knowledge of the future),
and the one nearest to the truth (an oracle: a bound, not a planner).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.displacement import (
    average_displacement_m,
    constant_velocity_plan,
    displacement_table,
    final_displacement_m,
)
from transdiffuser_planner.metrics.diversity import diversity
from transdiffuser_planner.planners.planner_names import CONSTANT_TURN_RATE, NEAREST_TO_MEAN, ONE, ORACLE, TITLES
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES

FloatArray = NDArray[np.float64]


def nearest_to_mean(candidate_BMT3: FloatArray) -> FloatArray:
    """Return the candidate (B, T, 3) nearest to the mean of all."""
    distance_BM = average_displacement_m(candidate_BMT3, candidate_BMT3.mean(axis=1, keepdims=True))
    nearest: FloatArray = candidate_BMT3[np.arange(len(candidate_BMT3)), distance_BM.argmin(axis=1)]
    return nearest


def error_table(predictions: dict[str, Any], time_s_T: FloatArray) -> list[dict[str, Any]]:
    """Return one row per planner: ADE and FDE in meters over all samples and over those that turn or change speed.

    Args:
        predictions: Arrays, as ``predictions.model_plans`` and ``baseline_plans`` return them.
        time_s_T: Times of the plan steps (s).
    """
    truth, candidates = predictions["truth"], predictions["candidates"]
    nearest = average_displacement_m(candidates, truth[:, None]).argmin(axis=1)
    plans = _plans(predictions, time_s_T) | {ORACLE: candidates[np.arange(len(truth)), nearest]}
    constant = plans[CONSTANT_TURN_RATE]
    eventful = final_displacement_m(constant, truth) > 4.0
    rows = []
    for name, plan in plans.items():
        ade, fde = average_displacement_m(plan, truth), final_displacement_m(plan, truth)
        rows.append(
            {
                "planner": name,
                "title": TITLES[name],
                "ade_m": round(float(ade.mean()), 3),
                "fde_m": round(float(fde.mean()), 3),
                "ade_eventful_m": round(float(ade[eventful].mean()), 3) if eventful.any() else None,
                "samples": len(truth),
            }
        )
    return rows


def _plans(predictions: dict[str, Any], time_s_T: FloatArray) -> dict[str, FloatArray]:
    """Return one plan (B, T, 3) per sample of each planner without knowledge of the future."""
    candidates = predictions["candidates"]
    return {
        CONSTANT_TURN_RATE: constant_velocity_plan(predictions["speed"], predictions["yaw_rate"], time_s_T),
        **{name: predictions[name] for name in BASELINES if name in predictions},
        ONE: candidates[:, 0],
        NEAREST_TO_MEAN: nearest_to_mean(candidates),
    }


def moment_table(predictions: dict[str, Any], time_s_T: FloatArray) -> list[dict[str, Any]]:
    """Return ADE, FDE and miss rate of the ego until 1, 2, 3 and 4 s, for each planner; the oracle is the best of all candidates.

    Args:
        predictions: Arrays, as ``predictions.model_plans`` and ``baseline_plans`` return them.
        time_s_T: Times of the plan steps (s).
    """
    truth = predictions["truth"]
    plans = {name: plan[:, None] for name, plan in _plans(predictions, time_s_T).items()}
    known_BT = np.ones(truth.shape[:2], dtype=bool)
    return [
        {
            "planner": name,
            "title": TITLES[name],
            "at_s": row.at_s,
            "ade_m": round(row.ade_m, 3),
            "fde_m": round(row.fde_m, 3),
            "miss_rate": round(row.miss_rate, 4),
            "samples": row.num_samples,
        }
        for name, plan in (plans | {ORACLE: predictions["candidates"]}).items()
        for row in displacement_table(plan, truth, known_BT, time_s_T)
    ]


def diversity_row(predictions: dict[str, Any], most: int = 200) -> dict[str, Any]:
    """Return DiffusionDrive's D of the candidates, mean over evenly spaced samples.

    Args:
        predictions: Arrays, as ``predictions.model_plans`` and ``baseline_plans`` return them.
        most: Largest number of samples; counting areas takes time.
    """
    candidates = predictions["candidates"]
    index = np.linspace(0, len(candidates) - 1, min(most, len(candidates))).astype(np.int64)
    found = [diversity(candidates[i]) for i in index]
    return {
        "mean": round(float(np.mean([item.value for item in found])), 4),
        "num_plans": found[0].num_plans,
        "largest_possible": round(found[0].largest_possible, 4),
        "samples": len(found),
    }
