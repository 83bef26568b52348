"""Run the planner node."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from transdiffuser_planner.messages.topic_map import TopicMap, preset_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; all other settings are ROS parameters.

    Args:
        parser: The command's parser.
    """
    add_node_arguments(parser)


def add_node_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command with a planner node has.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--preset", help="topics and rig of a known source: carla, carla_native, carla_development, kitti, autoware"
    )
    parser.add_argument("--topics", type=Path, help="topic map YAML (inputs can also be remapped with --ros-args)")
    parser.add_argument("--rig", type=Path, help="rig YAML: the vehicle and its sensors; same as the parameter 'rig'")
    parser.add_argument("--model", help="model folder or name; same as the parameter 'model'")
    parser.add_argument(
        "--no-autostart", action="store_true", help="stay unconfigured until a lifecycle manager configures the node"
    )
    parser.epilog = "After --ros-args: remappings and parameters, as for every ROS 2 node."


def run(args: argparse.Namespace) -> int:
    """Spin the node until interrupted.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """

    def make_node() -> object:
        from transdiffuser_planner.ros.planner_node.node import PlannerNode

        return PlannerNode()

    return run_planner(args, make_node)


def run_planner(args: argparse.Namespace, make_node: Callable[[], object], more: Sequence[tuple[str, str]] = ()) -> int:
    """Spin a planner node until interrupted.

    Args:
        args: Parsed options of ``add_node_arguments``.
        make_node: Makes the node, after rclpy is initialized.
        more: Further remappings (private topic, topic); those of the command line come first.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.ros import session
    from transdiffuser_planner.ros.remapping import as_ros_arguments, planner_remappings

    ros_args = [*_extra_ros_arguments(args), *args.ros_args]
    topics_file = args.topics
    if args.preset is not None and topics_file is None:
        topics_file = preset_files(args.preset)[0]
    if topics_file is not None:
        more = [*planner_remappings(TopicMap.load(topics_file)), *more]
    if more:
        ros_args = [*ros_args, "--ros-args", *as_ros_arguments(list(more))]

    def start_node(node: object) -> None:
        if not args.no_autostart:
            from transdiffuser_planner.ros.planner_node.node import PlannerNode, start

            assert isinstance(node, PlannerNode)
            start(node)

    def shut_down(node: object) -> None:
        # A thread still inside ONNX Runtime when the interpreter ends would abort the process.
        from rclpy.lifecycle import State

        from transdiffuser_planner.ros.planner_node.node import PlannerNode

        assert isinstance(node, PlannerNode)
        node.on_shutdown(State(label="active", state_id=3))
        if node.has_hung_threads:
            os._exit(0)  # a session that never came back cannot be waited for

    return session.run_node(make_node, ros_args, start_node, shut_down)


def _extra_ros_arguments(args: argparse.Namespace) -> list[str]:
    rig = args.rig
    if args.preset is not None and rig is None:
        rig = preset_files(args.preset)[1]
    words: list[str] = []
    if args.model is not None:
        words += ["-p", f"model:={args.model}"]
    if rig is not None:
        words += ["-p", f"rig:={rig}"]
    return ["--ros-args", *words] if words else []
