"""Benchmarks of the planner's surroundings: node, timing of sensors, simulator, scorer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.benchmarks.options import add_model, add_scenario, default_rig, drawn_scenario
from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.cli.simulate import MAP_HELP
from transdiffuser_planner.evaluation.benchmarks.sensor_load import DEFAULT, SYNTAX


def add_parts(parts: Any) -> None:
    """Add these benchmarks with their options.

    Args:
        parts: The subparsers of the command.
    """
    node = parts.add_parser("node", help="a planner node over DDS: start-up, latency, memory and CPU over a long run")
    add_model(node)
    node.add_argument("--minutes", type=float, help="duration (default: 30, with --sensors 1)")
    node.add_argument(
        "--sensors",
        nargs="*",
        metavar="ITEM",
        help="instead of a simulated drive, sensors of these sizes and rates from a process of their own: "
        f"{SYNTAX} (default: {' '.join(DEFAULT)})",
    )
    add_scenario(node)
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
    simulator.add_argument("--map", default="avenues", help=f"{MAP_HELP} (default: %(default)s)")
    simulator.add_argument("--seed", type=int, default=8005, help="scenario seed (default: %(default)s)")
    simulator.add_argument("--plot", type=OutputFile, metavar="PNG", help="draw the results")
    scoring = parts.add_parser("scoring", help="scenes scored per second")
    scoring.add_argument("--cycles", type=int, default=300, help="scored scenes (default: %(default)s)")
    scoring.add_argument("--scenes", type=Path, metavar="FILE", help="scenes to score instead of generated ones")


def _node(args: argparse.Namespace) -> dict[str, Any]:
    if args.sensors is not None:
        from dataclasses import asdict

        from transdiffuser_planner.evaluation.benchmarks.sensor_load import parse_load
        from transdiffuser_planner.ros.testbench.node_load import load_run

        load = parse_load(args.sensors)
        return {"sensors": asdict(load), **load_run(args.model, load, args.minutes or 1.0, args.threads)}
    from transdiffuser_planner.evaluation.benchmarks.simulated_snapshots import snapshots
    from transdiffuser_planner.ros.testbench.node_benchmark import node_run

    return node_run(args.model, snapshots(drawn_scenario(args), default_rig(), 100), args.minutes or 30.0, args.threads)


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
    measured = simulator_speed(scenario, default_rig(), args.agents, args.cycles)
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


PARTS = {"node": _node, "timing": _timing, "simulator": _simulator, "scoring": _scoring}
"""Benchmark -> function that runs it."""
