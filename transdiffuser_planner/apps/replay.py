"""Run the planner over recorded drives and compare with what the driver did."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from transdiffuser_planner.apps.processes import ProcessGroup, private_ros_environment
from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.paths import DEFAULT_MODEL, model_folder
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.evaluation.report.page import write_report
from transdiffuser_planner.recording.topics import TopicMap, preset_files
from transdiffuser_planner.replay.runner import ReplayJob, replay

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
    parser.add_argument(
        "--ros", action="store_true", help="also play each bag to a planner node over DDS and compare its plans"
    )


def run(args: argparse.Namespace) -> int:
    """Replay all bags; returns 1 when a published plan had a fault or the node missed a frame."""
    from transdiffuser_planner.runtime.planner import Planner

    files = tuple(given or preset for given, preset in zip((args.topics, args.rig), preset_files(args.preset), strict=True))
    topics, rig = TopicMap.load(files[0]), Rig.load(files[1])
    names = [bag.stem for bag in args.bags]
    if args.out is not None and len(set(names)) < len(names):
        raise ConfigError("--out: two bags have the same name; replay them one by one")
    planner = Planner.load(model_folder(args.model), rig, PlannerConfig.from_dict({"run_seed": args.run_seed}))
    num_faults = 0
    for bag in args.bags:
        job = ReplayJob(bag=bag, topics=topics, rig=rig, out=None if args.out is None else args.out / bag.stem)
        with _node(bag, topics, [*_node_arguments(args, files)]) if args.ros else nullcontext() as player:
            result = _replay(job, planner, player)
        _print(result)
        num_faults += sum(result.faults.values())
        if player is not None:
            num_faults += _print_node(player.result)
        if job.out is not None:
            print(f"report {write_report(job.out, job.out / 'report.html', topics=topics, rig=rig)}")
    return EXIT_FAULTS if num_faults else 0


def _node_arguments(args: argparse.Namespace, files: tuple[Path, Path]) -> Iterator[str]:
    """The command line of a planner node that plans as this replay does."""
    yield from ("plan", "--model", str(model_folder(args.model)), "--topics", str(files[0]), "--rig", str(files[1]))
    # Played frame by frame, a bag may take longer than its own time; the age of a frame says nothing then.
    yield from ("--ros-args", "-p", "use_sim_time:=true", "-p", f"run_seed:={args.run_seed}")


@contextmanager
def _node(bag: Path, topics: TopicMap, arguments: list[str]) -> Iterator[Any]:
    """A planner node in a process of its own on a private domain, and the player that feeds it."""
    environment = private_ros_environment()
    os.environ.update(environment)
    from transdiffuser_planner.ros import session

    session.init([])
    import rclpy

    from transdiffuser_planner.recording.bag_reader import BagReader
    from transdiffuser_planner.ros.bag_player import BagPlayer

    with TemporaryDirectory(prefix="transdiffuser_replay_") as folder:
        group = ProcessGroup({**os.environ, **environment}, Path(folder))
        try:
            group.start("planner", arguments)
            player = BagPlayer(topics)
            with BagReader(bag) as reader:
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
