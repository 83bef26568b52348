"""Train a model from samples: encoder, then decoder on frozen features, then the baselines. Interrupted runs continue."""

from __future__ import annotations

import argparse
from pathlib import Path

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.recording.topics import PARAMS

STAGES = ("encoder", "decoder", "baselines")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--samples", type=Path, required=True, help="training samples made by 'dataset'")
    parser.add_argument("--validation", type=Path, required=True, help="samples of other scenarios, for the log")
    parser.add_argument("--out", type=Path, default=Path("runs/tiny"), help="folder of the run (default: %(default)s)")
    parser.add_argument("--recipe", type=Path, default=PARAMS / "train_tiny.yaml", help="recipe YAML (default: tiny's)")
    parser.add_argument("--stage", choices=(*STAGES, "all"), default="all", help="which stage (default: all, in order)")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="exported model whose encoder and normaliser serve the stages decoder and baselines",
    )
    parser.add_argument(
        "--start-from", type=Path, metavar="RUN", help="run whose decoder to go on from; conditions it did not know are added"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Train the wanted stages."""
    from transdiffuser_planner.training.config import TrainingConfig
    from transdiffuser_planner.training.run import Run, describe_data, use_threads
    from transdiffuser_planner.training.samples import SampleSet

    use_threads(args.threads)
    if args.model is not None and args.stage not in ("decoder", "baselines"):
        raise ConfigError("--model goes with --stage decoder or --stage baselines; stage encoder trains an own encoder")
    training = Run.create(args.out, TrainingConfig.load(args.recipe), args.model)
    samples = SampleSet.open(args.samples, training.contract)
    validation = SampleSet.open(args.validation, training.contract)
    print(f"training on {describe_data(samples)}; validating on {describe_data(validation)}")
    print(f"curves: tensorboard --logdir {training.folder / 'log'}")
    wanted = STAGES if args.stage == "all" else (args.stage,)
    if "encoder" in wanted:
        training.train_encoder(samples, validation)
    if "decoder" in wanted:
        training.train_decoder(samples, validation, args.start_from)
    if "baselines" in wanted:
        training.train_baselines(samples)
    if args.model is None:
        print(f"done; next: transdiffuser export {training.folder} --samples {args.validation}")
    return 0
