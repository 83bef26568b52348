"""Ranks the candidate plans by their weighted cost terms.

With a scorer (``selection: scorer``) the predicted loss of PDM score replaces most terms of the rules; as a gate (``selection:
gated``, ``gate.py``) it only replaces plans of the rules that it objects to. Where action tokens ask for a maneuver, distance
from their path replaces route and progress. Among nearly equal plans the one that continues the previous path comes first.
Probabilities are the softmax of the negative cost over the feasible candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.planning.selection.cost_terms import (
    SelectionInputs,
    continuity_term,
    rule_terms,
    score_terms,
)
from transdiffuser_planner.planning.selection.gate import gated
from transdiffuser_planner.planning.selection.predicted_pdm_score import distance_from_mean_m
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans

FloatArray = NDArray[np.float64]

SCORER_TERMS = ("score", "outlier", "continuity", "signal", "tokens")
"""Terms that are weighted with a scorer: PDMS knows neither traffic lights nor action tokens."""
RULES, SCORER, GATED = "rules", "scorer", "gated"
_SAME_PATH_M = 0.5
_STATIONARY_MPS, _MOVING_MPS, _SOON_STEPS = 0.5, 1.0, 20
_SIMILAR_COST, _SIMILAR_COLLISION = 0.3, 0.01
_FREE_COLLISION = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The order of M candidates.

    Attributes:
        order_M: Candidate indices, best first.
        probability_M: Sums to 1 over the feasible candidates.
        cost_terms: Term name -> unweighted costs (M,).
    """

    order_M: NDArray[np.intp]
    probability_M: FloatArray
    cost_terms: dict[str, FloatArray]


def rank(
    plans: SmoothPlans,
    feasible_M: NDArray[np.bool_],
    inputs: SelectionInputs,
    contract: ModelContract,
    config: PlannerConfig,
) -> Ranking:
    """Order the candidates; infeasible ones come last and get probability 0.

    Args:
        plans: M candidates in base_link.
        feasible_M: Candidates that the safety checks accept.
        inputs: Perception, route, previous plan, predicted sub-scores.
        contract: Bird's-eye grid and plan times.
        config: Weights and switching hysteresis.
    """
    terms = rule_terms(plans, feasible_M, inputs, contract)
    weighted: tuple[str, ...] = tuple(terms)
    is_standing = bool(plans.speed_MF[:, 0].mean() <= _STATIONARY_MPS)
    if inputs.subscore_MQ is not None:
        terms |= score_terms(inputs.subscore_MQ)
        terms["outlier"] = distance_from_mean_m(plans.pose_MF3, feasible_M)
        terms["continuity"] = continuity_term(plans, None if is_standing else inputs.previous_F3)
        weighted = weighted if config.selection == GATED else SCORER_TERMS
    cost = sum(getattr(config, f"weight_{name}") * terms[name] for name in weighted if name in terms)
    cost = np.where(feasible_M, cost, np.inf)
    order = np.argsort(cost, kind="stable")
    if inputs.previous_F3 is not None:
        order = _continuing_first(order, cost, terms["consistency"], config.switching_hysteresis)
    is_moving_off = _should_move_off(plans, feasible_M)
    if is_moving_off:
        order = _moving_first(order, cost, terms, plans)
    if inputs.subscore_MQ is not None:
        order = _with_scorer(order, plans, feasible_M, terms, inputs.subscore_MQ, config, is_moving_off=is_moving_off)
    best = cost.min()
    probability = np.zeros(len(cost))
    if feasible_M.any():
        probability = np.exp(-(cost - best))
        probability /= probability.sum()
    return Ranking(order_M=order, probability_M=probability, cost_terms=terms)


def _with_scorer(
    order_M: NDArray[np.intp],
    plans: SmoothPlans,
    feasible_M: NDArray[np.bool_],
    terms: dict[str, FloatArray],
    subscore_MQ: FloatArray,
    config: PlannerConfig,
    *,
    is_moving_off: bool,
) -> NDArray[np.intp]:
    """Apply the gate, and let a stationary vehicle move off where its way is free.

    A scorer that doubts every plan that moves would let the vehicle stand forever: standing costs no point within four seconds.
    """
    free_M = feasible_M
    if is_moving_off and config.move_off_when_free:
        clear_M = (terms["collision"] <= _FREE_COLLISION) & (terms["signal"] <= 0.0)
        going_M = feasible_M & clear_M & (plans.speed_MF[:, -1] > _MOVING_MPS)
        free_M = going_M if going_M.any() else feasible_M
        order_M = np.concatenate([order_M[free_M[order_M]], order_M[~free_M[order_M]]])
    return gated(order_M, subscore_MQ, terms, free_M, config) if config.selection == GATED else order_M


def _continuing_first(
    order_M: NDArray[np.intp], cost_M: FloatArray, consistency_M: FloatArray, margin: float
) -> NDArray[np.intp]:
    """Move the best plan on the previous path to the front unless another is better by a margin."""
    keeps = np.flatnonzero(consistency_M[order_M] <= _SAME_PATH_M)
    if not len(keeps) or cost_M[order_M[keeps[0]]] > cost_M[order_M[0]] + margin:
        return order_M
    return np.concatenate([order_M[keeps[:1]], np.delete(order_M, keeps[0])])


def _should_move_off(plans: SmoothPlans, feasible_M: NDArray[np.bool_]) -> bool:
    """Whether the vehicle is stationary and at least half of the feasible candidates move by the end of the plan."""
    if not feasible_M.any() or plans.speed_MF[:, 0].mean() > _STATIONARY_MPS:
        return False
    return bool((plans.speed_MF[feasible_M, -1] > _MOVING_MPS).mean() >= 0.5)


def _moving_first(
    order_M: NDArray[np.intp], cost_M: FloatArray, terms: dict[str, FloatArray], plans: SmoothPlans
) -> NDArray[np.intp]:
    """Of the plans about as good and as safe as the first, move the one that moves off soonest to the front.

    Only the first tenth of a second of a plan is executed before the next plan: a vehicle whose plans all wait one second
    and then go would wait forever.
    """
    first = order_M[0]
    similar = (cost_M <= cost_M[first] + _SIMILAR_COST) & (
        terms["collision"] <= terms["collision"][first] + _SIMILAR_COLLISION
    )
    similar &= terms["signal"] <= terms["signal"][first]
    soon_M = plans.speed_MF[:, :_SOON_STEPS].sum(axis=1)
    moving = np.flatnonzero(similar)[np.argmax(soon_M[similar])]
    return np.concatenate([[moving], order_M[order_M != moving]])
