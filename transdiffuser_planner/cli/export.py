"""Export a trained run, or random weights, as a model folder: ONNX graphs, normalizer, schedule, manifest."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transdiffuser_planner.core.errors import ConfigError

if TYPE_CHECKING:  # torch is imported by those who need it
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.training.run import Run

NUM_PARITY_SAMPLES = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished training run")
    parser.add_argument("--samples", type=Path, help="samples on which ONNX must equal PyTorch")
    parser.add_argument("--trained-on", type=Path, help="training samples, to note their counts in the manifest")
    parser.add_argument("--note", help="what readers of the model card must know about the training")
    parser.add_argument(
        "--grown-from",
        type=Path,
        metavar="FOLDER",
        help="model whose decoder the run went on from; both are compared, and how it was trained is kept in the manifest",
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="export the run's trained baselines instead, for --model, without PyTorch",
    )
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="with --baselines: exported model whose encoder they read"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="model folder (default: models/<network>); with --baselines their folder (default: the run's)",
    )
    parser.add_argument(
        "--random", choices=("tiny", "base"), help="instead of a run: random weights of this size, to measure speed"
    )


def run(args: argparse.Namespace) -> int:
    """Export, refused unless parity holds."""
    if args.random is None:
        if args.run is None or args.samples is None:
            raise ConfigError("give the folder of a run and --samples, or --random tiny|base with --out")
        return _export_baselines(args) if args.baselines else _export_run(args)
    if args.baselines:
        raise ConfigError("--baselines goes with a run, not with --random")
    if args.run is not None or args.samples is not None or args.trained_on is not None or args.out is None:
        raise ConfigError("--random goes with --out, without a run, --samples or --trained-on")
    from transdiffuser_planner.training.export.random_model import export_random

    result = export_random(args.random, args.out)
    print(f"{args.out}: {_megabytes(args.out):.1f} MB of random weights; largest difference: {result.difference}")
    return 0


def _export_baselines(args: argparse.Namespace) -> int:
    """Trained baselines of a run."""
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.training.export.baseline_folders import export_baselines, parity_inputs
    from transdiffuser_planner.training.run import Run

    if args.model is None:
        raise ConfigError("--baselines: give --model, the exported model whose encoder they read")
    training, out = Run.open(args.run, args.model), args.out or args.run
    assert training.model is not None
    inputs = parity_inputs(training.model, SampleSet.open(args.samples, training.contract), NUM_PARITY_SAMPLES)
    found = export_baselines(training, inputs, out, {"commit": _commit()})
    for name, worst in found.items():
        print(f"{out / name}: largest difference from PyTorch on {len(inputs)} samples: {worst:.1e}")
    return 0


def _export_run(args: argparse.Namespace) -> int:
    """A trained run."""
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.training.run import Run, describe_data

    training = Run.open(args.run)
    samples = SampleSet.open(args.samples, training.contract)
    info: dict[str, Any] = {}
    if args.note is not None:
        info["note"] = args.note
    if args.trained_on is not None:
        info["data"] = describe_data(SampleSet.open(args.trained_on, training.contract))
    export_run(training, samples, args.out or Path("models") / training.network.name, info, args.grown_from)
    return 0


def export_run(
    training: Run, samples: SampleSet, out: Path, info: dict[str, Any], grown_from: Path | None = None
) -> None:
    """Export a finished run and say how large it became and how exact it is.

    Args:
        training: The run.
        samples: On which ONNX must equal PyTorch.
        out: Model folder.
        info: Kept in the manifest, beside recipe and commit.
        grown_from: The model before it was given action tokens; how it was trained is kept too.

    Raises:
        TrainingError: Parity does not hold, or a stage was not finished.
    """
    import numpy as np

    from transdiffuser_planner.data.samples.sample_set import observation_of, stored_observation
    from transdiffuser_planner.data.samples.targets import visible_agents
    from transdiffuser_planner.training.export.base_model_parity import compare_with_base
    from transdiffuser_planner.training.export.model_folder import export_model
    from transdiffuser_planner.training.export.onnx_graphs import Tensors

    inputs: list[Tensors] = []
    codebook = training.codebook()
    for index in np.linspace(0, len(samples) - 1, NUM_PARITY_SAMPLES).astype(np.int64):
        labels = (
            "gt_agents",
            "gt_agents_valid",
            "gt_agents_points",
            "gt_agents_future",
            "gt_agents_future_valid",
            "plan",
        )
        raw = samples.gather(np.asarray([index]), (*stored_observation(training.contract), *labels))
        agents = visible_agents(raw, training.contract)
        values = observation_of(raw, training.contract)
        if codebook is not None and len(inputs) % 2:
            values["action_tokens"] = codebook.segment_C3[codebook.encode(raw["plan"])].astype(np.float32)
            values["action_tokens_valid"] = np.ones_like(values["action_tokens_valid"])
        inputs.append({**values, "agents": agents["agents"], "agents_valid": agents["agents_valid"]})
    network = training.planner_network()
    if grown_from is not None:
        info["before"] = compare_with_base(grown_from, network, inputs)
        print(f"without action tokens {grown_from} differs by {info['before']['difference']:.1e} at most")
    result = export_model(
        network,
        training.normalizer(),
        training.schedule,
        out,
        vehicle=training.vehicle,
        codebook=codebook,
        scorer=training.scorer(),
        samples=inputs,
        training={"recipe": training.config.to_dict(), "commit": _commit(), **info},
    )
    print(
        f"{out}: {_megabytes(out):.1f} MB; largest difference from PyTorch on {len(inputs)} samples: {result.difference}"
    )


def _megabytes(folder: Path) -> float:
    """Size of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6


def _commit() -> str:
    """The checkout's commit, or "unknown" outside one."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
