"""Train and export one model per ablation: the same recipe with one change each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.params import RECIPES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--encoder", type=Path, required=True, metavar="RUN", help="run whose trained encoder all ablations share"
    )
    parser.add_argument("--samples", type=Path, required=True, help="training samples made by 'dataset'")
    parser.add_argument("--validation", type=Path, required=True, help="samples of other scenarios")
    parser.add_argument(
        "--rows",
        type=Path,
        default=RECIPES / "ablations_tiny.yaml",
        help="YAML of the ablations and their changes (default: tiny's)",
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        default=RECIPES / "tiny_tokens.yaml",
        help="recipe that the changes apply to (default: tiny's)",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these ablations")
    parser.add_argument(
        "--out", type=OutputFolder, required=True, help="folder of the runs; each gets a folder 'model' in it"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Train and export the ablations that are not finished yet.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: '--only' names an unknown ablation.
    """
    from transdiffuser_planner.core.errors import ConfigError
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.training.ablations import prepare_run, read_ablations
    from transdiffuser_planner.training.engine.devices import Devices
    from transdiffuser_planner.training.export.run_export import export_run
    from transdiffuser_planner.training.recipe import TrainingConfig
    from transdiffuser_planner.training.run import describe_data, use_threads

    use_threads(args.threads)
    ablations = read_ablations(args.rows, TrainingConfig.load(args.recipe))
    unknown = set(args.only or ()) - {item.name for item in ablations}
    if unknown:
        raise ConfigError(
            f"--only: {', '.join(sorted(unknown))} unknown; {args.rows} has {[a.name for a in ablations]}"
        )
    chosen = [item for item in ablations if args.only is None or item.name in args.only]
    devices = Devices.choose()
    for number, ablation in enumerate(chosen, 1):
        print(f"{number} of {len(chosen)}: {ablation.title}", file=sys.stderr)
        training = prepare_run(ablation, args.encoder, args.out, devices)
        samples = SampleSet.open(args.samples, training.contract)
        validation = SampleSet.open(args.validation, training.contract)
        if ablation.joint_from is None:
            training.train_decoder(samples, validation)
        else:
            training.train_joint(samples, validation)
        info = {"title": ablation.title, "data": describe_data(samples)}
        for line in export_run(training, validation, training.folder / "model", info).lines():
            print(line)
    print(f"next: transdiffuser evaluate comparison --ablations {args.out}")
    return 0
