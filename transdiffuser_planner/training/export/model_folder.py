"""Trained network -> model folder: ONNX graphs, normalizer, schedule, manifest. Refused unless ONNX equals PyTorch."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.contract import CONTRACT_VERSION, ModelContract, agent_specs, observation_specs
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.networks.decoder.condition_cache import step_names
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer
from transdiffuser_planner.planning.action_codebook import CODEBOOK_NAME, ActionCodebook
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_FORMAT, MANIFEST_NAME, sha256_of
from transdiffuser_planner.training.export.onnx_graphs import Tensors, graph_differences, write_graphs, write_scorer

MAX_DIFFERENCE = 1e-4


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
    vehicle: VehicleModel,
    codebook: ActionCodebook | None = None,
    scorer: PlanScorer | None = None,
    samples: list[Tensors] | None = None,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> ExportedModel:
    """Write a model folder.

    Args:
        network: Trained, in eval mode.
        normalizer, schedule, codebook: Saved beside the graphs; the codebook for a contract with action tokens.
        scorer: Ranks plans; a model does without one.
        out: Folder, replaced when it exists.
        vehicle: What drove in training; the scorer's features assume its footprint.
        samples: Real inputs (each a batch of one with all observation and agent tensors) on which parity is checked.
        training, metrics: Kept in the manifest.

    Raises:
        TrainingError: ONNX Runtime and PyTorch differ by more than 1e-4, or the codebook is missing.
        ContractError: The codebook has another size or interval than the contract.
    """
    network = network.eval()
    contract = network.contract
    assert scorer is None or scorer.vehicle == vehicle
    if codebook is not None:
        codebook.check(contract)
    elif contract.codebook_size:
        raise TrainingError(
            f"export: the contract has {contract.codebook_size} action tokens, but there is no codebook"
        )
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    inputs = samples or [random_observation(contract, seed) for seed in range(4)]
    graphs = write_graphs(network, partial, inputs[0])
    difference = graph_differences(network, partial, graphs, inputs)
    if scorer is not None:
        difference["scorer"] = write_scorer(network, scorer.eval(), partial, inputs)
        graphs["scorer"] = "scorer.onnx"
    worst = max(difference.values())
    if not worst <= MAX_DIFFERENCE:
        shutil.rmtree(partial)
        raise TrainingError(
            f"export refused: ONNX differs from PyTorch by {worst:.2e} (allowed {MAX_DIFFERENCE:.0e}): {difference}"
        )
    (partial / "normalizer.json").write_text(json.dumps(normalizer.to_json()) + "\n", encoding="utf-8")
    (partial / "noise_schedule.json").write_text(json.dumps(schedule.to_json()) + "\n", encoding="utf-8")
    if codebook is not None:
        (partial / CODEBOOK_NAME).write_text(json.dumps(codebook.to_json()) + "\n", encoding="utf-8")
    manifest = {
        "format": MANIFEST_FORMAT,
        "name": network.config.name,
        "contract_version": CONTRACT_VERSION,
        "contract": contract.to_dict(),
        "vehicle": vehicle.to_dict(),
        "files": {path.name: sha256_of(path) for path in sorted(partial.iterdir())},
        "graphs": graphs,
        "encoder_features": list(FEATURE_NAMES),
        "condition_outputs": step_names(network.decoder),
        "training": {"network": network.config.to_dict(), "parity": difference, **(training or {})},
        "metrics": metrics or {},
    }
    (partial / MANIFEST_NAME).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    replace_folder(out, partial)
    return ExportedModel(folder=out, difference=difference)


def replace_folder(out: Path, partial: Path) -> None:
    """Move the new files in; the model card and other hand-made files stay."""
    out.mkdir(parents=True, exist_ok=True)
    for path in partial.iterdir():
        path.replace(out / path.name)
    partial.rmdir()
