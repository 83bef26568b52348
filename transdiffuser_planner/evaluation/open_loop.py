"""Open-loop errors of a model and its baselines on unseen samples, as one table.

Candidates are summarised three ways: one of them at random, the one nearest to their mean (no knowledge of the future),
and the one nearest to the truth (an oracle: a bound, not a planner).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.scoring.displacement import (
    average_displacement_m,
    constant_velocity_plan,
    final_displacement_m,
)

FloatArray = NDArray[np.float64]

ROW_TITLES = {
    "constant_velocity": "constant velocity and yaw rate",
    "mlp": "MLP on status and own past",
    "mlp_route": "MLP on status, own past, route, signal, speed limit",
    "regression": "regression head on the same encoder",
    "one": "TransDiffuser, one sample",
    "medoid": "TransDiffuser, candidate nearest to the mean",
    "oracle": "TransDiffuser, nearest candidate (oracle)",
}


def medoid(candidate_BMT3: FloatArray) -> FloatArray:
    """The candidate (B, T, 3) nearest to the mean of all."""
    gap = average_displacement_m(candidate_BMT3, candidate_BMT3.mean(axis=1, keepdims=True))
    return candidate_BMT3[np.arange(len(candidate_BMT3)), gap.argmin(axis=1)]


def error_table(predictions: dict[str, Any], time_s_T: FloatArray) -> list[dict[str, Any]]:
    """One row per planner: ADE and FDE in metres over all samples and over those that turn or change speed.

    Args:
        predictions: As ``training.predictions`` gives them.
        time_s_T: Times of the plan steps.
    """
    truth, candidates = predictions["truth"], predictions["candidates"]
    nearest = average_displacement_m(candidates, truth[:, None]).argmin(axis=1)
    constant = constant_velocity_plan(predictions["speed"], predictions["yaw_rate"], time_s_T)
    plans = {
        "constant_velocity": constant,
        **{name: predictions[name] for name in ("mlp", "mlp_route", "regression") if name in predictions},
        "one": candidates[:, 0],
        "medoid": medoid(candidates),
        "oracle": candidates[np.arange(len(truth)), nearest],
    }
    eventful = final_displacement_m(constant, truth) > 4.0
    rows = []
    for name, plan in plans.items():
        ade, fde = average_displacement_m(plan, truth), final_displacement_m(plan, truth)
        rows.append(
            {
                "planner": name,
                "title": ROW_TITLES[name],
                "ade_m": round(float(ade.mean()), 3),
                "fde_m": round(float(fde.mean()), 3),
                "ade_eventful_m": round(float(ade[eventful].mean()), 3) if eventful.any() else None,
                "samples": len(truth),
            }
        )
    return rows
