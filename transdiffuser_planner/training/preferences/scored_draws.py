"""Plans of a table with their sub-scores as a condition: any plan, good or bad, rare scores more often.

Letters: S frames, B batch, M plans, Q wanted scores, T plan steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES
from transdiffuser_planner.core.driving_style import WANTED_SCORES
from transdiffuser_planner.data.candidates.scored_candidates import ScoredDrive
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score

RARITY: Final = 0.6
"""Plans are drawn with their score's density to the power of minus this."""
SCORE_NOISE: Final = 0.05
"""Standard deviation of the noise on PDMS as a condition."""
PARTLY: Final = 0.4
"""Share of the draws in which each score is left out with probability one half."""
_BINS: Final = 10
_STANDS_M: Final = 1.0
"""A driven plan of less progress gives no floor."""


class ScoredDraws:
    """Draws plans of frames.

    Args:
        drives: The frames, in order.
    """

    def __init__(self, drives: Sequence[ScoredDrive]) -> None:
        self._pose = [drive.arrays["pose"] for drive in drives]
        self._starts = np.concatenate([[0], np.cumsum([len(drive) for drive in drives])]).astype(np.int64)
        score_SMQ = np.concatenate([np.asarray(drive.arrays["score"]) for drive in drives])
        total_SM = np.asarray(pdm_score(score_SMQ))
        progress_SM = np.concatenate([np.asarray(drive.arrays["progress_m"]) for drive in drives])
        columns = [score_SMQ[..., SCORE_NAMES.index(name)] for name in WANTED_SCORES[:-1]]
        self._wanted_SMQ = np.stack([*columns, total_SM], axis=-1).astype(np.float32)
        bin_SM = np.minimum((total_SM * _BINS).astype(np.int64), _BINS - 1)
        share = np.bincount(bin_SM.ravel(), minlength=_BINS) / bin_SM.size
        weight_SM = np.maximum(share, 1e-6)[bin_SM] ** -RARITY
        driven_S1 = np.maximum(progress_SM[:, -1:], _STANDS_M)
        self._score_SMQ = score_SMQ.astype(np.float32)
        self._progress_SM = np.where(progress_SM[:, -1:] < _STANDS_M, 1.0, progress_SM / driven_S1).astype(np.float32)
        self._up_to_SM = np.cumsum(weight_SM / weight_SM.sum(axis=1, keepdims=True), axis=1).astype(np.float32)

    def draw(
        self, frame_B: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Draw one plan of each frame.

        Args:
            frame_B: Numbers of the frames.
            rng: Random numbers.

        Returns:
            Plans (B, T, 3) in base_link, their scores (B, Q) with noise on PDMS, and which of these are given (B, Q).
        """
        size, last = len(frame_B), self._up_to_SM.shape[1] - 1
        plan_B = np.minimum((self._up_to_SM[frame_B] < rng.random((size, 1))).sum(axis=1), last)
        scores = self._wanted_SMQ[frame_B, plan_B]
        scores[:, -1] = np.clip(scores[:, -1] + rng.normal(0.0, SCORE_NOISE, size), 0.0, 1.0)
        is_left_out_BQ = (rng.random((size, 1)) < PARTLY) & (rng.random(scores.shape) < 0.5)
        given = (~is_left_out_BQ).astype(np.float32)
        return self._poses(frame_B, plan_B), scores * given, given

    def whole(self, frame_B: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """All plans of some frames with their scores.

        Args:
            frame_B: Numbers of the frames.

        Returns:
            "table_xy" (B, M, T, 2) in base_link, "table_score" (B, M, Q) in the order of SCORE_NAMES, "table_progress" (B, M), the
            progress as a share of the driven plan's; 1 where that one does not move.
        """
        drive_B = np.searchsorted(self._starts, frame_B, side="right") - 1
        rows = [self._pose[d][f - self._starts[d], :, :, :2] for d, f in zip(drive_B, frame_B, strict=True)]
        return {
            "table_xy": np.stack(rows).astype(np.float32),
            "table_score": self._score_SMQ[frame_B],
            "table_progress": self._progress_SM[frame_B],
        }

    def _poses(self, frame_B: NDArray[np.int64], plan_B: NDArray[np.int64]) -> NDArray[np.float32]:
        drive_B = np.searchsorted(self._starts, frame_B, side="right") - 1
        rows: list[NDArray[Any]] = [
            self._pose[drive][frame - self._starts[drive], plan]
            for drive, frame, plan in zip(drive_B, frame_B, plan_B, strict=True)
        ]
        return np.stack(rows).astype(np.float32)
