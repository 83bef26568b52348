"""Benchmarks of planning: latency and its limits, the deadline, quality against the time budget."""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transdiffuser_planner.cli.benchmarks.options import (
    PRECISIONS,
    add_model,
    add_provider,
    add_scenario,
    default_rig,
    drawn_scenario,
    planner_config,
)
from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.evaluation.benchmarks.placed_agents import MOST

if TYPE_CHECKING:
    from transdiffuser_planner.evaluation.benchmarks.planner_latency import EagerNetwork


def add_parts(parts: Any) -> None:
    """Add these benchmarks with their options.

    Args:
        parts: The subparsers of the command.
    """
    planner = parts.add_parser(
        "planner", help="latency per stage, of the graphs alone and of a reference, idle or under load"
    )
    add_model(planner)
    add_provider(planner)
    planner.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["fp32"], help="(default: fp32)")
    planner.add_argument("--load", nargs="+", type=int, default=[0], help="busy processes in parallel (default: 0)")
    planner.add_argument(
        "--reference",
        choices=("torch",),
        help="also run the same network in PyTorch eager mode, fp32, as papers publish it, and state the speed-up over it",
    )
    planner.add_argument("--cycles", type=int, default=300, help="planning cycles (default: %(default)s)")
    planner.add_argument(
        "--place-agents",
        type=int,
        choices=range(MOST + 1),
        metavar="N",
        help="cars around the vehicle instead of those that the model detects; for random weights, which detect anything",
    )
    planner.add_argument("--quick", action="store_true", help="two cycles, to see that it runs")
    add_scenario(planner)
    deadline = parts.add_parser("deadline", help="closed-loop cycles with watchdog and budget: is a plan ever late?")
    add_model(deadline)
    deadline.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="(default: %(default)s)")
    deadline.add_argument("--load", type=int, default=0, help="busy processes in parallel (default: %(default)s)")
    deadline.add_argument(
        "--priority",
        choices=("normal", "high", "realtime"),
        default="high",
        help="priority of the process (default: %(default)s)",
    )
    deadline.add_argument("--cycles", type=int, default=10_000, help="cycles (default: %(default)s)")
    deadline.add_argument("--seed", type=int, default=8000, help="first scenario seed (default: %(default)s)")
    budget = parts.add_parser("budget", help="quality of plans as a function of the time budget, from recorded drives")
    add_model(budget)
    budget.add_argument("bags", type=Path, nargs="+", metavar="BAG", help="drives with ground truth")
    budget.add_argument("--preset", help="topics and rig of a known source (default: the one that fits)")
    budget.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="(default: %(default)s)")
    budget.add_argument(
        "--no-clock", action="store_true", help="only by candidates and steps, which is the same on every machine"
    )
    budget.add_argument(
        "--work",
        type=_work,
        nargs="+",
        metavar="CxS",
        help="candidates x denoise steps to measure without a clock, as 30x10 (default: ten pairs)",
    )
    budget.add_argument("--plot", type=OutputFile, metavar="PNG", help="draw the results")


def _work(text: str) -> tuple[int, int]:
    try:
        candidates, steps = (int(part) for part in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected candidates x steps, as 30x10, got '{text}'") from None
    return candidates, steps


def _planner(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.benchmarks.planner_latency import (
        WARM_UP_CYCLES,
        BenchmarkSetting,
        planner_speed,
        start_up,
    )
    from transdiffuser_planner.evaluation.benchmarks.planner_tables import tables
    from transdiffuser_planner.evaluation.benchmarks.simulated_snapshots import snapshots

    cycles, warm_up = (2, 1) if args.quick else (args.cycles, WARM_UP_CYCLES)
    rig, eager = default_rig(), _eager_network(args)
    inputs = snapshots(drawn_scenario(args), rig, min(cycles, 100))
    settings = list(itertools.product(args.load, args.precision))
    runs = []
    with tqdm(total=len(settings) * (cycles + warm_up), unit="cycle", file=sys.stderr, mininterval=1.0) as bar:
        for load, precision in settings:
            setting = BenchmarkSetting(cycles=cycles, warm_up=warm_up, load=load, placed_agents=args.place_agents)
            config = planner_config(args, precision)
            runs.append(planner_speed(args.model, rig, config, inputs, setting, eager, bar.update))
    print(tables(runs) + "\n")
    return {"runs": runs, "start_up": start_up(args.model)}


def _eager_network(args: argparse.Namespace) -> EagerNetwork | None:
    """Return the same network in PyTorch; None unless requested.

    Raises:
        ConfigError: PyTorch is not installed.
    """
    if args.reference is None:
        return None
    try:
        from transdiffuser_planner.training.eager_reference import EagerReference
    except ImportError:
        raise ConfigError(
            "--reference torch needs PyTorch; install it with: pip install 'transdiffuser_planner[training]'"
        ) from None
    from transdiffuser_planner.runtime.inference.manifest import load_manifest

    config = planner_config(args)
    return EagerReference(load_manifest(args.model), config.num_candidates, config.num_threads)


def _deadline(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.benchmarks.deadline_soak import deadline_run
    from transdiffuser_planner.simulation.scenario import draw_scenario

    scenarios = (draw_scenario(seed) for seed in itertools.count(args.seed))
    with tqdm(total=args.cycles, unit="cycle", file=sys.stderr, mininterval=1.0) as bar:
        config = replace(planner_config(args, args.precision), priority=args.priority)
        return deadline_run(args.model, default_rig(), config, scenarios, args.cycles, args.load, bar.update)


def _budget(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from transdiffuser_planner.data.bags.bag_reader import BagReader
    from transdiffuser_planner.evaluation.benchmarks.quality_vs_budget import BUDGETS_MS, WORK, by_budget, by_work, plot
    from transdiffuser_planner.messages.topic_map import own_files
    from transdiffuser_planner.messages.topic_matching import choose
    from transdiffuser_planner.reports.markdown_tables import machine
    from transdiffuser_planner.runtime.planner import Planner
    from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings

    drives = []
    for bag in args.bags:
        with BagReader(bag) as reader:
            drives.append((bag, choose(reader.topics(), f"bag {bag}", preset=args.preset, own=own_files(bag))))
    planner = Planner.load(args.model, drives[0][1].rig, planner_config(args, args.precision))
    apply_realtime_settings()
    times_ms, works = () if args.no_clock else BUDGETS_MS, args.work or WORK
    with tqdm(total=len(times_ms) + len(works), unit="row", file=sys.stderr) as bar:
        work: list[dict[str, Any]] = []
        budgets: list[dict[str, Any]] = []
        for rows, source in ((work, by_work(drives, planner, works)), (budgets, by_budget(drives, planner, times_ms))):
            for row in source:
                rows.append(row)
                bar.update()
    if args.plot is not None:
        plot(args.plot, budgets, work, f"{len(drives)} drives, {work[0]['plans']} plans, {machine()}")
    return {
        "drives": [bag.name for bag in args.bags],
        "precision": args.precision,
        "by_work": work,
        "by_budget": budgets,
    }


PARTS = {"planner": _planner, "deadline": _deadline, "budget": _budget}
"""Benchmark -> function that runs it."""
