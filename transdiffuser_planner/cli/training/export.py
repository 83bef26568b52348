"""Export a trained run, or random weights, as a model folder: ONNX graphs, normalizer, schedule, manifest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFolder, check_output
from transdiffuser_planner.core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished training run")
    parser.add_argument("--samples", type=Path, help="samples on which ONNX must equal PyTorch")
    parser.add_argument("--trained-on", type=Path, help="training samples, whose counts the manifest states")
    parser.add_argument(
        "--weights",
        action="store_true",
        help="also write the weights that the graphs were made of into weights/, in half precision, so that others can "
        "fine-tune the model (train --init-from FOLDER)",
    )
    parser.add_argument("--note", help="remark on the training for readers of the model card")
    parser.add_argument(
        "--base-model",
        type=Path,
        metavar="FOLDER",
        help="model without action tokens or score condition that the run started from; both are compared, and the manifest "
        "keeps how it was trained",
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="export the run's trained baselines instead, for --model, without PyTorch",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="with --baselines: exported model whose encoder they read; with a run whose decoder was trained on an exported "
        "model's encoder (train --model): that model, whose training the manifest then states too",
    )
    parser.add_argument(
        "--out",
        type=OutputFolder,
        help="model folder (default: models/<network>); with --baselines their folder (default: the run's)",
    )
    parser.add_argument(
        "--random",
        choices=("tiny", "base", "base_half"),
        help="instead of a run: random weights of this size, to measure speed; base_half is base with inputs of half the "
        "resolution",
    )
    parser.add_argument(
        "--rewrite",
        type=Path,
        metavar="FOLDER",
        help="instead of a run: give the graphs of a model folder of an earlier version the form of this version; same "
        "weights, less time",
    )


def run(args: argparse.Namespace) -> int:
    """Export, rejected unless parity holds.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: Options that do not go together, or a missing one.
    """
    if args.rewrite is not None:
        return _rewrite(args)
    if args.random is None:
        if args.run is None or args.samples is None:
            raise ConfigError("give the folder of a run and --samples, or --random with --out, or --rewrite")
        return _export_baselines(args) if args.baselines else _export_run(args)
    if args.baselines:
        raise ConfigError("--baselines goes with a run, not with --random")
    if args.run is not None or args.samples is not None or args.trained_on is not None or args.out is None:
        raise ConfigError("--random goes with --out, without a run, --samples or --trained-on")
    from transdiffuser_planner.training.export.random_model import export_random
    from transdiffuser_planner.training.export.run_export import megabytes

    result = export_random(args.random, args.out)
    print(f"{args.out}: {megabytes(args.out):.1f} MB of random weights; largest difference: {result.difference}")
    return 0


def _rewrite(args: argparse.Namespace) -> int:
    from transdiffuser_planner.training.export.rewritten_folder import rewrite_folder

    if any(value is not None for value in (args.run, args.samples, args.random, args.out, args.trained_on)):
        raise ConfigError("--rewrite FOLDER changes the folder itself; it goes without a run and other options")
    check_output(args.rewrite, "--rewrite", is_folder=True)
    result = rewrite_folder(args.rewrite)
    before, after = result.num_nodes
    print(f"{args.rewrite}: encoder of {before} nodes, {after} now; largest difference: {result.difference:.1e}")
    return 0


def _export_baselines(args: argparse.Namespace) -> int:
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.training.export.baseline_folders import export_baselines, parity_inputs
    from transdiffuser_planner.training.export.run_export import NUM_PARITY_SAMPLES, current_commit
    from transdiffuser_planner.training.run import Run

    if args.model is None:
        raise ConfigError("--baselines: give --model, the exported model whose encoder they read")
    training, out = Run.open(args.run, args.model), args.out or args.run
    check_output(out, "--out", is_folder=True)
    assert training.model is not None
    inputs = parity_inputs(training.model, SampleSet.open(args.samples, training.contract), NUM_PARITY_SAMPLES)
    found = export_baselines(training, inputs, out, {"commit": current_commit()})
    for name, worst in found.items():
        print(f"{out / name}: largest difference from PyTorch on {len(inputs)} samples: {worst:.1e}")
    return 0


def _export_run(args: argparse.Namespace) -> int:
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.training.export.run_export import encoder_record, export_run
    from transdiffuser_planner.training.run import Run, describe_data

    training = Run.open(args.run)
    out = args.out or Path("models") / training.network.name
    check_output(out, "--out", is_folder=True)
    samples = SampleSet.open(args.samples, training.contract)
    info: dict[str, Any] = {}
    if args.note is not None:
        info["note"] = args.note
    if args.trained_on is not None:
        info["data"] = describe_data(SampleSet.open(args.trained_on, training.contract))
    if args.model is not None:
        info["encoder"] = encoder_record(load_manifest(args.model))
    for line in export_run(training, samples, out, info, args.base_model, with_weights=args.weights).lines():
        print(line)
    return 0
