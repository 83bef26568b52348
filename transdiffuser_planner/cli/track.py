"""Run the tracker node: follow the planned trajectory."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--preset", choices=("carla",), help="topics of CARLA's bridge")
    parser.add_argument("--rig", type=Path, help="rig YAML with the vehicle; same as the parameter 'rig'")
    parser.epilog = "After --ros-args: remappings and parameters, as for every ROS 2 node."


def run(args: argparse.Namespace) -> int:
    """Spin the node until interrupted.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.integrations.carla import ros_bridge
    from transdiffuser_planner.ros import session
    from transdiffuser_planner.ros.remapping import as_ros_arguments

    ros_args = list(args.ros_args)
    if args.preset == "carla":
        remappings = ros_bridge.tracker_remappings(ros_bridge.topic_map())
        ros_args = ["--ros-args", *as_ros_arguments(remappings), *ros_args]

    if args.rig is not None:
        ros_args = ["--ros-args", "-p", f"rig:={args.rig}", *ros_args]

    def make_node() -> object:
        from transdiffuser_planner.ros.tracker_node import TrackerNode

        return TrackerNode()

    return session.run_node(make_node, ros_args)
