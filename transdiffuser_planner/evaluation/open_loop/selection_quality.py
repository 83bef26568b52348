"""Gain in PDM score from the selection among a model's candidates, on recorded samples that were not trained on.

Not reactive: all other agents follow the log. Letters: S samples, M candidates, Q sub-scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES, SCORER_INPUTS
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
from transdiffuser_planner.evaluation.open_loop.driving_selection import DrivingChoice
from transdiffuser_planner.evaluation.open_loop.ego_errors import nearest_to_mean
from transdiffuser_planner.planners.planner_names import (
    GATED,
    NEAREST_TO_MEAN,
    ONE,
    ORACLE,
    RULES,
    SCORER,
    SELECTIONS,
)
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

FloatArray = NDArray[np.float64]


def choice_table(
    backend: InferenceBackend, plans: ScoredPlans, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return one row per selection: mean sub-scores and PDMS in percent.

    Args:
        backend: The model.
        plans: Scored candidates of the samples.
        parameters: Parameters of the selection other than the defaults.

    Raises:
        ModelError: The model has no scorer.
    """
    count = plans.num_candidates
    truth_SMQ = plans.whole("score")[:, :count].astype(np.float64)
    total_SM = pdm_score(truth_SMQ)
    pose_SMT3 = plans.whole("pose")[:, :count].astype(np.float64)
    choices = {
        name: DrivingChoice(
            backend.manifest.contract,
            backend.manifest.vehicle,
            PlannerConfig.from_dict({**(parameters or {}), "selection": name}),
        )
        for name in (RULES, SCORER, GATED)
    }
    scored = np.asarray(
        [_chosen(backend, choices, plans.gather(np.asarray([row])), count) for row in range(len(plans))]
    )
    nearest = np.abs(pose_SMT3 - nearest_to_mean(pose_SMT3)[:, None]).sum(axis=(2, 3)).argmin(axis=1)
    chosen = {NEAREST_TO_MEAN: nearest, **dict(zip(choices, scored.T, strict=True)), ORACLE: total_SM.argmax(axis=1)}
    rows = [_row(ONE, truth_SMQ.mean(axis=1), total_SM.mean(axis=1))]
    for name, index in chosen.items():
        each = np.arange(len(plans))
        rows.append(_row(name, truth_SMQ[each, index], total_SM[each, index]))
    return rows


def _chosen(
    backend: InferenceBackend, choices: dict[str, DrivingChoice], raw: dict[str, NDArray[Any]], count: int
) -> list[int]:
    """Return the index of the candidate that each of the planner's selections takes in one frame."""
    joint = np.concatenate([raw["pose"][0][:count, None], raw["agent_pose"][0][:count]], axis=1)
    tensors = {name: raw[name] for name in SCORER_INPUTS}
    subscore_MQ = backend.score(joint, tensors, tensors, tensors)
    frame = {name: value[0] for name, value in tensors.items()}
    known = {name: None if name == RULES else subscore_MQ for name in choices}
    return [choice.index(joint.astype(np.float64), known[name], frame) for name, choice in choices.items()]


def _row(name: str, score_SQ: FloatArray, total_S: FloatArray) -> dict[str, Any]:
    parts = {key: round(100.0 * float(score_SQ[:, q].mean()), 2) for q, key in enumerate(SCORE_NAMES)}
    return {"choice": name, "title": SELECTIONS[name].title, **parts, "pdms": round(100.0 * float(total_S.mean()), 2)}
