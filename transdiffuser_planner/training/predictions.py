"""Plans of a trained run and of its baselines on samples, as arrays, for open-loop measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.training import baselines, decoder_stage
from transdiffuser_planner.training.run import Run
from transdiffuser_planner.training.samples import SampleSet

FloatArray = NDArray[np.float64]

BATCH = 64


@torch.no_grad()
def predict_all(run: Run, samples: SampleSet, limit: int, num_candidates: int) -> dict[str, Any]:
    """Ego plans of every planner on evenly chosen samples.

    Returns:
        "truth" (B, T, 3), "speed" and "yaw_rate" (B,), "candidates" (B, M, T, 3), and (B, T, 3) per baseline name.
    """
    index = np.linspace(0, len(samples) - 1, min(limit, len(samples))).astype(np.int64)
    normalizer, schedule = run.normalizer(), run.schedule
    motion, cache = decoder_stage.MotionSet(samples), run.features("validation", samples)
    decoder = run.planner_network().decoder
    networks = {name: run.trained_baseline(name) for name in baselines.BASELINES}
    rows: dict[str, list[FloatArray]] = {}

    def keep(name: str, value: FloatArray) -> None:
        rows.setdefault(name, []).append(value)

    for part in np.array_split(index, max(len(index) // BATCH, 1)):
        batch = decoder_stage.make_batch(motion, cache, run.contract, normalizer, None, part, np.random.default_rng(0))
        nobody = np.zeros((0, 3))
        keep("truth", motion.arrays["plan"][part].astype(np.float64))
        keep("speed", motion.arrays["status"][part, StatusIndex.VX_MPS].astype(np.float64))
        keep("yaw_rate", _yaw_rate(motion.arrays["status"][part]))
        drawn = decoder_stage.sample(decoder, batch, schedule, num_candidates, seed=0)
        keep("candidates", np.stack([normalizer.to_poses(d[:, :1], nobody)[:, 0] for d in drawn]))
        for name, network in networks.items():
            plan = baselines.predict(network, batch).float().numpy()
            keep(name, normalizer.to_poses(plan[:, :1], nobody)[:, 0])
    return {name: np.concatenate(values) for name, values in rows.items()}


def _yaw_rate(status_B8: NDArray[np.float32]) -> FloatArray:
    """From lateral acceleration and speed; 0 when standing."""
    speed = status_B8[:, StatusIndex.VX_MPS].astype(np.float64)
    lateral = status_B8[:, StatusIndex.AY_MPS2].astype(np.float64)
    return np.where(speed > 1.0, lateral / np.maximum(speed, 1.0), 0.0)
