"""Run the planner over recorded drives and compare with what the driver did."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from transdiffuser_planner.apps.processes import ProcessGroup, private_ros_environment
from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.paths import DEFAULT_MODEL, model_folder
from transdiffuser_planner.evaluation.report.page import write_report
from transdiffuser_planner.recording.bag_reader import BagReader
from transdiffuser_planner.recording.topics import preset_files
from transdiffuser_planner.replay.inspection import inspect, lines
from transdiffuser_planner.replay.mapping import Choice, choose, preset_names
from transdiffuser_planner.replay.runner import ReplayJob, replay

EXIT_FAULTS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="rosbag2 folder, .mcap or .db3 file")
    parser.add_argument("--inspect", action="store_true", help="only say what is in the bags and what the planner would use")
    parser.add_argument("--one-drive", action="store_true", help="all bags are parts of one drive")
    parser.add_argument(
        "--preset", help=f"topics and rig of a known source: {', '.join(preset_names())} (default: the one that fits)"
    )
    parser.add_argument("--topics", type=Path, help="topic map YAML instead of the preset's")
    parser.add_argument("--rig", type=Path, help="sensor rig YAML instead of the preset's")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model folder or name (default: %(default)s)")
    parser.add_argument("--run-seed", type=int, default=0, help="seed of the sampling noise (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for a bag with the plans and a report per input bag")
    parser.add_argument(
        "--ros", action="store_true", help="also play each bag to a planner node over DDS and compare its plans"
    )


def run(args: argparse.Namespace) -> int:
    """Replay all drives; returns 1 when a published plan had a fault or the node missed a frame."""
    if args.preset is not None:
        preset_files(args.preset)
    drives = [tuple(args.bags)] if args.one_drive else [(bag,) for bag in args.bags]
    if args.inspect:
        return _inspect(args, drives)
    from transdiffuser_planner.runtime.planner import Planner

    names = [drive[0].stem for drive in drives]
    if args.out is not None and len(set(names)) < len(names):
        raise ConfigError("--out: two bags have the same name; replay them one by one")
    planner, loaded_rig, num_faults = None, None, 0
    for drive in drives:
        with BagReader(*drive) as bag:
            choice = choose(
                bag.topics(), f"bag {drive[0]}", preset=args.preset, topics_file=args.topics, rig_file=args.rig
            )
        if planner is None or choice.rig != loaded_rig:
            config = PlannerConfig.from_dict({"run_seed": args.run_seed})
            planner, loaded_rig = Planner.load(model_folder(args.model), choice.rig, config), choice.rig
        out = None if args.out is None else args.out / drive[0].stem
        job = ReplayJob(bag=drive[0], more=drive[1:], topics=choice.topics, rig=choice.rig, out=out)
        print(f"source {choice.name}: {choice.why}")
        with _node(job, args, choice) if args.ros else nullcontext() as player:
            result = _replay(job, planner, player)
        _print(result)
        num_faults += sum(result.faults.values())
        if player is not None:
            num_faults += _print_node(player.result)
        if job.out is not None:
            page = write_report(job.out, job.out / "report.html", topics=choice.topics, rig=choice.rig)
            print(f"report {page}")
    return EXIT_FAULTS if num_faults else 0


def _inspect(args: argparse.Namespace, drives: list[tuple[Path, ...]]) -> int:
    """Say what is in the bags; returns 1 when one of them cannot be replayed as it is."""
    num_unusable = 0
    for drive in drives:
        with BagReader(*drive) as bag:
            found = inspect(bag, preset=args.preset, topics_file=args.topics, rig_file=args.rig)
        for line in lines(found):
            print(line)
        num_unusable += bool(found.why_not)
    return EXIT_FAULTS if num_unusable else 0


def _node_arguments(args: argparse.Namespace, choice: Choice, topics_file: Path) -> Iterator[str]:
    """The command line of a planner node that plans as this replay does."""
    yield from ("plan", "--model", str(model_folder(args.model)))
    yield from ("--topics", str(topics_file), "--rig", str(choice.rig_file))
    # Played frame by frame, a bag may take longer than its own time; the age of a frame says nothing then.
    yield from ("--ros-args", "-p", "use_sim_time:=true", "-p", f"run_seed:={args.run_seed}")


@contextmanager
def _node(job: ReplayJob, args: argparse.Namespace, choice: Choice) -> Iterator[Any]:
    """A planner node in a process of its own on a private domain, and the player that feeds it."""
    environment = private_ros_environment()
    os.environ.update(environment)
    from transdiffuser_planner.ros import session

    session.init([])
    import rclpy

    from transdiffuser_planner.ros.bag_player import BagPlayer

    with TemporaryDirectory(prefix="transdiffuser_replay_") as folder:
        group = ProcessGroup({**os.environ, **environment}, Path(folder))
        try:
            topics_file = Path(folder) / "topics.yaml"
            topics_file.write_text(yaml.safe_dump(asdict(choice.topics)), encoding="utf-8")
            group.start("planner", list(_node_arguments(args, choice, topics_file)))
            player = BagPlayer(choice.topics)
            with BagReader(job.bag, *job.more) as reader:
                player.wait_for_planner(reader.topics())
            yield player
            player.destroy_node()
        finally:
            group.stop()
            rclpy.try_shutdown()


class _Watch:
    """Progress bar, and the node that is played to, if any."""

    def __init__(self, bar: Any, player: Any) -> None:
        self._bar, self._player = bar, player

    def message(self, item: Any) -> None:
        if self._player is not None:
            self._player.play(item)

    def cycle(self, cycle: Any) -> None:
        self._bar.update(1)
        if self._player is not None:
            self._player.compare(cycle)


def _replay(job: ReplayJob, planner: Any, player: Any) -> Any:
    from tqdm import tqdm

    if job.out is not None:
        job.out.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(unit="cycle", desc=job.bag.stem, file=sys.stderr) as bar:
        return replay(job, planner, _Watch(bar, player))


def _print_node(result: Any) -> int:
    """What the node did; returns the number of frames it missed."""
    print(
        f"node   {result.num_received} of {result.num_plans} frames planned over DDS, "
        f"{result.num_identical} of them exactly as replayed here"
    )
    return int(result.num_plans - result.num_received)


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
