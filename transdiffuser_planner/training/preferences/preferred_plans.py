"""Plans of a table for the samples of a training set: one target per sample and step, and plans to stay away from.

Letters: N samples, B batch, F failing plans, T plan steps, P = T x 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.driving_style import STYLE_INPUTS
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.data.candidates.scored_candidates import ScoredDrive, ScoredPlans
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.metrics.displacement import average_displacement_m
from transdiffuser_planner.planning.action_codebook import ActionCodebook
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.training.preference_recipe import PreferenceConfig
from transdiffuser_planner.training.preferences.ranked_plans import RankedPlans, rank_drive
from transdiffuser_planner.training.preferences.scored_draws import ScoredDraws

Batch = dict[str, NDArray[Any]]

TABLE_ARRAYS: Final = ("table_xy", "table_score", "table_progress", "in_table")
APART_M: Final = 0.1
"""Winner and loser of a pair are at least so far from one another, averaged over the plan steps."""


class PreferredPlans:
    """Targets and failing plans of the samples of a training set.

    Args:
        table: Scored plans.
        samples: Training set; samples without a row in the table keep their driven plans.
        config: The recipe's part.
        codebook: For the action tokens of targets; None without action tokens.

    Raises:
        InputError: The table has none of the samples, or is of other samples of the same names.
    """

    def __init__(
        self, table: ScoredPlans, samples: SampleSet, config: PreferenceConfig, codebook: ActionCodebook | None
    ) -> None:
        self._config, self._codebook = config, codebook
        used, frame_N, count = [], [], 0
        drives = {drive.path.name: drive for drive in table.drives}
        for folder in samples.folders:
            drive = drives.get(folder.path.name)
            frame = np.full(len(folder), -1, dtype=np.int64)
            if drive is not None:
                row_S = _checked_rows(drive, folder.arrays["stamp_ns"], str(folder.path))
                frame[row_S] = count + np.arange(len(drive))
                used.append(drive)
                count += len(drive)
            frame_N.append(frame)
        if not used:
            raise InputError(
                f"scored plans {table.drives[0].path.parent}: of none of the drives of the samples, which begin with "
                f"{samples.folders[0].path.name}; score these samples with 'transdiffuser score-candidates'"
            )
        self._frame_N = np.concatenate(frame_N)
        self._plans = RankedPlans.joined([rank_drive(drive, config) for drive in used])
        self._draws = ScoredDraws(used) if max(config.scored_share, config.policy) > 0.0 else None

    def summary(self) -> dict[str, float]:
        """Share of samples with a row, and shares of these with a target, a good driven plan, a loser and failing plans."""
        plans = self._plans
        return {
            "in_table": float(np.mean(self._frame_N >= 0)),
            "with_targets": float(np.mean(plans.num_targets_S > 0)),
            "driven_good": float(np.mean(plans.driven_is_good_S)),
            "driven_replaced": float(np.mean(~plans.driven_is_good_S & (plans.has_best_S | (plans.num_targets_S > 0)))),
            "with_loser": float(np.mean(plans.has_loser_S)),
            "with_failing": float(np.mean(plans.num_failing_S > 0)),
        }

    def substitute(self, raw: Batch, index_B: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """Draw the target of every sample of a batch.

        Args:
            raw: Stored arrays of the batch.
            index_B: Numbers of its samples.
            rng: Random numbers.

        Returns:
            The arrays with "plan", "plan_valid" and, where it is there, "action_token_path" of the target; in addition "loser"
            (B, T, 3), "has_loser" (B,), "failing" (B, F, T, 3) and "has_failing" (B, F), in base_link. With a scored_share also
            "wanted_scores" and "wanted_scores_valid" (B, Q); samples with some learn any plan of the table. With a policy also
            ``ScoredDraws.whole`` and "in_table" (B,).
        """
        plans, frame_B = self._plans, self._frame_N[index_B]
        known_B, row_B = frame_B >= 0, np.maximum(frame_B, 0)
        count_B = plans.num_targets_S[row_B]
        keeps_driven_B = plans.driven_is_good_S[row_B] & (rng.random(len(index_B)) < self._config.driven_share)
        which_B = np.floor(rng.random(len(index_B)) * count_B).astype(np.int64)
        is_target_B = known_B & (count_B > 0) & ~keeps_driven_B
        is_best_B = known_B & (count_B == 0) & ~plans.driven_is_good_S[row_B] & plans.has_best_S[row_B]
        plan = raw["plan"].copy()
        plan[is_target_B] = plans.target_SKT3[row_B, which_B][is_target_B]
        plan[is_best_B] = plans.best_ST3[row_B][is_best_B]
        is_replaced_B = is_target_B | is_best_B
        loser = plans.loser_ST3[row_B]
        failing = plans.failing_SFT3[row_B]
        passes_B = is_replaced_B | ~plans.driven_fails_S[row_B]
        is_failing_BF = np.arange(failing.shape[1]) < plans.num_failing_S[row_B][:, None]
        out = raw | {
            "plan": plan,
            "plan_valid": raw["plan_valid"] | is_replaced_B[:, None],
            "loser": loser,
            "has_loser": known_B & plans.has_loser_S[row_B] & passes_B & _is_apart(loser, plan),
            "failing": failing,
            "has_failing": known_B[:, None] & is_failing_BF & _is_apart(failing, plan[:, None]),
        }
        if self._draws is not None and self._config.policy > 0.0:
            out |= self._draws.whole(row_B) | {"in_table": known_B.astype(np.float32)}
        if self._draws is not None and self._config.scored_share > 0.0:
            out |= self._scored(out, frame_B, rng)
            plan, is_replaced_B = out["plan"], is_replaced_B | (out["wanted_scores_valid"] > 0.0).any(axis=1)
        if "action_token_path" in raw and self._codebook is not None and is_replaced_B.any():
            path = raw["action_token_path"].copy()
            path[is_replaced_B] = self._codebook.segment_C3[self._codebook.encode(plan[is_replaced_B])]
            out["action_token_path"] = path
        return out

    def _scored(self, batch: Batch, frame_B: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """Plans with their scores in a share of the samples; these are compared with no other plans."""
        assert self._draws is not None
        is_scored_B = (frame_B >= 0) & (rng.random(len(frame_B)) < self._config.scored_share)
        drawn, scores, given = self._draws.draw(np.maximum(frame_B, 0), rng)
        is_scored_B &= given.any(axis=1)
        return {
            "plan": np.where(is_scored_B[:, None, None], drawn, batch["plan"]),
            "plan_valid": batch["plan_valid"] | is_scored_B[:, None],
            "has_loser": batch["has_loser"] & ~is_scored_B,
            "has_failing": batch["has_failing"] & ~is_scored_B[:, None],
            "wanted_scores": scores * is_scored_B[:, None],
            "wanted_scores_valid": given * is_scored_B[:, None],
        }


def preference_tensors(raw: Mapping[str, NDArray[Any]], normalizer: PlanNormalizer) -> Batch:
    """Losers and failing plans in model space, masked where the sample's target is a counterfactual maneuver.

    Args:
        raw: Result of ``PreferredPlans.substitute``, perhaps with counterfactual maneuvers after it.
        normalizer: Normalizer of the plans.

    Returns:
        "loser" (B, P), "has_loser" (B,), "failing" (B, F, P), "has_failing" (B, F), float32; wanted scores and the
        table's plans with the scale of model space, "plan_mean" and "plan_std" (B, P), if there are any.
    """
    asked_B = ~raw["is_counterfactual"] if "is_counterfactual" in raw else np.ones(len(raw["plan"]), dtype=bool)
    failing = raw["failing"]
    flat = normalizer.ego_to_model(failing.reshape(-1, *failing.shape[2:]).astype(np.float64))
    wanted = {name: (raw[name] * asked_B[:, None]).astype(np.float32) for name in STYLE_INPUTS if name in raw}
    table = {name: raw[name] for name in TABLE_ARRAYS if name in raw}
    if table:
        table["in_table"] = table["in_table"] * asked_B.astype(np.float32)
        for name, scale_T3 in (("plan_mean", normalizer.ego_mean_T3), ("plan_std", normalizer.ego_std_T3)):
            table[name] = np.repeat(scale_T3.reshape(1, -1), len(asked_B), axis=0).astype(np.float32)
    return (
        wanted
        | table
        | {
            "loser": normalizer.ego_to_model(raw["loser"].astype(np.float64)),
            "has_loser": (raw["has_loser"] & asked_B).astype(np.float32),
            "failing": flat.reshape(*failing.shape[:2], -1),
            "has_failing": (raw["has_failing"] & asked_B[:, None]).astype(np.float32),
        }
    )


def _is_apart(plan_XT3: NDArray[Any], other_XT3: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(average_displacement_m(plan_XT3, other_XT3) >= APART_M)


def _checked_rows(drive: ScoredDrive, stamp_ns_S: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """Rows of a drive's frames in the folder of its samples.

    Raises:
        InputError: The samples have other stamps.
    """
    row_S = np.asarray(drive.arrays["row"], dtype=np.int64)
    if len(row_S) and (row_S.max() >= len(stamp_ns_S) or (stamp_ns_S[row_S] != drive.arrays["stamp_ns"]).any()):
        raise InputError(
            f"scored plans {drive.path}: made from other samples than {where}: stamps differ; score these again"
        )
    return row_S
