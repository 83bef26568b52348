"""Plans of an exported model and of the baselines on samples, as arrays, for open-loop metrics."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.data.candidates.candidate_source import CandidateSource
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.evaluation.open_loop.compared_planners import baseline_plan
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.baseline_model import BaselineModel

FloatArray = NDArray[np.float64]
Rows = dict[str, Any]


def chosen_samples(samples: SampleSet, limit: int) -> NDArray[np.int64]:
    """Return evenly spaced indices of at most ``limit`` samples."""
    return np.linspace(0, len(samples) - 1, min(limit, len(samples))).astype(np.int64)


def model_plans(
    backend: InferenceBackend,
    samples: SampleSet,
    index_B: NDArray[np.int64],
    num_candidates: int,
    masked_inputs: Sequence[str] = (),
) -> Rows:
    """Sample plans of an exported model, with the logged trajectories.

    Args:
        backend: The model.
        samples: The sample set.
        index_B: Numbers of the samples to plan.
        num_candidates: Number M of candidates.
        masked_inputs: Conditions of ``condition_masking.MASKABLE_INPUTS`` to mask.

    Returns:
        "truth" (B, T, 3), "speed" and "yaw_rate" (B,), "candidates" (B, M, T, 3), meters and radians in base_link.
    """
    source = CandidateSource(backend, samples, masked_inputs=masked_inputs)
    candidates, raws = [], []
    for index in tqdm(index_B, desc="plans", unit="sample", file=sys.stderr, mininterval=1.0):
        frame = source.frame(int(index))
        candidates.append(source.sample(frame, num_candidates)[:, 0])
        raws.append({name: frame.raw[name][0] for name in ("plan", "status")})
    status_B8 = np.stack([raw["status"] for raw in raws])
    return {
        "truth": np.stack([raw["plan"] for raw in raws]).astype(np.float64),
        "speed": status_B8[:, StatusIndex.VX_MPS].astype(np.float64),
        "yaw_rate": _yaw_rate(status_B8),
        "candidates": np.stack(candidates),
    }


def baseline_plans(
    baselines: Mapping[str, BaselineModel], backend: InferenceBackend, samples: SampleSet, index_B: NDArray[np.int64]
) -> Rows:
    """Return the plans (B, T, 3) of trained baselines by name.

    Args:
        baselines: Baselines by name.
        backend: The model whose encoder they read.
        samples: The sample set.
        index_B: Numbers of the samples to plan.
    """
    source = CandidateSource(backend, samples)
    rows: dict[str, list[FloatArray]] = {name: [] for name in baselines}
    for index in tqdm(index_B, desc="baselines", unit="sample", file=sys.stderr, mininterval=1.0):
        frame = source.frame(int(index))
        for name, baseline in baselines.items():
            rows[name].append(baseline_plan(baseline, frame))
    return {name: np.stack(plans) for name, plans in rows.items()}


def _yaw_rate(status_B8: NDArray[np.float32]) -> FloatArray:
    """Return the yaw rate (B,) from lateral acceleration and speed; 0 when stationary."""
    speed = status_B8[:, StatusIndex.VX_MPS].astype(np.float64)
    lateral = status_B8[:, StatusIndex.AY_MPS2].astype(np.float64)
    return np.where(speed > 1.0, lateral / np.maximum(speed, 1.0), 0.0)
