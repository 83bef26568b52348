"""Measure a model in closed loop on unseen scenarios, or its training run in open loop on unseen samples."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transdiffuser_planner.apps.simulate import seed_range
from transdiffuser_planner.recording.topics import PARAMS

DRIVE_COLUMNS = {
    "seed": "seed",
    "map_name": "map",
    "clean": "clean",
    "at_fault": "at fault",
    "other_collisions": "others' fault",
    "kinds": "contacts",
    "off_road_s": "off road s",
    "red_lights": "red lights",
    "progress_m": "progress m",
    "expert_progress_m": "expert m",
    "fallback_share": "fallbacks",
    "plan_ms_median": "plan ms",
    "plan_ms_p99": "p99 ms",
}
ERROR_COLUMNS = {
    "title": "planner",
    "ade_m": "ADE m",
    "fde_m": "FDE m",
    "ade_eventful_m": "ADE m, eventful",
    "samples": "samples",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    closed = kinds.add_parser("closed-loop", help="drive scenarios with a model")
    closed.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    closed.add_argument("--seeds", default="8000:8020", help="A:B, seeds A to B-1 (default: %(default)s)")
    closed.add_argument("--map", help="map name or SUMO network file instead of each seed's own")
    closed.add_argument("--duration", type=float, default=60.0, help="seconds per scenario (default: %(default)s)")
    closed.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    closed.add_argument("--bags", type=Path, metavar="DIR", help="record each drive as a bag for 'transdiffuser report'")
    closed.add_argument("--out", type=Path, help="write the results as JSON")
    opened = kinds.add_parser("open-loop", help="errors of a training run's plans and of its baselines")
    opened.add_argument("run", type=Path, help="folder of a finished training run")
    opened.add_argument("--samples", type=Path, required=True, help="samples that were not trained on")
    opened.add_argument("--limit", type=int, default=2000, help="largest number of samples (default: %(default)s)")
    opened.add_argument("--candidates", type=int, default=30, help="samples per scene (default: %(default)s)")
    opened.add_argument("--out", type=Path, help="write the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure and print a Markdown table."""
    return _closed_loop(args) if args.kind == "closed-loop" else _open_loop(args)


def _closed_loop(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from transdiffuser_planner.core.config import PlannerConfig
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.evaluation.closed_loop import DriveJob, as_rows, drive_all, summary
    from transdiffuser_planner.evaluation.tables import machine, markdown_table, save_json
    from transdiffuser_planner.runtime.manifest import load_manifest
    from transdiffuser_planner.simulation.scenario import draw_scenario

    manifest = load_manifest(args.model)
    rig, config = Rig.load(PARAMS / "rig_carla.yaml"), PlannerConfig(num_threads=1)
    jobs = [
        DriveJob(
            scenario=draw_scenario(seed, map_name=args.map, duration_s=args.duration),
            model=args.model,
            rig=rig,
            config=config,
            bag=args.bags and args.bags / f"seed{seed:05d}",
        )
        for seed in seed_range(args.seeds)
    ]
    with tqdm(total=len(jobs), unit="scenario", file=sys.stderr) as bar:
        results, failures = drive_all(jobs, args.workers, bar)
    for line in failures:
        print(f"left out: {line}", file=sys.stderr)
    totals = summary(results)
    print(markdown_table(as_rows(results), DRIVE_COLUMNS))
    print(
        f"\n{totals}\nmodel {manifest.name} {manifest.model_hash[:12]}; {machine()}; {args.workers} processes at once"
    )
    if args.out is not None:
        save_json(args.out, {"model_hash": manifest.model_hash, "summary": totals, "scenarios": as_rows(results)})
    return 0 if results else 1


def _open_loop(args: argparse.Namespace) -> int:
    from transdiffuser_planner.evaluation.open_loop import error_table
    from transdiffuser_planner.evaluation.tables import machine, markdown_table, save_json
    from transdiffuser_planner.training.predictions import predict_all
    from transdiffuser_planner.training.run import Run
    from transdiffuser_planner.training.samples import SampleSet

    training = Run.open(args.run)
    samples = SampleSet.open(args.samples, training.contract)
    predictions = predict_all(training, samples, args.limit, args.candidates)
    rows = error_table(predictions, training.contract.plan_times_s)
    print(markdown_table(rows, ERROR_COLUMNS))
    print(f"\n{machine()}")
    if args.out is not None:
        save_json(args.out, {"rows": rows})
    return 0
