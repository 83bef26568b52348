"""Comparison of a network with action tokens and its base model: without tokens both must compute the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from transdiffuser_planner.core.contract import condition_inputs, plan_spec
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.export.onnx_graphs import Tensors

_STEPS = (1, 5, 10)
_KEPT = ("recipe", "data", "commit", "note")


@torch.no_grad()
def compare_with_base(base: Path, network: PlannerNetwork, samples: list[Tensors]) -> dict[str, Any]:
    """Compare a network with its base model, for the manifest.

    Args:
        base: Folder of the base model.
        network: Network trained from it.
        samples: Inputs, each a batch of one with all observation and agent tensors.

    Returns:
        "model_hash" and training data of the base model, and "difference": the largest one between both noise predictions
        without the conditions that the base model does not have.
    """
    backend = OnnxBackend(load_manifest(base), 1)
    new = set(condition_inputs(network.contract)) - set(condition_inputs(backend.manifest.contract))
    rng, worst = np.random.default_rng(0), 0.0
    shape = (2, *plan_spec(network.contract).shape)
    for sample in samples:
        unconditioned = {name: value for name, value in sample.items() if name not in new}
        tensors = {name: torch.from_numpy(value) for name, value in unconditioned.items()}
        agents = {name: sample[name] for name in ("agents", "agents_valid")}
        condition = backend.condition(backend.encode(unconditioned), unconditioned, agents)
        for k in _STEPS:
            x = rng.standard_normal(shape, dtype=np.float32)
            noisy = torch.from_numpy(x)[None], torch.full((1, 1), k)
            own = network(tensors, tensors["agents"], tensors["agents_valid"], *noisy)[0].numpy()
            worst = max(worst, float(np.abs(own - backend.predict_noise(x, k, condition)).max()))
    training = backend.manifest.training
    kept = {key: training[key] for key in _KEPT if key in training}
    return {"model_hash": backend.manifest.model_hash, "difference": worst, **kept}
