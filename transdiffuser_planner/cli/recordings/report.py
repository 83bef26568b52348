"""Write the HTML report of a recorded drive."""

from __future__ import annotations

import argparse
from pathlib import Path

from transdiffuser_planner.cli.output_paths import OutputFile, check_output
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.topic_map import TopicMap, files_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag file")
    parser.add_argument(
        "--out", type=OutputFile, metavar="FILE", help="page to write (default: report.html in the bag's folder)"
    )
    parser.add_argument("--title", help="heading of the page (default: the bag's name)")
    parser.add_argument(
        "--preset", help="topics and rig of a known source: carla, kitti (default: the bag's own, else carla)"
    )
    parser.add_argument("--topics", type=Path, metavar="FILE", help="topic map YAML instead of the preset's")
    parser.add_argument("--rig", type=Path, metavar="FILE", help="sensor rig YAML instead of the preset's")


def run(args: argparse.Namespace) -> int:
    """Write the page and print its path.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.reports.drive.page import write_report

    topics, rig = files_for(args.bag, args.preset)
    folder = args.bag.parent if args.bag.is_file() else args.bag
    out = args.out or folder / "report.html"
    check_output(out, "--out")
    page = write_report(
        args.bag,
        out,
        args.title,
        topics=TopicMap.load(args.topics or topics),
        rig=Rig.load(args.rig or rig),
    )
    print(f"report {page} ({page.stat().st_size / 1e6:.1f} MB)")
    return 0
