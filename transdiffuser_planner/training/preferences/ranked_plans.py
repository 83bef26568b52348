"""Ranks the scored plans of frames: which are targets, which is the best one nearby, which fail nearest to the driven plan.

Letters: S frames, M plans, O own samples, K targets, F failing plans, T plan steps, Q sub-scores.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES
from transdiffuser_planner.data.candidates.plan_variants import PlanKind
from transdiffuser_planner.data.candidates.scored_candidates import ScoredDrive
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score
from transdiffuser_planner.training.preference_recipe import PreferenceConfig

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

MOST_TARGETS: Final = 8
MOST_FAILING: Final = 6
BETTER: Final = 0.05
"""The best plan replaces a driven one that is not good enough only where its PDM score is higher by this."""
PROGRESS_TOLERANCE_M: Final = 0.1
_HARD: Final = [SCORE_NAMES.index("no_at_fault_collision"), SCORE_NAMES.index("drivable_area")]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedPlans:
    """Plans of S frames by use.

    Attributes:
        target_SKT3: Targets, best first; zeros beyond num_targets_S.
        num_targets_S: Number of targets.
        best_ST3: Plan of the highest score near the driven one, for frames whose driven plan is not good enough.
        has_best_S: Whether there is one that is better than the driven plan.
        driven_is_good_S: Whether the driven plan is good enough.
        driven_fails_S: Whether the driven plan itself collides or leaves the road.
        loser_ST3: The plan nearest to the driven one that collides or leaves the road.
        has_loser_S: Whether there is one.
        failing_SFT3: Plans of low score, nearest to the driven one first; zeros beyond num_failing_S.
        num_failing_S: Number of them.
    """

    target_SKT3: FloatArray
    num_targets_S: NDArray[np.int64]
    best_ST3: FloatArray
    has_best_S: BoolArray
    driven_is_good_S: BoolArray
    driven_fails_S: BoolArray
    loser_ST3: FloatArray
    has_loser_S: BoolArray
    failing_SFT3: FloatArray
    num_failing_S: NDArray[np.int64]

    @staticmethod
    def joined(parts: list[RankedPlans]) -> RankedPlans:
        """Concatenate the frames of several drives."""
        names = [field.name for field in fields(RankedPlans)]
        return RankedPlans(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def rank_drive(drive: ScoredDrive, config: PreferenceConfig) -> RankedPlans:
    """Rank the plans of all frames of a drive by the recipe's limits."""
    arrays: dict[str, NDArray[Any]] = {n: np.asarray(drive.arrays[n]) for n in ("pose", "score", "progress_m", "kind")}
    pose_SMT3, kind_SM, score_SMQ = arrays["pose"], arrays["kind"], arrays["score"]
    total_SM = np.asarray(pdm_score(score_SMQ))
    each = np.arange(len(pose_SMT3))
    driven_S = (kind_SM == PlanKind.DRIVEN).argmax(axis=1)
    gap_SMT = np.linalg.norm(pose_SMT3[..., :2] - pose_SMT3[each, driven_S][:, None, :, :2], axis=-1)
    driven_total_S1 = total_SM[each, driven_S][:, None]
    least_m_S1 = config.least_progress * arrays["progress_m"][each, driven_S][:, None] - PROGRESS_TOLERANCE_M
    is_near_SM = (gap_SMT.max(axis=2) <= config.near_driven_m) & (arrays["progress_m"] >= least_m_S1)
    is_drawn_SM = np.isin(kind_SM, (PlanKind.OWN, PlanKind.INSTRUCTED, PlanKind.INTENT))
    is_near_own_SM = mean_gap_to_own_m(pose_SMT3, kind_SM) <= config.near_own_m
    is_high_SM = total_SM >= np.maximum(driven_total_S1, config.target_score)
    is_target_SM = is_drawn_SM & is_near_SM & is_near_own_SM & is_high_SM
    target_SK, num_targets_S = _first(is_target_SM, -total_SM, MOST_TARGETS)
    best_S = np.where(is_near_SM, total_SM, -1.0).argmax(axis=1)
    fails_SM = (score_SMQ[..., _HARD] < 1.0).any(axis=-1)
    mean_gap_SM = gap_SMT.mean(axis=2)
    failing_SF, num_failing_S = _first(total_SM < config.failing_score, mean_gap_SM, MOST_FAILING)
    loser_S1, num_losers_S = _first(fails_SM, mean_gap_SM, 1)
    return RankedPlans(
        target_SKT3=_taken(pose_SMT3, target_SK),
        num_targets_S=num_targets_S,
        best_ST3=pose_SMT3[each, best_S],
        has_best_S=is_near_SM[each, best_S] & (total_SM[each, best_S] >= driven_total_S1[:, 0] + BETTER),
        driven_is_good_S=driven_total_S1[:, 0] >= config.driven_score,
        driven_fails_S=fails_SM[each, driven_S],
        loser_ST3=_taken(pose_SMT3, loser_S1)[:, 0],
        has_loser_S=num_losers_S > 0,
        failing_SFT3=_taken(pose_SMT3, failing_SF),
        num_failing_S=num_failing_S,
    )


def mean_gap_to_own_m(pose_SMT3: NDArray[Any], kind_SM: NDArray[Any]) -> NDArray[np.float64]:
    """Mean distance (S, M) of each plan from the nearest of its frame's own samples, averaged over the plan steps, meters."""
    gap_SM = np.zeros(kind_SM.shape)
    for frame, (pose_MT3, kind_M) in enumerate(zip(pose_SMT3, kind_SM, strict=True)):
        own_OT3 = pose_MT3[kind_M == PlanKind.OWN]
        between_MOT = np.linalg.norm(pose_MT3[:, None, :, :2] - own_OT3[None, :, :, :2], axis=-1)
        gap_SM[frame] = between_MOT.mean(axis=2).min(axis=1)
    return gap_SM


def _first(chosen_SM: BoolArray, order_SM: NDArray[Any], most: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Indices (S, most) of chosen plans of lowest order, and how many of these places are filled."""
    index = np.argsort(np.where(chosen_SM, order_SM, np.inf), axis=1, kind="stable")[:, :most]
    return index, np.minimum(chosen_SM.sum(axis=1), most).astype(np.int64)


def _taken(pose_SMT3: NDArray[Any], index_SK: NDArray[np.intp]) -> FloatArray:
    return np.take_along_axis(pose_SMT3, index_SK[..., None, None], axis=1).astype(np.float32)
