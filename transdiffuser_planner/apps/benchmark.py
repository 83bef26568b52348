"""Measure the planning cycle, the simulator and the scorer on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.recording.topics import PARAMS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("part", choices=("planner", "simulator", "scoring"), help="what to measure")
    parser.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    parser.add_argument("--map", help="map name or SUMO network file; default: drawn from the seed")
    parser.add_argument("--seed", type=int, default=8001, help="scenario seed (default: %(default)s)")
    parser.add_argument(
        "--agents", type=int, default=60, help="traffic participants around the ego (default: %(default)s)"
    )
    parser.add_argument(
        "--cycles",
        type=int,
        default=300,
        help="planning cycles, simulator steps or scored scenes (default: %(default)s)",
    )
    parser.add_argument("--scenes", type=Path, metavar="FILE", help="scenes to score instead of ones made for it")
    parser.add_argument("--threads", type=int, default=2, help="threads of the model (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure, print one line per number."""
    from transdiffuser_planner.evaluation.tables import machine, save_json

    result, model = _scoring(args) if args.part == "scoring" else _driving(args)
    for name, value in result.items():
        print(f"{name}: {value}")
    print(machine())
    if args.out is not None:
        save_json(args.out, {**model, args.part: result})
    return 0


def _scoring(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, str]]:
    """The scorer's numbers."""
    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.evaluation.scene_files import scene_list
    from transdiffuser_planner.evaluation.scene_speed import bend_scene, scoring_speed
    from transdiffuser_planner.scoring.scene_mapping import read_scenes

    if args.scenes is None:
        return scoring_speed([bend_scene(seed) for seed in range(5)], args.cycles), {}
    read = read_scenes(scene_list(args.scenes))
    for line in read.problems:
        print(f"left out: {line}", file=sys.stderr)
    if not read.scenes:
        raise EvaluationError(f"file {args.scenes}: expected scenes that can be scored, got none")
    return scoring_speed(list(read.scenes), args.cycles), {}


def _driving(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, str]]:
    """The planner's or the simulator's numbers, and the model's hash."""
    from transdiffuser_planner.core.config import PlannerConfig
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.evaluation.speed import planner_speed, simulator_speed, snapshots
    from transdiffuser_planner.runtime.manifest import load_manifest
    from transdiffuser_planner.simulation.scenario import draw_scenario

    rig = Rig.load(PARAMS / "rig_carla.yaml")
    scenario = draw_scenario(args.seed, map_name=args.map, num_agents=args.agents, duration_s=600.0)
    if args.part == "simulator":
        return simulator_speed(scenario, rig, args.cycles), {}
    inputs = snapshots(scenario, rig, min(args.cycles, 100))
    result = planner_speed(args.model, rig, PlannerConfig(num_threads=args.threads), inputs, args.cycles)
    return result, {"model_hash": load_manifest(args.model).model_hash}
