"""Measure planner, deadline, node, simulator and scorer on this machine."""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.cli.provider_options import PRECISIONS, add_provider, provider_values
from transdiffuser_planner.evaluation.benchmarks.sensor_load import DEFAULT, SYNTAX
from transdiffuser_planner.params import RIGS

MODEL = Path("models/tiny")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    planner = parts.add_parser(
        "planner", help="latency per stage, of the graphs alone and of a reference, idle or under load"
    )
    _add_model(planner)
    add_provider(planner)
    planner.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["fp32"], help="(default: fp32)")
    planner.add_argument("--load", nargs="+", type=int, default=[0], help="busy processes in parallel (default: 0)")
    planner.add_argument("--cycles", type=int, default=300, help="planning cycles (default: %(default)s)")
    _add_scenario(planner)
    deadline = parts.add_parser("deadline", help="closed-loop cycles with watchdog and budget: is a plan ever late?")
    _add_model(deadline)
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
    _add_model(budget)
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
    node = parts.add_parser("node", help="a planner node over DDS: start-up, latency, memory and CPU over a long run")
    _add_model(node)
    node.add_argument("--minutes", type=float, help="duration (default: 30, with --sensors 1)")
    node.add_argument(
        "--sensors",
        nargs="*",
        metavar="ITEM",
        help="instead of a simulated drive, sensors of these sizes and rates from a process of their own: "
        f"{SYNTAX} (default: {' '.join(DEFAULT)})",
    )
    _add_scenario(node)
    timing = parts.add_parser(
        "timing", help="plans from sensors of other latencies, rates, jitters and clocks; no model is run"
    )
    timing.add_argument("--seconds", type=float, default=10.0, help="of driving per case (default: %(default)s)")
    simulator = parts.add_parser("simulator", help="real-time factor with all sensors on one core, by road users")
    simulator.add_argument("--cycles", type=int, default=300, help="simulator steps of each row (default: %(default)s)")
    simulator.add_argument(
        "--agents",
        type=int,
        nargs="+",
        metavar="N",
        default=[10, 30, 60, 100],
        help="road users within 80 m, one row each (default: 10 30 60 100)",
    )
    simulator.add_argument("--map", default="avenues", help="map name or SUMO network file (default: %(default)s)")
    simulator.add_argument("--seed", type=int, default=8005, help="scenario seed (default: %(default)s)")
    simulator.add_argument("--plot", type=OutputFile, metavar="PNG", help="draw the results")
    scoring = parts.add_parser("scoring", help="scenes scored per second")
    scoring.add_argument("--cycles", type=int, default=300, help="scored scenes (default: %(default)s)")
    scoring.add_argument("--scenes", type=Path, metavar="FILE", help="scenes to score instead of generated ones")
    for part in parts.choices.values():
        part.add_argument("--out", type=OutputFile, help="write the results as JSON")
        part.add_argument("--note", default="", help="remark for readers of the results, as other load of the machine")


def _work(text: str) -> tuple[int, int]:
    try:
        candidates, steps = (int(part) for part in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected candidates x steps, as 30x10, got '{text}'") from None
    return candidates, steps


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, default=MODEL, help="model folder (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the model (default: %(default)s)")


