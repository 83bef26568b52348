"""The console program `transdiffuser`: one subcommand per file of this folder and of `training/`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import transdiffuser_planner
from transdiffuser_planner.cli.output_paths import check_outputs
from transdiffuser_planner.cli.renamed import check_not_renamed
from transdiffuser_planner.cli.standard_streams import enduring_streams, open_missing_streams, use_utf8
from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.files import describe, reason

COMMANDS = {
    "demo": "drive a car through live traffic on ROS 2 and write a report",
    "plan": "run the planner node",
    "autoware": "run the planner node with Autoware's topics, messages and vector map",
    "track": "run the tracker node: follow the planned trajectory",
    "simulate": "drive the simulated vehicle through live traffic, on ROS 2 topics or recorded into bags",
    "serve": "let other simulators drive with the planner: AlpaSim's egodriver service",
    "carla": "drive in a CARLA server: make vehicle, sensors and traffic, plan, drive and report",
    "replay": "run the planner over a recorded drive and compare it with the logged trajectory",
    "evaluate": "measure a model in closed loop and open loop on unseen scenarios, and score plans in scenes",
    "import": "write a log of a data set (Argoverse 2, py123d, ScenarioNet) as a bag with ground truth and rig file",
    "rig": "write a rig file and a topic map from the calibration in a recorded drive",
    "report": "write the HTML report of a recorded drive",
    "dataset": "convert bags into training samples",
    "score-candidates": "compute PDM sub-scores of a model's candidates in recorded drives, to train the scorer",
    "train": "train a model from samples",
    "improve": "fine-tune a model on its own failures in closed loop, in rounds",
    "ablate": "train one model per ablation: the same recipe with one change each",
    "export": "export a trained model as ONNX graphs with a manifest",
    "quantize": "add int8 graphs to a model and measure how far they shift plans",
    "model-card": "write a model's README.md from its manifest and its measured results",
    "doctor": "check the installation, the model and a running planner; give a remedy for each fault",
    "benchmark": "measure the planning cycle, the simulator and the scorer on this machine",
}
FOLDERS = {
    "training": ("dataset", "score-candidates", "train", "improve", "ablate", "export", "quantize", "model-card"),
    "recordings": ("replay", "report", "import"),
}
"""Commands whose module is in a folder of this name."""
MODULES = {"import": "import_log"}
"""Commands whose name cannot be that of a module."""
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: Arguments without the program's name; default: those of the process.

    Returns:
        Exit status; 2 for a bad input, with one line on stderr. A reader of the output that ends early changes nothing.
    """
    if argv is None:
        use_utf8()
        open_missing_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    with enduring_streams() as failures:
        status = _run(words)
    for failure in failures[:1]:
        print(f"transdiffuser: the output is incomplete ({reason(failure)}); send it elsewhere", file=sys.stderr)
        status = EXIT_BAD_INPUT
    return status


def _run(words: list[str]) -> int:
    """Run a subcommand; every error that a user can cause is one line on stderr."""
    arguments, ros_args = _split(words)
    chosen = [word for word in arguments if word in COMMANDS][:1]
    command = chosen[0] if chosen else ""
    try:
        check_not_renamed(arguments)
        parser, modules = command_line(chosen)
        args = parser.parse_args(arguments)
        args.ros_args = ros_args
        if args.command not in modules:
            parser.error("no command given")
        check_outputs(args)
        return int(modules[args.command].run(args))
    except PlannerError as error:
        print(f"transdiffuser {command}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except OSError as error:  # a full disk, a read-only folder: whatever the system refuses in the middle of the work
        print(f"transdiffuser {command}: {describe(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(f"transdiffuser {command}: interrupted", file=sys.stderr)
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
    loaded = set(names)
    for name, summary in COMMANDS.items():
        description = summary[0].upper() + summary[1:] + "."
        sub = subparsers.add_parser(name, help=summary, description=description, allow_abbrev=False)
        if name in loaded:
            modules[name] = importlib.import_module(_module(name))
            modules[name].add_arguments(sub)
    return parser, modules


def _module(name: str) -> str:
    folder = next((f"{folder}." for folder, names in FOLDERS.items() if name in names), "")
    return f"transdiffuser_planner.cli.{folder}{MODULES.get(name, name).replace('-', '_')}"


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """This program's arguments, and ROS 2's from ``--ros-args`` on."""
    first = words.index("--ros-args") if "--ros-args" in words else len(words)
    return words[:first], words[first:]


if __name__ == "__main__":
    sys.exit(main())
