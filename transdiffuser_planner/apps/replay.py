"""Run the planner over recorded drives and compare with what the driver did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.paths import DEFAULT_MODEL, model_folder
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.recording.topics import TopicMap, preset_files

EXIT_FAULTS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="rosbag2 folder, .mcap or .db3 file")
    parser.add_argument(
        "--preset", default="carla", help="topics and rig of a known source: carla, kitti (default: %(default)s)"
    )
    parser.add_argument("--topics", type=Path, help="topic map YAML instead of the preset's")
    parser.add_argument("--rig", type=Path, help="sensor rig YAML instead of the preset's")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model folder or name (default: %(default)s)")
    parser.add_argument("--run-seed", type=int, default=0, help="seed of the sampling noise (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for a bag with the plans and a report per input bag")


def run(args: argparse.Namespace) -> int:
    """Replay all bags; returns 1 when a published plan had a fault."""
    from transdiffuser_planner.runtime.planner import Planner

    topics_file, rig_file = preset_files(args.preset)
    topics, rig = TopicMap.load(args.topics or topics_file), Rig.load(args.rig or rig_file)
    names = [bag.stem for bag in args.bags]
    if args.out is not None and len(set(names)) < len(names):
        raise ConfigError("--out: two bags have the same name; replay them one by one")
    planner = Planner.load(model_folder(args.model), rig, PlannerConfig.from_dict({"run_seed": args.run_seed}))
    num_faults = 0
    for bag in args.bags:
        result = _replay(bag, topics, rig, planner, args.out)
        _print(result)
        num_faults += sum(result.faults.values())
    return EXIT_FAULTS if num_faults else 0


def _replay(bag: Path, topics: TopicMap, rig: Rig, planner: Any, out: Path | None) -> Any:
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.report.page import write_report
    from transdiffuser_planner.replay.runner import ReplayJob, replay

    target = None if out is None else out / bag.stem
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(unit="cycle", desc=bag.stem, file=sys.stderr) as bar:
        result = replay(ReplayJob(bag=bag, topics=topics, rig=rig, out=target), planner, lambda cycle: bar.update(1))
    if target is not None:
        print(f"report {write_report(target, target / 'report.html', topics=topics)}")
    return result


def _print(result: Any) -> None:
    """What happened, as lines for people."""
    latency = np.asarray(result.latency_ms)
    print(f"bag    {result.bag}")
    if result.damage:
        print(f"damage {result.damage}")
    if result.masked:
        print(f"masked {', '.join(result.masked)} (not in the bag)")
    for counts, what in ((result.refused, "refused"), (result.not_ready, "not ready")):
        for reason, count in counts.items():
            print(f"{what} {count} x {reason}")
    rungs = ", ".join(f"{count} {rung.name.lower().replace('_', ' ')}" for rung, count in result.rungs.items() if rung)
    print(f"plans  {result.num_plans}, median {np.median(latency):.1f} ms, p99 {np.percentile(latency, 99):.1f} ms")
    print(f"       fallbacks: {rungs or 'none'}; SHA-256 of all plans {result.plan_hash[:16]}")
    print(f"checks {dict(result.faults) or 'every plan finite, continuous and within the limits'}")
    errors = result.errors
    if errors.num_cycles:
        print(f"against the recorded future of {errors.num_cycles} cycles (ADE / FDE in metres):")
        print(f"       published plan    {errors.plan_ade_m:6.2f} / {errors.plan_fde_m:6.2f}")
        print(
            f"       best candidate    {errors.best_ade_m:6.2f} / {errors.best_fde_m:6.2f}   (chosen with knowledge of the future)"
        )
        print(f"       constant velocity {errors.constant_ade_m:6.2f} / {errors.constant_fde_m:6.2f}")
    else:
        print("no cycle has a recorded future of the whole horizon; nothing to compare with")
    if not result.is_simulated:
        print(
            "note: the shipped models never saw a real picture; on real drives these numbers show the plumbing, not skill"
        )