def _add_scenario(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--map", help="map name or SUMO network file; default: drawn from the seed")
    parser.add_argument("--seed", type=int, default=8001, help="scenario seed (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=60, help="traffic around the ego (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Measure and print one line per number.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.reports.markdown_tables import machine, save_json

    measure = {
        "planner": _planner,
        "deadline": _deadline,
        "budget": _budget,
        "node": _node,
        "timing": _timing,
        "simulator": _simulator,
        "scoring": _scoring,
    }[args.part]
    result = measure(args)
    _print({name: value for name, value in result.items() if name != "rows"})
    print(machine())
    if args.out is not None:
        note = {"note": args.note} if args.note else {}
        save_json(args.out, {**_hash(args), **note, args.part: result})
    return 0


def _print(result: dict[str, Any], indent: str = "") -> None:
    for name, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                print(f"{indent}{name}:")
                _print(item, indent + "  ")
        else:
            print(f"{indent}{name}: {value}")


def _hash(args: argparse.Namespace) -> dict[str, str]:
    from transdiffuser_planner.runtime.inference.manifest import load_manifest

    return {"model_hash": load_manifest(args.model).model_hash} if hasattr(args, "model") else {}


def _config(args: argparse.Namespace, precision: str = "fp32") -> Any:
    from transdiffuser_planner.core.planner_config import PlannerConfig

    return PlannerConfig(num_threads=args.threads, precision=precision, **provider_values(args))


def _rig() -> Any:
    from transdiffuser_planner.core.rig import Rig

    return Rig.load(RIGS / "carla.yaml")


def _scenario(args: argparse.Namespace) -> Any:
    from transdiffuser_planner.simulation.scenario import draw_scenario

    return draw_scenario(args.seed, map_name=args.map, num_agents=args.agents, duration_s=600.0)


def _planner(args: argparse.Namespace) -> dict[str, Any]:
    from transdiffuser_planner.evaluation.benchmarks.planner_latency import planner_speed, start_up
    from transdiffuser_planner.evaluation.benchmarks.simulated_snapshots import snapshots

    inputs = snapshots(_scenario(args), _rig(), min(args.cycles, 100))
    runs = [
        planner_speed(args.model, _rig(), _config(args, precision), inputs, args.cycles, load)
        for load, precision in itertools.product(args.load, args.precision)
    ]
    return {"runs": runs, "start_up": start_up(args.model)}


def _deadline(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.benchmarks.deadline_soak import deadline_run
    from transdiffuser_planner.simulation.scenario import draw_scenario

    scenarios = (draw_scenario(seed) for seed in itertools.count(args.seed))
    with tqdm(total=args.cycles, unit="cycle", file=sys.stderr, mininterval=1.0) as bar:
        config = replace(_config(args, args.precision), priority=args.priority)
        return deadline_run(args.model, _rig(), config, scenarios, args.cycles, args.load, bar.update)


def _budget(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from transdiffuser_planner.data.bags.bag_reader import BagReader
    from transdiffuser_planner.evaluation.benchmarks.quality_vs_budget import BUDGETS_MS, WORK, by_budget, by_work, plot
    from transdiffuser_planner.messages.topic_matching import choose
    from transdiffuser_planner.reports.markdown_tables import machine
    from transdiffuser_planner.runtime.planner import Planner
    from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings

    drives = []
    for bag in args.bags:
        with BagReader(bag) as reader:
            drives.append((bag, choose(reader.topics(), f"bag {bag}", preset=args.preset)))
    planner = Planner.load(args.model, drives[0][1].rig, _config(args, args.precision))
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


def _node(args: argparse.Namespace) -> dict[str, Any]:
    if args.sensors is not None:
        from dataclasses import asdict

        from transdiffuser_planner.evaluation.benchmarks.sensor_load import parse_load
        from transdiffuser_planner.ros.testbench.node_load import load_run

        load = parse_load(args.sensors)
        return {"sensors": asdict(load), **load_run(args.model, load, args.minutes or 1.0, args.threads)}
    from transdiffuser_planner.evaluation.benchmarks.simulated_snapshots import snapshots
    from transdiffuser_planner.ros.testbench.node_benchmark import node_run

    return node_run(args.model, snapshots(_scenario(args), _rig(), 100), args.minutes or 30.0, args.threads)


def _timing(args: argparse.Namespace) -> dict[str, Any]:
    from transdiffuser_planner.evaluation.benchmarks.sensor_timing import timing_table
    from transdiffuser_planner.reports.markdown_tables import markdown_table

    rows = timing_table(args.seconds)
    columns = {
        "case": "sensors, else all at 10 Hz",
        "plans": "plans",
        "whole": "from all sensors",
        "without": "cycles without plan",
        "age_ms": "age, ms",
        "remarks": "notices",
    }
    shown = [row | {"remarks": "; ".join(row["remarks"][:1])} for row in rows]
    print(markdown_table(shown, columns))
    return {"seconds": args.seconds, "plans": sum(row["plans"] for row in rows), "rows": rows}


def _simulator(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.benchmarks.simulator_throughput import COLUMNS, plot, simulator_speed
    from transdiffuser_planner.reports.markdown_tables import machine, markdown_table
    from transdiffuser_planner.simulation.scenario import draw_scenario

    scenario = draw_scenario(args.seed, map_name=args.map, duration_s=60.0)
    measured = simulator_speed(scenario, _rig(), args.agents, args.cycles)
    rows = list(tqdm(measured, total=len(args.agents), unit="row", file=sys.stderr))
    print(markdown_table(rows, COLUMNS))
    if args.plot is not None:
        plot(args.plot, rows, machine())
    return {"map": Path(args.map).name, "seed": args.seed, "steps": args.cycles, "rows": rows}


def _scoring(args: argparse.Namespace) -> dict[str, Any]:
    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.evaluation.benchmarks.scoring_throughput import bend_scene, scoring_speed
    from transdiffuser_planner.evaluation.scenes.scene_files import scene_list
    from transdiffuser_planner.metrics.pdm.scene_serialization import read_scenes

    if args.scenes is None:
        return scoring_speed([bend_scene(seed) for seed in range(5)], args.cycles)
    read = read_scenes(scene_list(args.scenes))
    for line in read.problems:
        print(f"skipped: {line}", file=sys.stderr)
    if not read.scenes:
        raise EvaluationError(f"file {args.scenes}: expected scenes that can be scored, got none")
    return scoring_speed(list(read.scenes), args.cycles)
