"""Trained network -> model folder: ONNX graphs, normalizer, schedule, manifest. Rejected unless ONNX equals PyTorch."""

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
from transdiffuser_planner.networks.lamps.lamp_classifier import LampClassifier
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer
from transdiffuser_planner.planning.action_codebook import CODEBOOK_NAME, ActionCodebook
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_FORMAT, MANIFEST_NAME, sha256_of
from transdiffuser_planner.training.export.lamp_graph import LAMPS, write_lamps
from transdiffuser_planner.training.export.onnx_graphs import Tensors, graph_differences, write_graphs, write_scorer
from transdiffuser_planner.training.export.view_graph import VIEW, write_view

MAX_DIFFERENCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """Result of an export.

    Attributes:
        folder: The model folder.
        difference: Largest difference from PyTorch by graph.
    """

    folder: Path
    difference: dict[str, float]


def random_observation(contract: ModelContract, seed: int) -> Tensors:
    """Random inputs in a plausible range, a batch of one, for networks without samples (tests, untrained sizes)."""
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
    lamps: LampClassifier | None = None,
    samples: list[Tensors] | None = None,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> ExportedModel:
    """Write a model folder.

    Args:
        network: Trained, in eval mode.
        normalizer: Of the plans.
        schedule: Noise schedule of its training.
        out: Folder, replaced if it exists.
        vehicle: Vehicle of the training samples; the scorer's features assume its footprint.
        codebook: Of the action tokens, for a contract with action tokens.
        scorer: Optional plan scorer.
        lamps: Optional classifier of traffic lights' heads.
        samples: Real inputs (each a batch of one with all observation and agent tensors) for the parity check.
        training: Entries of the manifest about the training.
        metrics: Entries of the manifest about the quality.

    Raises:
        TrainingError: ONNX Runtime and PyTorch differ by more than 1e-4, or the codebook is missing.
        ContractError: The codebook has another size or interval than the contract.
    """
    network = network.eval()
    contract = network.contract
    assert scorer is None or scorer.vehicle == vehicle
    _check_codebook(codebook, contract)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    inputs = samples or [random_observation(contract, seed) for seed in range(4)]
    graphs, difference = _write_checked_graphs(network, scorer, partial, inputs, lamps)
    _write_tables(partial, normalizer, schedule, codebook)
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


def _write_tables(
    folder: Path, normalizer: PlanNormalizer, schedule: NoiseSchedule, codebook: ActionCodebook | None
) -> None:
    tables = {"normalizer.json": normalizer.to_json(), "noise_schedule.json": schedule.to_json()}
    if codebook is not None:
        tables[CODEBOOK_NAME] = codebook.to_json()
    for name, table in tables.items():
        (folder / name).write_text(json.dumps(table) + "\n", encoding="utf-8")


def _check_codebook(codebook: ActionCodebook | None, contract: ModelContract) -> None:
    if codebook is not None:
        codebook.check(contract)
    elif contract.codebook_size:
        raise TrainingError(
            f"export: the contract has {contract.codebook_size} action tokens, but there is no codebook"
        )


def _write_checked_graphs(
    network: PlannerNetwork,
    scorer: PlanScorer | None,
    folder: Path,
    inputs: list[Tensors],
    lamps: LampClassifier | None = None,
) -> tuple[dict[str, str], dict[str, float]]:
    """Write all graphs; return their file names and differences from PyTorch.

    Raises:
        TrainingError: A difference is too large; the folder is removed.
    """
    graphs = write_graphs(network, folder, inputs[0])
    difference = graph_differences(network, folder, graphs, inputs)
    if scorer is not None:
        difference["scorer"] = write_scorer(network, scorer.eval(), folder, inputs)
        graphs["scorer"] = "scorer.onnx"
    if lamps is not None:
        graphs[LAMPS], difference[LAMPS] = write_lamps(lamps, folder)
    if network.perception.view_head is not None:
        graphs[VIEW], difference[VIEW] = write_view(network.perception, folder, graphs["encoder"], inputs)
    worst = max(difference.values())
    if not worst <= MAX_DIFFERENCE:
        shutil.rmtree(folder)
        raise TrainingError(
            f"export refused: ONNX differs from PyTorch by {worst:.2e} (allowed {MAX_DIFFERENCE:.0e}): {difference}"
        )
    return graphs, difference


def replace_folder(out: Path, partial: Path) -> None:
    """Move the files of partial into out; the model card and other hand-written files stay."""
    out.mkdir(parents=True, exist_ok=True)
    for path in partial.iterdir():
        path.replace(out / path.name)
    partial.rmdir()
