"""Fits a codebook of action tokens to logged trajectories: K-disk clustering (Philion et al. 2023, Trajeglish).

Segments are drawn in random order; each drawn one becomes a token and removes all segments within a radius. The radius is
the smallest with which the tokens cover nearly all segments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.planning.action_codebook import HEADING_LEVER_M, ActionCodebook, segments_between

FloatArray = NDArray[np.float64]

UNCOVERED = 0.002
"""Share of segments that may be farther than the radius from every token: each outlier would cost a token."""
_SEARCH_STEPS = 12
_LARGEST_RADIUS_M = 2.0
_MAX_SEGMENTS = 30_000


def plan_segments(plan_NT3: NDArray[np.float32]) -> FloatArray:
    """All segments (N * T, 3) of plans in base_link."""
    start = np.zeros((len(plan_NT3), 1, 3))
    return segments_between(np.concatenate([start, plan_NT3], axis=1)).reshape(-1, 3)


def fit_codebook(plan_NT3: NDArray[np.float32], contract: ModelContract, seed: int = 0) -> ActionCodebook:
    """Fit a codebook of the contract's size; its first token is stationary.

    Args:
        plan_NT3: Logged trajectories in base_link, meters and radians.
        contract: Size of the codebook and interval of its segments.
        seed: Seed of the order of segments.

    Raises:
        TrainingError: There are fewer segments than tokens.
    """
    rng, size = np.random.default_rng(seed), contract.codebook_size
    segment_N3 = plan_segments(plan_NT3)
    if len(segment_N3) < size:
        raise TrainingError(f"action codebook: {len(segment_N3)} segments are too few for {size} tokens")
    segment_N3 = rng.permutation(segment_N3)[:_MAX_SEGMENTS]
    low, high = 0.0, _LARGEST_RADIUS_M
    best = _disks(segment_N3, high, size)[0]
    for _ in range(_SEARCH_STEPS):
        radius = 0.5 * (low + high)
        tokens, uncovered = _disks(segment_N3, radius, size)
        if uncovered <= UNCOVERED:
            high, best = radius, tokens
        else:
            low = radius
    if len(best) < size:  # the radius is coarse: further tokens where segments are farthest from tokens
        best = _filled(best, segment_N3, size)
    return ActionCodebook(segment_C3=best, interval_s=contract.plan_interval_s)


def _disks(segment_N3: FloatArray, radius_m: float, size: int) -> tuple[FloatArray, float]:
    """At most ``size`` tokens, and the share of segments covered by none of them."""
    scaled = segment_N3 * [1.0, 1.0, HEADING_LEVER_M]
    chosen = np.zeros((1, 3))
    left = np.linalg.norm(scaled, axis=1) > radius_m
    while left.any() and len(chosen) < size:
        index = int(np.argmax(left))
        chosen = np.concatenate([chosen, segment_N3[index : index + 1]])
        left &= np.linalg.norm(scaled - scaled[index], axis=1) > radius_m
    return chosen, float(left.mean())


def _filled(token_C3: FloatArray, segment_N3: FloatArray, size: int) -> FloatArray:
    """Add tokens, each the segment that is farthest from all previous tokens."""
    scale = np.asarray([1.0, 1.0, HEADING_LEVER_M])
    scaled, tokens = segment_N3 * scale, list(token_C3)
    gap = np.min([np.linalg.norm(scaled - token * scale, axis=1) for token in tokens], axis=0)
    while len(tokens) < size:
        index = int(gap.argmax())
        tokens.append(segment_N3[index])
        gap = np.minimum(gap, np.linalg.norm(scaled - scaled[index], axis=1))
    return np.asarray(tokens)


def reconstruction_error_m(codebook: ActionCodebook, plan_NT3: NDArray[np.float32]) -> dict[str, float]:
    """Errors of encoded and decoded plans: ADE mean, 95th and 99th percentile and worst, FDE mean, meters."""
    decoded = codebook.decode(codebook.encode(plan_NT3))
    gap = np.linalg.norm(decoded[..., :2] - plan_NT3[..., :2], axis=-1)
    ade = gap.mean(axis=1)
    return {
        "ade_mean": round(float(ade.mean()), 4),
        "ade_p95": round(float(np.percentile(ade, 95)), 4),
        "ade_p99": round(float(np.percentile(ade, 99)), 4),
        "ade_worst": round(float(ade.max()), 4),
        "fde_mean": round(float(gap[:, -1].mean()), 4),
    }
