"""Convert bags of the simulator or of a vehicle, or logs of OpenScene, into training samples."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.messages.topic_map import TopicMap, files_for
from transdiffuser_planner.parallel import add_ray_argument

if TYPE_CHECKING:
    from transdiffuser_planner.data.samples.sample_builder import DatasetJob


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "bags",
        nargs="+",
        type=Path,
        help="rosbag2 directories, .mcap files, folders of bags, logs of OpenScene, or folders of them",
    )
    parser.add_argument(
        "--out", type=OutputFolder, required=True, help="folder for the samples, one sub-folder per bag"
    )
    parser.add_argument(
        "--preset", help="topic map and rig: params/topics and params/rigs (default: the bag's own, else carla)"
    )
    parser.add_argument("--topics", type=Path, help="topic map YAML instead of the preset's")
    parser.add_argument("--rig", type=Path, help="rig YAML instead of the bag's own and the preset's")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--config", default="tiny", choices=("tiny", "base", "base_half"), help="sizes of the tensors")
    sizes.add_argument("--recipe", type=Path, help="training recipe whose sizes are taken instead of --config")
    parser.add_argument(
        "--from", dest="begin_s", type=float, default=0.0, metavar="S", help="seconds of each bag to skip (default: 0)"
    )
    parser.add_argument(
        "--until",
        dest="end_s",
        type=float,
        default=float("inf"),
        metavar="S",
        help="end of the part that is read, labels included: plans that would end later give no sample (default: the end)",
    )
    parser.add_argument(
        "--scene-filter",
        type=Path,
        metavar="FILE",
        help="of logs of OpenScene: scene filter of NAVSIM, such as navtrain.yaml, whose logs and frames are converted",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    add_ray_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Convert all bags and print the numbers of samples and of skipped frames with their reasons.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0, or 1 without any sample.
    """
    from tqdm import tqdm

    from transdiffuser_planner.data.samples.convert_bags import convert_all

    jobs = _jobs(args)
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with tqdm(total=len(jobs), unit="bag", file=sys.stderr) as bar:
        for found, reason in convert_all(jobs, args.workers, args.ray):
            counts.update(found)
            failures += [reason] if reason else []
            bar.update(1)
    for reason in sorted(failures):
        print(reason, file=sys.stderr)
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"{count:8d}  {'samples' if name == 'samples' else 'frames skipped: ' + name}")
    return 0 if counts["samples"] else 1


def _jobs(args: argparse.Namespace) -> list[DatasetJob]:
    """One job for each bag and log.

    Raises:
        ConfigError: The scene filter selects none of the logs, or is given for bags.
    """
    from transdiffuser_planner.core.contract import CONTRACTS
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.data.logs.log_sources import ROSBAG
    from transdiffuser_planner.data.logs.openscene.scene_filter import SceneFilter
    from transdiffuser_planner.data.samples.convert_bags import find_bags, source_of
    from transdiffuser_planner.data.samples.sample_builder import DatasetJob
    from transdiffuser_planner.data.samples.time_range import TimeRange
    from transdiffuser_planner.training.recipe import TrainingConfig

    part = TimeRange(begin_s=args.begin_s, end_s=args.end_s)
    contract = TrainingConfig.load(args.recipe).contract() if args.recipe else CONTRACTS[args.config]
    wanted = SceneFilter.load(args.scene_filter) if args.scene_filter else SceneFilter(logs=None, tokens=None)
    jobs = []
    for bag in find_bags(args.bags):
        source, common = source_of(bag), {"bag": bag, "out": args.out / bag.stem, "contract": contract, "part": part}
        if source != ROSBAG:
            rig = Rig.load(args.rig) if args.rig else None
            if wanted.logs is None or bag.stem in wanted.logs:
                jobs.append(DatasetJob(**common, rig=rig, topics=TopicMap(), source=source, frames=wanted.tokens))
            continue
        if args.scene_filter:
            raise ConfigError(f"--scene-filter {args.scene_filter}: {bag} is no log of OpenScene")
        topics, rig_file = files_for(bag, args.preset)
        topic_map = TopicMap.load(args.topics or topics)
        jobs.append(DatasetJob(**common, rig=Rig.load(args.rig or rig_file), topics=topic_map))
    if not jobs:
        raise ConfigError(f"--scene-filter {args.scene_filter}: selects none of the logs that are given")
    return jobs
