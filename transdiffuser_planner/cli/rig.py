"""Write a rig file and a topic map from the camera_info and transforms of a recorded drive."""

from __future__ import annotations

import argparse
from pathlib import Path

from transdiffuser_planner.cli.output_paths import OutputFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "bag",
        type=Path,
        metavar="BAG",
        help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag file with camera_info and /tf_static",
    )
    parser.add_argument("--out", type=OutputFile, required=True, metavar="FILE", help="rig YAML to write")
    parser.add_argument("--topics", type=OutputFile, metavar="FILE", help="also write the topic map that goes with it")
    parser.add_argument(
        "--base", default="base_link", help="frame of the rear axle's center on the ground (default: %(default)s)"
    )
    parser.add_argument(
        "--cameras", nargs="+", default=(), metavar="NAME", help="only these cameras, from left to right"
    )
    parser.add_argument("--lidar", default="", metavar="TOPIC", help="point cloud to use where there are several")
    parser.add_argument("--odometry", default="", metavar="TOPIC", help="odometry to use where there are several")


def run(args: argparse.Namespace) -> int:
    """Read the bag, write the files, print notes on what to check.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.data.bags.bag_reader import BagReader
    from transdiffuser_planner.data.bags.rig_files import write_rig, write_topic_map
    from transdiffuser_planner.doctor.rig_from_bag import SensorSelection, draft_rig

    choice = SensorSelection(base=args.base, cameras=tuple(args.cameras), lidar=args.lidar, odometry=args.odometry)
    with BagReader(args.bag) as bag:
        draft = draft_rig(bag, choice)
        damages = bag.damages
    head = f"Written by `transdiffuser rig` from camera_info, frames and transforms of {args.bag.name}."
    write_rig(args.out, draft.rig, head=(head,), base=args.base)
    sensors = [f"camera {camera.name}" for camera in draft.rig.cameras] + (["lidar"] if draft.rig.lidar else [])
    print(f"rig    {args.out}: {', '.join(sensors)}")
    if args.topics is not None:
        write_topic_map(args.topics, draft.topics)
        print(f"topics {args.topics}")
    for line in damages:
        print(f"damage {line}")
    for note in draft.notes:
        print(f"look at {note}")
    return 0
