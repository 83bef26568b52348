"""Convert bags of the simulator or of a vehicle into training samples."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.messages.topic_map import TopicMap, files_for
from transdiffuser_planner.parallel import add_ray_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("bags", nargs="+", type=Path, help="rosbag2 directories, .mcap files, or folders of bags")
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

    from transdiffuser_planner.core.contract import CONTRACTS
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.data.samples.convert_bags import convert_all, find_bags
    from transdiffuser_planner.data.samples.sample_builder import DatasetJob
    from transdiffuser_planner.data.samples.time_range import TimeRange
    from transdiffuser_planner.training.recipe import TrainingConfig

    part = TimeRange(begin_s=args.begin_s, end_s=args.end_s)
    contract = TrainingConfig.load(args.recipe).contract() if args.recipe else CONTRACTS[args.config]
    jobs = []
    for bag in find_bags(args.bags):
        topics, rig = files_for(bag, args.preset)
        topic_map, rig_value = TopicMap.load(args.topics or topics), Rig.load(args.rig or rig)
        out = args.out / bag.stem
        jobs.append(DatasetJob(bag=bag, out=out, rig=rig_value, topics=topic_map, contract=contract, part=part))
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
