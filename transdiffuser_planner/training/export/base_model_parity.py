"""A network that was given action tokens, compared with the model it was grown from: untold, both must compute the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from transdiffuser_planner.core.contract import TOKEN_INPUTS, plan_spec
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.export.onnx_graphs import Tensors

_STEPS = (1, 5, 10)
_KEPT = ("recipe", "data", "commit", "note")


@torch.no_grad()
def before(old: Path, network: PlannerNetwork, samples: list[Tensors]) -> dict[str, Any]:
    """What the manifest of a grown model says of the one before.

    Args:
        old: Model folder.
        network: What it became.
        samples: Inputs, each a batch of one with all observation and agent tensors.

    Returns:
        "model_hash", how it was trained, and "difference": the largest between both untold noise predictions.
    """
    backend = OnnxBackend(load_manifest(old), "cpu", 1)
    rng, worst = np.random.default_rng(0), 0.0
    shape = (2, *plan_spec(network.contract).shape)
    for sample in samples:
        untold = {name: value for name, value in sample.items() if name not in TOKEN_INPUTS}
        tensors = {name: torch.from_numpy(value) for name, value in untold.items()}
        agents = {name: sample[name] for name in ("agents", "agents_valid")}
        condition = backend.condition(backend.encode(untold), untold, agents)
        for k in _STEPS:
            x = rng.standard_normal(shape, dtype=np.float32)
            known = torch.from_numpy(x)[None], torch.full((1, 1), k)
            mine = network(tensors, tensors["agents"], tensors["agents_valid"], *known)[0].numpy()
            worst = max(worst, float(np.abs(mine - backend.predict_noise(x, k, condition)).max()))
    training = backend.manifest.training
    kept = {key: training[key] for key in _KEPT if key in training}
    return {"model_hash": backend.manifest.model_hash, "difference": worst, **kept}
