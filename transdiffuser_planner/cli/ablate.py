"""Train and export one model per ablation: the same recipe with one thing changed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transdiffuser_planner.params import RECIPES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--encoder", type=Path, required=True, metavar="RUN", help="run whose trained encoder all share"
    )
    parser.add_argument("--samples", type=Path, required=True, help="training samples made by 'dataset'")
    parser.add_argument("--validation", type=Path, required=True, help="samples of other scenarios")
    parser.add_argument(
        "--rows",
        type=Path,
        default=RECIPES / "ablations_tiny.yaml",
        help="what is changed, YAML (default: tiny's)",
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        default=RECIPES / "tiny_tokens.yaml",
        help="what it is changed in (default: tiny's)",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these rows")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; each gets a folder 'model' in it")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Train what is not trained yet."""
    from transdiffuser_planner.cli.export import export_run
    from transdiffuser_planner.core.errors import ConfigError
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.training.ablations import prepare_run, read_ablations
    from transdiffuser_planner.training.engine.devices import Devices
    from transdiffuser_planner.training.recipe import TrainingConfig
    from transdiffuser_planner.training.run import describe_data, use_threads

    use_threads(args.threads)
    ablations = read_ablations(args.rows, TrainingConfig.load(args.recipe))
    unknown = set(args.only or ()) - {item.name for item in ablations}
    if unknown:
        raise ConfigError(
            f"--only: {', '.join(sorted(unknown))} unknown; {args.rows} has {[a.name for a in ablations]}"
        )
    wanted = [item for item in ablations if args.only is None or item.name in args.only]
    machine = Devices.choose()
    for number, ablation in enumerate(wanted, 1):
        print(f"{number} of {len(wanted)}: {ablation.title}", file=sys.stderr)
        training = prepare_run(ablation, args.encoder, args.out, machine)
        samples = SampleSet.open(args.samples, training.contract)
        validation = SampleSet.open(args.validation, training.contract)
        if ablation.joint_from is None:
            training.train_decoder(samples, validation)
        else:
            training.train_joint(samples, validation)
        info = {"title": ablation.title, "data": describe_data(samples)}
        export_run(training, samples=validation, out=training.folder / "model", info=info)
    print(f"next: transdiffuser evaluate table --ablations {args.out}")
    return 0
