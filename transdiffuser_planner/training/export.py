"""Trained network -> model folder: three ONNX graphs, normaliser, schedule, manifest. Refused unless ONNX equals PyTorch."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transdiffuser_planner.core.contract import (
    CANDIDATE_AXIS,
    CONDITION_INPUTS,
    CONTRACT_VERSION,
    ENCODER_INPUTS,
    ModelContract,
    agent_specs,
    auxiliary_specs,
    observation_specs,
    plan_spec,
)
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.networks.denoising_decoder import prepared_names
from transdiffuser_planner.networks.planner_network import PerceptionNetwork, PlannerNetwork
from transdiffuser_planner.networks.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.pipeline.noise_schedule import NoiseSchedule
from transdiffuser_planner.pipeline.normalization import PlanNormalizer
from transdiffuser_planner.runtime.manifest import MANIFEST_FORMAT, MANIFEST_NAME, sha256_of

Tensors = dict[str, NDArray[Any]]

OPSET = 17
MAX_DIFFERENCE = 1e-4
PARITY_CANDIDATES = 30


class _Encoder(nn.Module):
    """Perception with a flat list of outputs."""

    def __init__(self, perception: PerceptionNetwork) -> None:
        super().__init__()
        self.perception = perception

    def forward(self, image: Tensor, camera_valid: Tensor, lidar: Tensor, lidar_valid: Tensor) -> tuple[Tensor, ...]:
        features, heads = self.perception(image, camera_valid, lidar, lidar_valid)
        return (*(features.tokens[name] for name in FEATURE_NAMES), *heads.values())


class _Condition(nn.Module):
    """``DenoisingDecoder.prepare`` with flat inputs and outputs."""

    def __init__(self, network: PlannerNetwork) -> None:
        super().__init__()
        self.decoder = network.decoder

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        features = dict(zip(FEATURE_NAMES, inputs, strict=False))
        conditions = dict(zip(CONDITION_INPUTS, inputs[len(FEATURE_NAMES) : -2], strict=True))
        return tuple(self.decoder.prepare(features, conditions, *inputs[-2:]).values())


class _Denoise(nn.Module):
    """One denoise step of M samples of one scene."""

    def __init__(self, network: PlannerNetwork) -> None:
        super().__init__()
        self.decoder, self.names = network.decoder, prepared_names(network.config)

    def forward(self, x: Tensor, k: Tensor, *prepared: Tensor) -> Tensor:
        noise, _ = self.decoder(x[None], k[None], dict(zip(self.names, prepared, strict=True)))
        return torch.as_tensor(noise[0])


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """What an export made: its folder and the largest difference from PyTorch per graph."""

    folder: Path
    difference: dict[str, float]


def random_observation(contract: ModelContract, seed: int) -> Tensors:
    """A batch of one of plausible values, for networks without samples (tests, sizes that were not trained)."""
    rng = np.random.default_rng(seed)
    specs = {**observation_specs(contract), **agent_specs(contract)}
    values = {name: rng.random((1, *spec.shape)).astype(np.float32) for name, spec in specs.items()}
    return {name: np.ones_like(v) if name.endswith("valid") else v for name, v in values.items()}


def export_model(
    network: PlannerNetwork,
    normalizer: PlanNormalizer,
    schedule: NoiseSchedule,
    out: Path,
    *,
    samples: list[Tensors] | None = None,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> ExportedModel:
    """Write a model folder.

    Args:
        network: Trained, in eval mode.
        normalizer, schedule: Saved beside the graphs.
        out: Folder, replaced when it exists.
        samples: Real inputs (each a batch of one with all observation and agent tensors) on which parity is checked.
        training, metrics: Kept in the manifest.

    Raises:
        TrainingError: ONNX Runtime and PyTorch differ by more than 1e-4.
    """
    network = network.eval()
    contract = network.contract
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    inputs = samples or [random_observation(contract, seed) for seed in range(4)]
    graphs = _write_graphs(network, partial, inputs[0])
    difference = _parity(network, partial, graphs, inputs)
    worst = max(difference.values())
    if not worst <= MAX_DIFFERENCE:
        shutil.rmtree(partial)
        raise TrainingError(
            f"export refused: ONNX differs from PyTorch by {worst:.2e} (allowed {MAX_DIFFERENCE:.0e}): {difference}"
        )
    (partial / "normalizer.json").write_text(json.dumps(normalizer.to_json()) + "\n", encoding="utf-8")
    (partial / "noise_schedule.json").write_text(json.dumps(schedule.to_json()) + "\n", encoding="utf-8")
    manifest = {
        "format": MANIFEST_FORMAT,
        "name": network.config.name,
        "contract_version": CONTRACT_VERSION,
        "contract": contract.to_dict(),
        "files": {path.name: sha256_of(path) for path in sorted(partial.iterdir())},
        "graphs": graphs,
        "encoder_features": list(FEATURE_NAMES),
        "condition_outputs": prepared_names(network.config),
        "training": {"network": network.config.to_dict(), "parity": difference, **(training or {})},
        "metrics": metrics or {},
    }
    (partial / MANIFEST_NAME).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    _replace(out, partial)
    return ExportedModel(folder=out, difference=difference)


def _replace(out: Path, partial: Path) -> None:
    """Move the new files in; the model card and other hand-made files stay."""
    out.mkdir(parents=True, exist_ok=True)
    for path in partial.iterdir():
        path.replace(out / path.name)
    partial.rmdir()


def _tensors(values: Tensors, names: tuple[str, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(values[name]) for name in names)


@torch.no_grad()
def _write_graphs(network: PlannerNetwork, folder: Path, values: Tensors) -> dict[str, str]:
    """Trace and write the three graphs."""
    encoder, condition, denoise = _Encoder(network.perception), _Condition(network), _Denoise(network)
    encoder_in = _tensors(values, ENCODER_INPUTS)
    heads = tuple(auxiliary_specs(network.contract))
    _trace(encoder, encoder_in, folder / "encoder.onnx", ENCODER_INPUTS, (*FEATURE_NAMES, *heads))
    features = encoder(*encoder_in)[: len(FEATURE_NAMES)]
    condition_names = (*CONDITION_INPUTS, "agents", "agents_valid")
    condition_in = (*features, *_tensors(values, condition_names))
    names = tuple(prepared_names(network.config))
    _trace(condition, condition_in, folder / "condition.onnx", (*FEATURE_NAMES, *condition_names), names)
    prepared = condition(*condition_in)
    x = torch.zeros(PARITY_CANDIDATES, *plan_spec(network.contract).shape)
    step = torch.ones(1, dtype=torch.int64)
    dynamic = {"x": {0: CANDIDATE_AXIS}, "eps": {0: CANDIDATE_AXIS}}
    _trace(denoise, (x, step, *prepared), folder / "denoise.onnx", ("x", "k", *names), ("eps",), dynamic)
    return {name: f"{name}.onnx" for name in ("encoder", "condition", "denoise")}


def _trace(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
    dynamic: dict[str, dict[int, str]] | None = None,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            inputs,
            str(path),
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )


@torch.no_grad()
def _parity(network: PlannerNetwork, folder: Path, graphs: dict[str, str], inputs: list[Tensors]) -> dict[str, float]:
    """Largest difference between ONNX Runtime and PyTorch per graph, over all inputs."""
    sessions = {
        name: onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])
        for name, file in graphs.items()
    }
    modules = {"encoder": _Encoder(network.perception), "condition": _Condition(network), "denoise": _Denoise(network)}
    worst = dict.fromkeys(graphs, 0.0)

    def compare(name: str, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        expected = modules[name].eval()(*tensors)
        expected = expected if isinstance(expected, tuple) else (expected,)
        wanted = {item.name for item in sessions[name].get_inputs()}
        names = _input_names(network, name)
        feeds = {key: value.numpy() for key, value in zip(names, tensors, strict=True) if key in wanted}
        for ours, theirs in zip(expected, sessions[name].run(None, feeds), strict=True):
            scale = max(float(ours.abs().max()), 1.0)
            worst[name] = max(worst[name], float(np.abs(ours.numpy() - theirs).max()) / scale)
        return expected

    rng = np.random.default_rng(0)
    shape = (PARITY_CANDIDATES, *plan_spec(network.contract).shape)
    for values in inputs:
        features = compare("encoder", _tensors(values, ENCODER_INPUTS))[: len(FEATURE_NAMES)]
        prepared = compare("condition", (*features, *_tensors(values, (*CONDITION_INPUTS, "agents", "agents_valid"))))
        for k in (1, network.contract.num_denoise_steps):
            x = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
            compare("denoise", (x, torch.tensor([k]), *prepared))
    return worst


def _input_names(network: PlannerNetwork, graph: str) -> tuple[str, ...]:
    if graph == "encoder":
        return ENCODER_INPUTS
    if graph == "condition":
        return (*FEATURE_NAMES, *CONDITION_INPUTS, "agents", "agents_valid")
    return ("x", "k", *prepared_names(network.config))
