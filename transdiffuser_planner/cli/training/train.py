"""Train a model from samples: encoder, then decoder on frozen features, then the baselines. Interrupted runs resume.

The command is the same on several GPUs, one, or the CPU.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.params import RECIPES

if TYPE_CHECKING:
    from transdiffuser_planner.training.engine.pretrained import Pretrained
    from transdiffuser_planner.training.run import Run

STAGES = ("encoder", "decoder", "baselines")
JOINT, SCORER, LAMPS = "joint", "scorer", "lamps"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--samples", type=Path, required=True, help="training samples made by 'dataset'")
    parser.add_argument("--validation", type=Path, required=True, help="samples of other scenarios, for the log")
    parser.add_argument(
        "--out", type=OutputFolder, default=OutputFolder("runs/tiny"), help="folder of the run (default: %(default)s)"
    )
    parser.add_argument("--recipe", type=Path, default=RECIPES / "tiny.yaml", help="recipe YAML (default: tiny's)")
    parser.add_argument(
        "--stage",
        choices=(*STAGES, JOINT, SCORER, LAMPS, "all"),
        default="all",
        help="stage to train (default: encoder, decoder, baselines); joint trains encoder and decoder together from a "
        "finished run; scorer learns from the folders of 'score-candidates', given as --samples and --validation; "
        "lamps learns the state of traffic lights from folders of crops (red, amber, green, off), of the same folder from "
        "one half",
    )
    _add_starts(parser.add_argument_group("what the training starts from and keeps"))
    parser.add_argument(
        "--devices",
        default="auto",
        metavar="N",
        help="number of GPUs, or without GPUs of processes, per batch (default: all GPUs, or else one process)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="precision of matrix products (default: bf16 where it is fast)",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")


def _add_starts(group: argparse._ArgumentGroup) -> None:
    """Add the options that name earlier weights and samples."""
    group.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER",
        help="exported model whose encoder and normalizer the stages decoder and baselines use",
    )
    group.add_argument(
        "--init-from",
        type=Path,
        metavar="RUN",
        help="run, folder of its .safetensors files, or model folder with weights/, whose encoder and decoder initialize this "
        "one's stages; if its decoder has no action tokens, only their weights are trained",
    )
    group.add_argument(
        "--rehearse",
        type=Path,
        metavar="SAMPLES",
        help="samples of what the model learned before, such as simulated ones: a share of every batch is drawn from them, so "
        "that it is not forgotten (stages encoder and decoder)",
    )
    group.add_argument(
        "--rehearsal-share",
        type=float,
        metavar="SHARE",
        help="that share instead of the recipe's (rehearsal_share: 0.5 by default)",
    )
    group.add_argument(
        "--table",
        type=Path,
        metavar="DIR",
        help="plans of the training samples, scored by 'score-candidates' with the model that this starts from: stage decoder "
        "learns preferences by the recipe's part 'preference'",
    )
    group.add_argument(
        "--features",
        type=OutputFolder,
        metavar="DIR",
        help="folder of the cached scene features, to share it among runs with the same encoder and samples (default: the run's)",
    )
    group.add_argument(
        "--pretrained",
        type=Path,
        metavar="FILE",
        help="weights of published ResNets or of TransFuser, for stage encoder; efficientnet_lite0 for those of that "
        "backbone from its Python package",
    )
    group.add_argument(
        "--pretrained-branches",
        choices=("image", "lidar", "both"),
        default="both",
        help="branches whose weights are read from that file (default: those in it)",
    )


def run(args: argparse.Namespace) -> int:
    """Train the chosen stages.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: Options that do not go together.
    """
    from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.runtime.inference.manifest import MANIFEST_NAME
    from transdiffuser_planner.training.engine.devices import Devices, is_first_process
    from transdiffuser_planner.training.recipe import TrainingConfig
    from transdiffuser_planner.training.run import Run, describe_data, use_threads

    use_threads(args.threads)
    _check(args)
    devices = Devices.choose(args.devices, args.precision)
    recipe = TrainingConfig.load(args.recipe)
    if args.rehearsal_share is not None:
        recipe = recipe.changed({"rehearsal_share": args.rehearsal_share}, "--rehearsal-share")
    if args.table is not None and args.model is None and (args.init_from / MANIFEST_NAME).is_file():
        args.model = args.init_from
    training = Run.create(args.out, recipe, args.model, devices, args.features)
    if args.stage == SCORER:
        return _train_scorer(args, training)
    if args.stage == LAMPS:
        return _train_lamps(args, training)
    samples = SampleSet.open(args.samples, training.contract)
    validation = SampleSet.open(args.validation, training.contract)
    rehearsed = None if args.rehearse is None else SampleSet.open(args.rehearse, training.contract)
    table = None if args.table is None else ScoredPlans.open(args.table)
    report = print if is_first_process() else _nothing
    report(f"training on {describe_data(samples)}; validating on {describe_data(validation)}")
    if rehearsed is not None:
        report(f"{recipe.rehearsal_share:.0%} of every batch drawn from {describe_data(rehearsed)}")
    report(f"{devices.num_devices} x {devices.accelerator}, {devices.precision}")
    report(f"curves: tensorboard --logdir {training.folder / 'log'}")
    stages = STAGES if args.stage == "all" else (args.stage,)
    if "encoder" in stages:
        training.train_encoder(samples, validation, _pretrained(args), args.init_from, rehearsed)
    if "decoder" in stages:
        training.train_decoder(samples, validation, args.init_from, rehearsed, table)
    if "baselines" in stages:
        training.train_baselines(samples)
    if JOINT in stages:
        training.train_joint(samples, validation)
    if "baselines" in stages:
        model = args.model or "MODEL"
        report(
            f"baselines: transdiffuser export {training.folder} --baselines --model {model} --samples {args.validation}"
        )
    if args.model is None or args.table is not None:
        report(f"done; next: transdiffuser export {training.folder} --samples {args.validation}")
    return 0


def _pretrained(args: argparse.Namespace) -> Pretrained | None:
    """Published weights that the options name."""
    from transdiffuser_planner.networks.network_config import BACKBONES
    from transdiffuser_planner.training.engine.pretrained import BRANCHES, Pretrained, packaged_weights

    if args.pretrained is None:
        return None
    is_name = not args.pretrained.exists() and args.pretrained.name in BACKBONES
    return Pretrained(
        path=packaged_weights(args.pretrained.name) if is_name else args.pretrained,
        branches=BRANCHES if args.pretrained_branches == "both" else (args.pretrained_branches,),
    )


def _check(args: argparse.Namespace) -> None:
    """Check that options go together.

    Raises:
        ConfigError: They do not.
    """
    if args.model is not None and args.stage not in ("decoder", "baselines"):
        raise ConfigError(
            "--model goes with --stage decoder or --stage baselines; stage encoder trains its own encoder"
        )
    if args.pretrained is not None and args.stage not in ("encoder", "all"):
        raise ConfigError("--pretrained goes with stage encoder")
    if args.table is not None and (args.stage != "decoder" or args.init_from is None):
        raise ConfigError("--table goes with --stage decoder and --init-from, the weights of the model that made it")
    if args.rehearse is not None and args.stage not in ("encoder", "decoder"):
        raise ConfigError("--rehearse goes with --stage encoder or --stage decoder")
    if args.rehearsal_share is not None and args.rehearse is None:
        raise ConfigError("--rehearsal-share goes with --rehearse SAMPLES, which the share is drawn from")


def _train_scorer(args: argparse.Namespace, training: Run) -> int:
    """Train the scorer, on scored plans instead of samples."""
    from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans

    plans, unseen = ScoredPlans.open(args.samples), ScoredPlans.open(args.validation)
    print(f"training on {len(plans)} frames, validating on {len(unseen)}; {plans.num_candidates} candidates each")
    training.train_scorer(plans, unseen)
    return 0


def _train_lamps(args: argparse.Namespace, training: Run) -> int:
    """Train the classifier of traffic lights' heads, on crops instead of samples."""
    from transdiffuser_planner.data.lamps.lamp_crops import read_crops

    is_same = args.samples.resolve() == args.validation.resolve()
    crops = read_crops(args.samples, "first" if is_same else "all")
    unseen = read_crops(args.validation, "second" if is_same else "all")
    print(f"training on {len(crops)} crops, validating on {len(unseen)}")
    training.train_lamps(crops, unseen)
    return 0


def _nothing(_: str) -> None:
    """Print nothing: only the first of several processes prints."""
