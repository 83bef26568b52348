"""Export of a finished training run as a model folder, checked against PyTorch on stored samples."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.data.samples.sample_set import SampleSet, observation_of, stored_observation
from transdiffuser_planner.data.samples.targets import visible_agents
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.training.engine.stage_weights import (
    WEIGHTS_FOLDER,
    StageWeights,
    load_weights,
    save_weights,
)
from transdiffuser_planner.training.export.base_model_parity import compare_with_base
from transdiffuser_planner.training.export.model_folder import ExportedModel, export_model
from transdiffuser_planner.training.export.onnx_graphs import Tensors
from transdiffuser_planner.training.run import Run
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage
from transdiffuser_planner.training.stages import lamps as lamps_stage
from transdiffuser_planner.training.stages import scorer as scorer_stage

NUM_PARITY_SAMPLES = 16
_LABELS = (
    "gt_agents",
    "gt_agents_valid",
    "gt_agents_points",
    "gt_agents_future",
    "gt_agents_future_valid",
    "plan",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedRun:
    """Result of an export.

    Attributes:
        folder: Model folder.
        model: Differences between the graphs and PyTorch.
        num_samples: Number of samples that they were compared on.
        base_difference: Largest difference from the base model without action tokens; None without a base model.
    """

    folder: Path
    model: ExportedModel
    num_samples: int
    base_difference: float | None

    def lines(self) -> list[str]:
        """Human-readable summary, one line per fact."""
        difference = f"largest difference from PyTorch on {self.num_samples} samples: {self.model.difference}"
        lines = [f"{self.folder}: {megabytes(self.folder):.1f} MB; {difference}"]
        if self.base_difference is not None:
            lines.insert(0, f"without the new conditions the base model differs by {self.base_difference:.1e} at most")
        return lines


def export_run(
    training: Run,
    samples: SampleSet,
    out: Path,
    info: dict[str, Any],
    base_model: Path | None = None,
    *,
    with_weights: bool = False,
) -> ExportedRun:
    """Export a finished run.

    Args:
        training: The run.
        samples: Samples on which ONNX must equal PyTorch.
        out: Model folder.
        info: Entries for the manifest, in addition to recipe and commit.
        base_model: Model folder without action tokens that the run started from; how it was trained is kept in the manifest.
        with_weights: Write the weights, too, to fine-tune from; without, those of an earlier export are removed.

    Returns:
        Folder and differences.

    Raises:
        TrainingError: Parity does not hold, or a stage was not finished.
    """
    codebook, network = training.codebook(), training.planner_network()
    inputs = _parity_inputs(training, samples)
    kept = {} if base_model is None else {"before": compare_with_base(base_model, network, inputs)}
    result = export_model(
        network,
        training.normalizer(),
        training.schedule,
        out,
        vehicle=training.vehicle,
        codebook=codebook,
        scorer=training.scorer(),
        lamps=training.lamps(),
        samples=inputs,
        training={"recipe": training.config.to_dict(), "commit": current_commit(), **info, **kept},
    )
    shutil.rmtree(out / WEIGHTS_FOLDER, ignore_errors=True)  # of an earlier export: no longer those of the graphs
    if with_weights:
        write_weights(training, network, out / WEIGHTS_FOLDER)
    difference = float(kept["before"]["difference"]) if kept else None
    return ExportedRun(folder=out, model=result, num_samples=len(inputs), base_difference=difference)


def write_weights(training: Run, network: PlannerNetwork, folder: Path) -> None:
    """Write one file per stage as the stages of a run do, in half precision; without the regression head, which is in no graph.

    Args:
        training: The run.
        network: Its trained network, after stage joint that one.
        folder: New folder of the files.
    """
    encoder, decoder = load_weights(training.folder, encoder_stage.STAGE), network.decoder.state_dict()
    perception = {f"perception.{name}": value for name, value in network.perception.state_dict().items()}
    folder.mkdir(parents=True)
    steps = load_weights(training.folder, decoder_stage.STAGE).num_steps
    save_weights(folder, replace(encoder, tensors=perception), half=True)
    save_weights(folder, StageWeights(tensors=decoder, stage=decoder_stage.STAGE, num_steps=steps), half=True)
    for stage, network in ((scorer_stage.STAGE, training.scorer()), (lamps_stage.STAGE, training.lamps())):
        if network is not None:
            save_weights(folder, load_weights(training.folder, stage), half=True)


def _parity_inputs(training: Run, samples: SampleSet) -> list[Tensors]:
    """Evenly spread samples with labeled agents, every second one with the tokens of its logged trajectory."""
    codebook, inputs = training.codebook(), []
    for index in np.linspace(0, len(samples) - 1, NUM_PARITY_SAMPLES).astype(np.int64):
        raw = samples.gather(np.asarray([index]), (*stored_observation(training.contract), *_LABELS))
        agents = visible_agents(raw, training.contract)
        values = observation_of(raw, training.contract)
        if codebook is not None and len(inputs) % 2:
            values["action_tokens"] = codebook.segment_C3[codebook.encode(raw["plan"])].astype(np.float32)
            values["action_tokens_valid"] = np.ones_like(values["action_tokens_valid"])
        inputs.append({**values, "agents": agents["agents"], "agents_valid": agents["agents_valid"]})
    return inputs


def encoder_record(manifest: ModelManifest) -> dict[str, Any]:
    """Return how the encoder of a model was trained, for the manifest of another one that has the same encoder."""
    training = manifest.training
    own = {name: training[name] for name in ("data", "recipe", "note", "commit") if name in training}
    return dict(training.get("encoder", own | {"model_hash": manifest.model_hash}))


def megabytes(folder: Path) -> float:
    """Size of the files in a folder.

    Args:
        folder: A model folder.

    Returns:
        Size [MB], without folders in it.
    """
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6


def current_commit() -> str:
    """The commit of the working directory's checkout, or "unknown" outside one."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
