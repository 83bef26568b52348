"""Diversity of several plans for one scene: DiffusionDrive's D, from the areas the plans cover.

D = 1 - mean over the plans of IoU(plan, union of all plans). A plan lies inside the union, so the IoU is the share of the
union's area it covers. With N equal areas D is at most 1 - 1 / N: values of different N must not be compared, and the
result includes N.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.pdm.geometry.boxes import PACIFICA
from transdiffuser_planner.metrics.pdm.geometry.distances import point_to_segment

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Diversity:
    """D of a set of plans.

    Attributes:
        value: D, 0 to 1.
        num_plans: N, which bounds it.
    """

    value: float
    num_plans: int

    @property
    def largest_possible(self) -> float:
        """1 - 1 / N, reached by plans of equal, disjoint areas."""
        return 1.0 - 1.0 / self.num_plans


def diversity(plans_MT2: FloatArray, *, width_m: float = PACIFICA.width_m, cell_m: float = 0.2) -> Diversity:
    """D of M plans that all start at the origin.

    Args:
        plans_MT2: Positions (M, T, 2 or more), meters, the start not included.
        width_m: Width of the strip a plan covers; its ends are rounded.
        cell_m: Areas are counted in squares of this size whose centers are covered.

    Raises:
        EvaluationError: No plan, or positions that are not finite.
    """
    plans_MT2 = np.asarray(plans_MT2, dtype=np.float64)[..., :2]
    if plans_MT2.ndim != 3 or plans_MT2.shape[0] == 0 or not np.isfinite(plans_MT2).all():
        raise EvaluationError(f"diversity: plans: expected finite positions (M, T, 2), got shape {plans_MT2.shape}")
    line_MK2 = np.concatenate([np.zeros((len(plans_MT2), 1, 2)), plans_MT2], axis=1)
    low = line_MK2.min(axis=(0, 1)) - width_m
    counts = np.ceil((line_MK2.max(axis=(0, 1)) + width_m - low) / cell_m).astype(np.int64)
    covered = np.stack([_covered(line_K2, low, counts, width_m / 2.0, cell_m) for line_K2 in line_MK2])
    union = max(int(covered.any(axis=0).sum()), 1)
    share_M = covered.sum(axis=(1, 2)) / union
    return Diversity(value=float(1.0 - share_M.mean()), num_plans=len(plans_MT2))


def _covered(
    line_K2: FloatArray, low_2: FloatArray, counts_2: NDArray[np.int64], radius_m: float, cell_m: float
) -> NDArray[np.bool_]:
    """Cells (X, Y) whose centers are within the radius of the line."""
    grid = np.zeros(tuple(counts_2), dtype=bool)
    for start, end in pairwise(line_K2):
        first = np.maximum(np.floor((np.minimum(start, end) - radius_m - low_2) / cell_m).astype(int), 0)
        last = np.minimum(np.ceil((np.maximum(start, end) + radius_m - low_2) / cell_m).astype(int), counts_2)
        x, y = (low_2[axis] + (np.arange(first[axis], last[axis]) + 0.5) * cell_m for axis in (0, 1))
        center = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
        grid[first[0] : last[0], first[1] : last[1]] |= point_to_segment(center, start, end) <= radius_m
    return grid


def plan_deviation_m(plan_T2: FloatArray, previous_T2: FloatArray) -> float:
    """Mean distance between the plans of two consecutive frames at the same times; rows with NaN are skipped.

    Args:
        plan_T2: Positions of the plan (T, 2 or more), meters.
        previous_T2: Positions of the previous plan at the same times, in the same coordinate frame.
    """
    distance_T = np.linalg.norm(plan_T2[..., :2] - previous_T2[..., :2], axis=-1)
    known_T = np.isfinite(distance_T)
    return float(distance_T[known_T].mean()) if known_T.any() else 0.0
