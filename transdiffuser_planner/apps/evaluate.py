"""Measure a model in closed loop on unseen scenarios and in open loop on unseen samples, and write its card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transdiffuser_planner.apps.simulate import seed_range
from transdiffuser_planner.recording.topics import PARAMS


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
    opened = kinds.add_parser("open-loop", help="errors of a model's plans and of baselines against what was driven")
    opened.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    opened.add_argument("--baselines", type=Path, metavar="RUN", help="training run with the stage 'baselines'")
    opened.add_argument("--samples", type=Path, required=True, help="samples that were not trained on")
    opened.add_argument("--limit", type=int, default=2000, help="largest number of samples (default: %(default)s)")
    opened.add_argument("--candidates", type=int, default=30, help="samples per scene (default: %(default)s)")
    opened.add_argument("--out", type=Path, help="write the results as JSON")
    card = kinds.add_parser("card", help="write a model's README.md from its manifest and its measured results")
    card.add_argument("model", type=Path, help="model folder; results are read from its folder 'measured'")


def run(args: argparse.Namespace) -> int:
    """Measure and print a Markdown table, or write the model card."""
    return {"closed-loop": _closed_loop, "open-loop": _open_loop, "card": _card}[args.kind](args)


def _card(args: argparse.Namespace) -> int:
    from transdiffuser_planner.evaluation.model_card import write_card

    print(write_card(args.model))
    return 0


def _closed_loop(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from transdiffuser_planner.core.config import PlannerConfig
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.evaluation.closed_loop import DriveJob, as_rows, drive_all, summary
    from transdiffuser_planner.evaluation.tables import DRIVE_COLUMNS, machine, markdown_table, save_json
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
        content = {"model_hash": manifest.model_hash, "duration_s": args.duration, "summary": totals}
        save_json(args.out, {**content, "scenarios": as_rows(results)})
    return 0 if results else 1


def _open_loop(args: argparse.Namespace) -> int:
    from transdiffuser_planner.evaluation.open_loop import error_table
    from transdiffuser_planner.evaluation.tables import ERROR_COLUMNS, machine, markdown_table, save_json
    from transdiffuser_planner.runtime.manifest import load_manifest
    from transdiffuser_planner.runtime.onnx_backend import OnnxBackend
    from transdiffuser_planner.training.predictions import baseline_plans, chosen_samples, model_plans
    from transdiffuser_planner.training.run import Run
    from transdiffuser_planner.training.samples import SampleSet

    backend = OnnxBackend(load_manifest(args.model))
    contract = backend.manifest.contract
    samples = SampleSet.open(args.samples, contract)
    index = chosen_samples(samples, args.limit)
    plans = model_plans(backend, samples, index, args.candidates)
    content = {"model_hash": backend.manifest.model_hash, "candidates": args.candidates}
    if args.baselines is not None:
        run = Run.open(args.baselines, args.model)
        content["baseline_data"] = run.baseline_data()
        plans |= baseline_plans(run, samples, index)
    rows = error_table(plans, contract.plan_times_s)
    print(markdown_table(rows, ERROR_COLUMNS))
    print(f"\nmodel {backend.manifest.name} {backend.manifest.model_hash[:12]}; {machine()}")
    if args.out is not None:
        save_json(args.out, {**content, "rows": rows})
    return 0
