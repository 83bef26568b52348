"""The console program `transdiffuser`: one subcommand per file beside this one."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import transdiffuser_planner
from transdiffuser_planner.core.errors import PlannerError

COMMANDS = {
    "demo": "drive a car through live traffic on ROS 2 and make a report",
    "plan": "run the planner node",
    "track": "run the tracker node: follow the planned trajectory",
    "simulate": "drive the simulated vehicle through live traffic, on ROS 2 topics or recorded into bags",
    "replay": "run the planner over a recorded drive and compare with what the driver did",
    "evaluate": "measure a model in closed loop and open loop on unseen scenarios, and score plans in scenes",
    "rig": "write a rig file and a topic map from the calibration in a recorded drive",
    "report": "make the HTML report of a recorded drive",
    "dataset": "turn bags into training samples",
    "train": "train a model from samples",
    "ablate": "train one model per ablation: the same recipe with one thing changed",
    "export": "export a trained model as ONNX graphs with a manifest",
    "quantize": "add int8 graphs to a model and measure what they do to plans",
    "doctor": "check the installation, the model and a running planner; say what to do about each fault",
    "benchmark": "measure the planning cycle, the simulator and the scorer on this machine",
}
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; a bad input is one line on stderr and exit status 2."""
    arguments, ros_args = _split(list(sys.argv[1:] if argv is None else argv))
    chosen = [word for word in arguments if word in COMMANDS][:1]
    parser, modules = command_line(chosen)
    args = parser.parse_args(arguments)
    args.ros_args = ros_args
    if args.command not in modules:
        parser.error("no command given")
    try:
        return int(modules[args.command].run(args))
    except PlannerError as error:
        print(f"transdiffuser {args.command}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(f"transdiffuser {args.command}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def command_line(names: Iterable[str]) -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """The program's parser.

    Args:
        names: Subcommands to import and to give their options; the others are listed only, which keeps the start short.

    Returns:
        The parser, and the modules of these subcommands by name.
    """
    parser = argparse.ArgumentParser(
        prog="transdiffuser", description="Diffusion planner for automated driving.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"transdiffuser {transdiffuser_planner.__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules: dict[str, Any] = {}
    wanted = set(names)
    for name, summary in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary.capitalize() + ".", allow_abbrev=False)
        if name in wanted:
            modules[name] = importlib.import_module(f"transdiffuser_planner.cli.{name}")
            modules[name].add_arguments(sub)
    return parser, modules


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """This program's arguments, and ROS 2's from ``--ros-args`` on."""
    first = words.index("--ros-args") if "--ros-args" in words else len(words)
    return words[:first], words[first:]


if __name__ == "__main__":
    sys.exit(main())
