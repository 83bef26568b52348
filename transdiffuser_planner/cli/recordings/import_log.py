"""Write a log of a data set as a bag, with everything that the other commands need to work with it."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="folder or file of one log; its data set is recognized by the content",
    )
    parser.add_argument("--out", type=OutputFolder, required=True, metavar="BAG", help="bag to write, a new folder")
    parser.add_argument(
        "--source",
        dest="kind",
        metavar="NAME",
        help="read it as argoverse2, py123d, openscene, scenarionet, or by a plug-in",
    )
    parser.add_argument(
        "--cameras",
        nargs="+",
        default=(),
        metavar="NAME",
        help="cameras of the bag, or 'all' (default: those that look ahead)",
    )
    parser.epilog = "Data sets, frames, and what is missing from each: docs/how-to/data-sets.md."


def run(args: argparse.Namespace) -> int:
    """Read the log, write the bag, and print license, content and what is missing.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: The source is unknown or a bag already.
    """
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import ConfigError
    from transdiffuser_planner.core.rig import BAG_RIG_NAME
    from transdiffuser_planner.data.logs.drive_log import LogRequest
    from transdiffuser_planner.data.logs.importing.import_log import count_frames, import_log
    from transdiffuser_planner.data.logs.log_sources import ROSBAG, read_log, recognize
    from transdiffuser_planner.messages.topic_map import OWN_TOPICS, TopicMap

    kind = args.kind or recognize(args.source)
    if kind == ROSBAG:
        raise ConfigError(f"{args.source}: is a bag already; the other commands read it as it is")
    log = read_log(LogRequest(path=args.source, topics=TopicMap()), kind)
    if log.data_set is not None:
        print(f"data set {log.data_set.name}, log {log.name}")
        print(f"license  {log.data_set.license}, stated at {log.data_set.stated_at}")
    with tqdm(total=count_frames(log, args.cameras), unit="frame", file=sys.stderr) as bar:
        result = import_log(log, args.out, args.cameras, lambda: bar.update(1))
    for line in _content(log, result):
        print(line)
    size_mb = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file()) / 1e6
    print(f"bag      {args.out} ({size_mb:.1f} MB), with {BAG_RIG_NAME} and {OWN_TOPICS}, which the other commands use")
    return 0


def _content(log: Any, result: Any) -> list[str]:
    """Lines about what the bag holds and what it does not."""
    states = log.ego.states
    xy = [(state.x_m, state.y_m) for state in states]
    distance_m = sum(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 for (x0, y0), (x1, y1) in itertools.pairwise(xy))
    duration_s = (states[-1].stamp_ns - states[0].stamp_ns) * 1e-9
    cameras = len(result.rig.cameras) if result.num_images else 0
    lines = [
        f"drive    {duration_s:.1f} s, {distance_m:.0f} m, {len(log.agents)} agents, {len(log.lanes)} lanes, "
        f"{result.num_images} images of {cameras} cameras, {result.num_sweeps} LiDAR sweeps"
    ]
    wanted = ("acceleration", "route", "command", "speed_limit", "traffic_signal", "objects", "map")
    absent = [name for name in wanted if name not in log.inputs]
    lines += [f"absent   {', '.join(absent)}"] if absent else []
    if log.drives_on_left:
        lines.append("traffic  keeps to the left")
    lines += [f"note     {note}" for note in log.notes]
    lines += [f"rejected {count} x {reason}" for reason, count in (log.rejected + result.unread).items()]
    return lines
