"""Fine-tune a model on its own failures in closed loop, in rounds that are kept only where they drive better."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.evaluation.suite import OWN_OPTIONS, SUITES
from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.cli.planner_settings import parameters
from transdiffuser_planner.cli.simulate import seed_range
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.params import RECIPES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--model", required=True, metavar="FOLDER", help="model to start from, with its weights/ (export --weights)"
    )
    parser.add_argument(
        "--samples", type=Path, required=True, help="samples that it was trained on, half of every batch: not forgotten"
    )
    parser.add_argument("--validation", type=Path, required=True, help="samples of other scenarios, for the log")
    parser.add_argument(
        "--seeds",
        default="0:1000",
        metavar="A:B",
        help="training seeds to fail in, in this order (default: %(default)s)",
    )
    parser.add_argument(
        "--per-round", type=int, default=200, metavar="N", help="seeds driven per round (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="at most so many (default: %(default)s)")
    parser.add_argument(
        "--check",
        default="val",
        metavar="SUITE|A:B",
        help="validation scenarios that decide whether a round is kept (default: %(default)s)",
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        default=RECIPES / "rounds.yaml",
        help="changes of the model's recipe for the rounds (default: params/recipes/rounds.yaml)",
    )
    parser.add_argument("--steps", type=int, default=600, help="optimizer steps per round (default: %(default)s)")
    parser.add_argument(
        "--trust-region",
        type=float,
        default=4.0,
        metavar="M",
        help="farthest a target may be from the model's own candidates, mean over 4 s (default: %(default)s m)",
    )
    parser.add_argument(
        "--selection", choices=("rules", "scorer", "gated"), default="rules", help="as in 'evaluate suite'"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="as in 'evaluate suite'")
    parser.add_argument(
        "--plan-every", type=int, default=2, metavar="N", help="plan every N-th step of 0.1 s (default: %(default)s)"
    )
    parser.add_argument("--duration", type=float, default=60.0, help="seconds per scenario (default: %(default)s)")
    parser.add_argument(
        "--out", type=OutputFolder, required=True, help="folder of the rounds; an interrupted run resumes"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that drive (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Run the rounds, print and write what each fixed and broke.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0, 1 when no round was kept.

    Raises:
        PlannerError: Options that do not go together, or a round that cannot be run.
    """
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.rounds.report import rounds_markdown
    from transdiffuser_planner.evaluation.rounds.rounds import kept_model, run_rounds
    from transdiffuser_planner.training.engine.devices import Devices
    from transdiffuser_planner.training.fine_tune import FineTuning, check_trainable, fine_tune, read_changes
    from transdiffuser_planner.training.run import use_threads

    setting = _setting(args)
    assert setting.planner.model is not None
    check_trainable(setting.planner.model)
    use_threads(args.threads)
    tuning = FineTuning(
        changes=read_changes(args.recipe),
        num_steps=args.steps,
        rehearsed=args.samples,
        validation=args.validation,
        features=args.out / "features",
        machine=Devices.choose(),
    )

    def train(model: Path, samples: Any, folder: Path, out: Path, note: str) -> None:
        fine_tune(model, samples, folder, out, tuning, note)

    def bar(description: str, total: int) -> Any:
        return tqdm(total=total, desc=description, unit="drive", file=sys.stderr, mininterval=1.0, smoothing=0.1)

    try:
        rounds = run_rounds(setting, train, bar)
    except KeyboardInterrupt:
        print(f"\ninterrupted; the same command resumes from {args.out}", file=sys.stderr)
        return 130
    text = rounds_markdown(rounds)
    write_text(args.out / "report.md", text)
    print(text)
    if not any(item["kept"] for item in rounds):
        print(f"no round drives better than {setting.planner.model}; it stays the best model")
        return 1
    print(f"best model: {kept_model(setting, rounds)}")
    return 0


def _setting(args: argparse.Namespace) -> Any:
    """Scenarios and planner of the rounds.

    Raises:
        ConfigError: Seeds of the wrong split, or numbers out of bounds.
    """
    from transdiffuser_planner.evaluation.rounds.corrections import CorrectionRule
    from transdiffuser_planner.evaluation.rounds.rounds import RoundsSetting
    from transdiffuser_planner.planners.registry import make_specs
    from transdiffuser_planner.simulation.scenario import Split, draw_scenario

    if args.rounds < 1 or args.per_round < 1 or args.workers < 1 or args.steps < 1:
        raise ConfigError("--rounds, --per-round, --workers and --steps: expected 1 or more")
    if not 1 <= args.plan_every <= 10:
        raise ConfigError(f"--plan-every {args.plan_every}: expected 1 .. 10")
    if not args.trust_region > 0.0:
        raise ConfigError(f"--trust-region {args.trust_region:g}: expected meters above 0")
    check = SUITES[args.check] if args.check in SUITES else seed_range(args.check)
    specs, skipped = make_specs(
        [args.model],
        plan_every=args.plan_every,
        selection=args.selection,
        parameters=parameters(args.set, OWN_OPTIONS),
    )
    if not specs or not specs[0].is_model:
        raise ConfigError(f"--model {args.model}: expected a model's folder or name {'; '.join(skipped)}".rstrip())
    return RoundsSetting(
        out=args.out,
        planner=specs[0],
        drawn=tuple(draw_scenario(seed, Split.TRAIN, duration_s=args.duration) for seed in seed_range(args.seeds)),
        per_round=args.per_round,
        check=tuple(draw_scenario(seed, Split.VALIDATION, duration_s=args.duration) for seed in check),
        num_rounds=args.rounds,
        rule=CorrectionRule(trust_region_m=args.trust_region),
        workers=args.workers,
    )
