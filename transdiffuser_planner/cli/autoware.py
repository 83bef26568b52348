"""Run the planner node with Autoware's topics, messages and vector map."""

from __future__ import annotations

import argparse
from pathlib import Path

from transdiffuser_planner.cli.plan import add_node_arguments, run_planner
from transdiffuser_planner.core.errors import ConfigError

PRESET = "autoware"
_MESSAGES = "autoware_planning_msgs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; all other settings are ROS parameters.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--map", default="", help="vector map: the .osm file that Autoware's map loader reads")
    parser.add_argument(
        "--agents",
        choices=("own", "tracked"),
        default="own",
        help="agents that the planner knows: its own detections, or Autoware's tracked objects",
    )
    parser.add_argument("--trajectory", default="/planning/trajectory", help="topic of the published Trajectory")
    add_node_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Spin the node until interrupted.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: Autoware's message packages are not installed.
        MapError: The map cannot be used.
    """
    from transdiffuser_planner.integrations.autoware.lanelets.osm_reader import read_osm

    lanelet_map = read_osm(Path(args.map)) if args.map else None
    try:
        from transdiffuser_planner.integrations.autoware.front_end import autoware_node
        from transdiffuser_planner.integrations.autoware.topics import OUTPUT_FOLDERS, autoware_remappings
        from transdiffuser_planner.ros.message_factory import message_class

        message_class(f"{_MESSAGES}/msg/Trajectory")
    except ImportError as error:
        raise ConfigError(
            f"Autoware's messages are not usable here ({error}); run 'make autoware', or source Autoware's workspace"
        ) from None
    trajectory = f"{OUTPUT_FOLDERS[False]}/trajectory"
    remappings = [(name, args.trajectory if name == trajectory else topic) for name, topic in autoware_remappings()]
    args.preset = args.preset or PRESET

    def make_node() -> object:
        return autoware_node(lanelet_map, uses_tracked_objects=args.agents == "tracked")

    return run_planner(args, make_node, remappings)
