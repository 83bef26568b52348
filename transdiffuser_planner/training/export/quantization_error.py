"""Effect of int8 on plans: the same scenes and the same noise in both precisions, compared in meters.

Letters: M candidates, N = 1 + A agents, T plan steps.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.contract import STORED_PRECISIONS
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.export.quantize import Tensors, draw_plans

FloatArray = NDArray[np.float64]

_NO_AGENTS = np.zeros((0, 3))


def measure_shift(folder: Path, scenes: list[Tensors], num_candidates: int) -> dict[str, Any]:
    """Compare the ego's plans in both precisions.

    Args:
        folder: A model folder with int8 graphs.
        scenes: From ``quantize.sample_scenes``, of drives used neither for training nor for calibration.
        num_candidates: M.

    Returns:
        Distances in meters between poses of the same candidate, and each precision's mean distance to the logged
        trajectory; milliseconds of encoding, conditioning and denoising in sequence, minimum over the scenes.

    Raises:
        ModelError: The folder has no int8 graphs.
    """
    manifest = load_manifest(folder)
    backends = {precision: OnnxBackend(manifest, precision=precision) for precision in STORED_PRECISIONS}
    normalizer = PlanNormalizer.from_json(manifest.read_json("normalizer.json"))
    shifts: list[FloatArray] = []
    errors: dict[str, list[float]] = {precision: [] for precision in STORED_PRECISIONS}
    least = dict.fromkeys(STORED_PRECISIONS, float("inf"))
    for scene in tqdm(scenes, desc="plans", unit="scene", file=sys.stderr, mininterval=1.0):
        position = {}
        for precision, backend in backends.items():
            start = time.perf_counter()
            drawn = draw_plans(backend, scene, num_candidates)
            least[precision] = min(least[precision], (time.perf_counter() - start) * 1e3)
            position[precision] = normalizer.to_poses(drawn[:, :1], _NO_AGENTS)[:, 0, :, :2]
            valid = scene["plan_valid"][0] > 0.0
            gap_MT = np.linalg.norm(position[precision] - scene["plan"][0][None, :, :2], axis=-1)
            errors[precision].append(float(gap_MT[:, valid].mean()) if valid.any() else float("nan"))
        shifts.append(np.linalg.norm(position["int8"] - position["fp32"], axis=-1))
    return {
        "scenes": len(scenes),
        "candidates": num_candidates,
        "shift_m": _summary(np.stack(shifts)),
        "mean_error_m": {name: round(float(np.nanmean(values)), 3) for name, values in errors.items()},
        "graphs_ms": {name: round(value, 2) for name, value in least.items()},
    }


def _summary(shift_BMT: FloatArray) -> dict[str, float]:
    """Mean, 95th percentile and worst over all poses, and of the last pose."""
    last_BM = shift_BMT[:, :, -1]
    values = {
        "mean": shift_BMT.mean(),
        "p95": np.percentile(shift_BMT, 95.0),
        "worst": shift_BMT.max(),
        "mean_at_end": last_BM.mean(),
        "p95_at_end": np.percentile(last_BM, 95.0),
        "worst_scene_mean": shift_BMT.mean(axis=(1, 2)).max(),
    }
    return {name: round(float(value), 4) for name, value in values.items()}
