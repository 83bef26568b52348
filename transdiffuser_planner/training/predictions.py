"""Plans of an exported model and of the baselines on samples, as arrays, for open-loop measurement."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.runtime.backend import InferenceBackend
from transdiffuser_planner.training import baselines, decoder_stage
from transdiffuser_planner.training.candidates import CandidateSource
from transdiffuser_planner.training.run import Run
from transdiffuser_planner.training.samples import SampleSet

FloatArray = NDArray[np.float64]
Rows = dict[str, Any]

BATCH = 64
_NOBODY = np.zeros((0, 3))


def chosen_samples(samples: SampleSet, limit: int) -> NDArray[np.int64]:
    """Evenly spread indices."""
    return np.linspace(0, len(samples) - 1, min(limit, len(samples))).astype(np.int64)


def model_plans(
    backend: InferenceBackend,
    samples: SampleSet,
    index_B: NDArray[np.int64],
    num_candidates: int,
    withheld: Sequence[str] = (),
) -> Rows:
    """What an exported model samples, and what was driven.

    Args:
        backend: The model.
        samples, index_B: The moments.
        num_candidates: M.
        withheld: Conditions of ``withheld.WITHHELD`` that the model is not given.

    Returns:
        "truth" (B, T, 3), "speed" and "yaw_rate" (B,), "candidates" (B, M, T, 3), metres and radians in base_link.
    """
    source = CandidateSource(backend, samples, withheld=withheld)
    candidates, raws = [], []
    for index in tqdm(index_B, desc="plans", unit="sample", file=sys.stderr, mininterval=1.0):
        moment = source.moment(int(index))
        candidates.append(source.sample(moment, num_candidates)[:, 0])
        raws.append({name: moment.raw[name][0] for name in ("plan", "status")})
    status_B8 = np.stack([raw["status"] for raw in raws])
    return {
        "truth": np.stack([raw["plan"] for raw in raws]).astype(np.float64),
        "speed": status_B8[:, StatusIndex.VX_MPS].astype(np.float64),
        "yaw_rate": _yaw_rate(status_B8),
        "candidates": np.stack(candidates),
    }


@torch.no_grad()
def baseline_plans(run: Run, samples: SampleSet, index_B: NDArray[np.int64]) -> Rows:
    """Plans (B, T, 3) per baseline name."""
    normalizer = run.normalizer()
    motion, cache = decoder_stage.MotionSet(samples), run.features("validation", samples)
    networks = {name: run.trained_baseline(name) for name in baselines.BASELINES}
    rows: dict[str, list[FloatArray]] = {name: [] for name in networks}
    for part in np.array_split(index_B, max(len(index_B) // BATCH, 1)):
        batch = decoder_stage.make_batch(motion, cache, run.contract, normalizer, None, part, np.random.default_rng(0))
        for name, network in networks.items():
            plan = baselines.predict(network, batch).float().numpy()
            rows[name].append(normalizer.to_poses(plan[:, :1], _NOBODY)[:, 0])
    return {name: np.concatenate(values) for name, values in rows.items()}


def _yaw_rate(status_B8: NDArray[np.float32]) -> FloatArray:
    """From lateral acceleration and speed; 0 when standing."""
    speed = status_B8[:, StatusIndex.VX_MPS].astype(np.float64)
    lateral = status_B8[:, StatusIndex.AY_MPS2].astype(np.float64)
    return np.where(speed > 1.0, lateral / np.maximum(speed, 1.0), 0.0)
