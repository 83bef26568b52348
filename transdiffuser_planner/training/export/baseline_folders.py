"""Trained baselines -> folders without PyTorch: graph, normalizer, manifest. Rejected unless ONNX equals PyTorch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONDITION_INPUTS, CONTRACT_VERSION
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.data.candidates.candidate_source import CandidateSource
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.runtime.inference.baseline_model import (
    BASELINES,
    GRAPH_NAME,
    KIND,
    NORMALIZER_NAME,
    REGRESSION_HEAD,
)
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_FORMAT, MANIFEST_NAME, sha256_of
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.export.model_folder import MAX_DIFFERENCE, replace_folder
from transdiffuser_planner.training.export.onnx_graphs import GraphsOnDisk, Tensors, difference, trace
from transdiffuser_planner.training.run import Run
from transdiffuser_planner.training.stages import baselines


class BaselineGraph(nn.Module):
    """Baseline with flat inputs and the ego's plan as its only output.

    Args:
        network: The baseline.
        names: Names of the inputs, in order.
    """

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compute the plan (1, P) in model space."""
        return baselines.predict(self.network, dict(zip(self.names, inputs, strict=True)))[:, 0]


def input_names(name: str) -> tuple[str, ...]:
    """Inputs of a baseline's graph, in order."""
    return (
        (*FEATURE_NAMES, *CONDITION_INPUTS, "agents", "agents_valid") if name == REGRESSION_HEAD else CONDITION_INPUTS
    )


def parity_inputs(model: OnnxBackend, samples: SampleSet, count: int) -> list[Tensors]:
    """Evenly spread samples with the model's features and the ground-truth agents, each a batch of one."""
    source, inputs = CandidateSource(model, samples), []
    for index in np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64):
        sample = source.frame(int(index))
        inputs.append({**sample.observation, **sample.features, **sample.agents})
    return inputs


def export_baselines(run: Run, inputs: list[Tensors], out: Path, info: dict[str, Any]) -> dict[str, float]:
    """Write a folder for each trained baseline.

    Args:
        run: Run with finished baselines, opened with the model whose encoder they use.
        inputs: Inputs on which ONNX must equal PyTorch; the first one is traced.
        out: Parent of the folders.
        info: Entries of the manifests.

    Returns:
        Largest difference from PyTorch by name.

    Raises:
        TrainingError: A baseline is not trained, the model is of another run, or ONNX Runtime and PyTorch differ by more
            than 1e-4.
    """
    if run.model is None:
        raise TrainingError(f"run {run.folder}: give the exported model whose encoder the baselines use")
    _check_normalizer(run)
    about = {"data": run.baseline_data(), "recipe": run.config.to_dict(), **info}
    return {name: _export(run, name, inputs, out / name, about) for name in BASELINES}


@torch.no_grad()
def _export(run: Run, name: str, inputs: list[Tensors], out: Path, about: dict[str, Any]) -> float:
    assert run.model is not None
    names = input_names(name)
    graph = BaselineGraph(run.trained_baseline(name), names).eval()
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    feeds = [{key: torch.from_numpy(values[key]) for key in names} for values in inputs]
    trace(graph, tuple(feeds[0].values()), partial / GRAPH_NAME, names, ("plan",))
    runner = GraphsOnDisk(partial, {KIND: GRAPH_NAME})
    worst = max(difference({"plan": graph(*feed.values())}, runner.run(KIND, feed)) for feed in feeds)
    if not worst <= MAX_DIFFERENCE:
        shutil.rmtree(partial)
        raise TrainingError(
            f"export of {name} refused: ONNX differs from PyTorch by {worst:.2e} (allowed {MAX_DIFFERENCE:.0e})"
        )
    (partial / NORMALIZER_NAME).write_text(json.dumps(run.normalizer().to_json()) + "\n", encoding="utf-8")
    manifest = {
        "format": MANIFEST_FORMAT,
        "kind": KIND,
        "name": name,
        "contract_version": CONTRACT_VERSION,
        "contract": run.contract.to_dict(),
        "files": {path.name: sha256_of(path) for path in sorted(partial.iterdir())},
        "encoder_hash": sha256_of(run.model.manifest.graphs["encoder"]) if name == REGRESSION_HEAD else "",
        "training": {"network": run.network.to_dict(), "parity": worst, **about},
    }
    (partial / MANIFEST_NAME).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    replace_folder(out, partial)
    return worst


def _check_normalizer(run: Run) -> None:
    """Reject a model of another run.

    Raises:
        TrainingError: Their normalizers differ.
    """
    own = run.folder / NORMALIZER_NAME
    if own.is_file() and json.loads(own.read_text(encoding="utf-8")) != run.normalizer().to_json():
        assert run.model is not None
        where = run.model.manifest.folder
        raise TrainingError(f"run {run.folder}: model {where} was exported from another run; give the one of this run")
