"""Run the tracker node: follow the planned trajectory."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--preset",
        choices=("carla", "carla_native", "carla_development"),
        help="topics of CARLA's bridge, or of CARLA's own ROS 2 interface",
    )
    parser.add_argument(
        "--output",
        choices=("ackermann", "control"),
        default="ackermann",
        help="with CARLA's own ROS 2 interface: AckermannDriveStamped, or throttle, brake and steering (default: %(default)s)",
    )
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
    from transdiffuser_planner.messages.topic_map import preset_files
    from transdiffuser_planner.ros import session
    from transdiffuser_planner.ros.remapping import as_ros_arguments

    ros_args = list(args.ros_args)
    if args.preset == "carla":
        remappings = ros_bridge.tracker_remappings(ros_bridge.topic_map())
        ros_args = ["--ros-args", *as_ros_arguments(remappings), *ros_args]

    is_native = args.preset in ("carla_native", "carla_development")
    if is_native:
        from transdiffuser_planner.integrations.carla.native.native_tracker import tracker_remappings

        ros_args = ["--ros-args", *as_ros_arguments(tracker_remappings(args.output)), *ros_args]
        args.rig = args.rig or preset_files(args.preset)[1]
    if args.rig is not None:
        ros_args = ["--ros-args", "-p", f"rig:={args.rig}", *ros_args]

    def make_node() -> object:
        if is_native:
            from transdiffuser_planner.integrations.carla.native.native_tracker import NativeTrackerNode

            return NativeTrackerNode(args.output)
        from transdiffuser_planner.ros.tracker_node import TrackerNode

        return TrackerNode()

    return session.run_node(make_node, ros_args)
