"""What the choice among a model's candidates is worth in PDM score, in recorded moments that were not trained on.

Not reactive: everyone else does what was recorded. Letters: S moments, M candidates, Q sub-scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.contract import SCORE_NAMES, SCORER_INPUTS
from transdiffuser_planner.evaluation.open_loop import medoid
from transdiffuser_planner.evaluation.planner_names import MEDOID, ONE, ORACLE, SCORER, SELECTIONS
from transdiffuser_planner.pipeline.predicted_score import pdm_score, typical_m
from transdiffuser_planner.runtime.backend import InferenceBackend
from transdiffuser_planner.training.scored_plans import ScoredPlans

FloatArray = NDArray[np.float64]


def choice_table(backend: InferenceBackend, plans: ScoredPlans) -> list[dict[str, Any]]:
    """One row per way to choose: mean sub-scores and PDMS in percent.

    Raises:
        ModelError: The model has no scorer.
    """
    count = plans.num_candidates
    raw = plans.gather(np.arange(len(plans)))
    truth_SMQ = raw["score"][:, :count].astype(np.float64)
    total_SM = pdm_score(truth_SMQ)
    pose_SMT3 = raw["pose"][:, :count].astype(np.float64)
    scored = [chosen(_predicted(backend, raw, row)[:count], pose_SMT3[row]) for row in range(len(plans))]
    nearest = np.abs(pose_SMT3 - medoid(pose_SMT3)[:, None]).sum(axis=(2, 3)).argmin(axis=1)
    picked = {MEDOID: nearest, SCORER: np.asarray(scored), ORACLE: total_SM.argmax(axis=1)}
    rows = [_row(ONE, truth_SMQ.mean(axis=1), total_SM.mean(axis=1))]
    for name, index in picked.items():
        each = np.arange(len(plans))
        rows.append(_row(name, truth_SMQ[each, index], total_SM[each, index]))
    return rows


def _predicted(backend: InferenceBackend, raw: dict[str, NDArray[Any]], row: int) -> FloatArray:
    """Predicted sub-scores of one moment's plans."""
    joint = np.concatenate([raw["pose"][row][:, None], raw["agent_pose"][row]], axis=1)
    tensors = {name: raw[name][row : row + 1] for name in SCORER_INPUTS}
    return backend.score(joint, tensors, tensors, tensors).astype(np.float64)


def chosen(subscore_MQ: NDArray[Any], pose_MT3: FloatArray) -> int:
    """The candidate that the planner's selection by scorer takes where there is no signal, nothing told and no last plan."""
    config = PlannerConfig()
    cost_M = config.weight_score * (1.0 - pdm_score(subscore_MQ)) + config.weight_typical * typical_m(pose_MT3)
    return int(cost_M.argmin())


def _row(name: str, score_SQ: FloatArray, total_S: FloatArray) -> dict[str, Any]:
    parts = {key: round(100.0 * float(score_SQ[:, q].mean()), 2) for q, key in enumerate(SCORE_NAMES)}
    return {"choice": name, "title": SELECTIONS[name].title, **parts, "pdms": round(100.0 * float(total_S.mean()), 2)}
