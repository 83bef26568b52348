"""Run the planner over recorded drives and compare its plans with the logged trajectories."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFile, OutputFolder, check_output
from transdiffuser_planner.core.errors import ConfigError, PlannerError
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.evaluation.over_dds.process_group import private_ros_environment
from transdiffuser_planner.messages.topic_map import preset_files
from transdiffuser_planner.messages.topic_matching import Choice, preset_names
from transdiffuser_planner.replay.bag_inspection import inspect, lines
from transdiffuser_planner.replay.checks.verdict import DriveVerdict, node_checks
from transdiffuser_planner.replay.compare_models import compare, comparison_lines
from transdiffuser_planner.replay.drive_check import DriveTester, Expectations, Setup, drive_name
from transdiffuser_planner.replay.node_parameters import NodeParameters, node_parameters
from transdiffuser_planner.replay.output.console import drive_lines
from transdiffuser_planner.replay.output.result_files import write_json, write_jsonl, write_junit
from transdiffuser_planner.reports.drive.page import write_report
from transdiffuser_planner.runtime.inference.model_paths import model_folder

EXIT_FAILED, EXIT_COULD_NOT_RUN = 1, 2
ReplayDrive = Callable[[str, tuple[Path, ...]], DriveVerdict]
"""Replays, prints and writes the drive of a name and its bags."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "bags", nargs="+", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag file"
    )
    parser.add_argument(
        "--inspect", action="store_true", help="only list the topics of the bags and those that the planner would use"
    )
    parser.add_argument("--one-drive", action="store_true", help="all bags are parts of one drive")
    parser.add_argument(
        "--preset", help=f"topics and rig of a known source: {', '.join(preset_names())} (default: the one that fits)"
    )
    parser.add_argument("--topics", type=Path, help="topic map YAML instead of the preset's")
    parser.add_argument("--rig", type=Path, help="sensor rig YAML instead of the preset's")
    parser.add_argument("--model", help=f"model folder or name (default: {DEFAULT_MODEL})")
    parser.add_argument(
        "--params", type=Path, help="parameter file of the node (ros__parameters): planner parameters, model, rig"
    )
    parser.add_argument(
        "--node",
        metavar="NAME",
        help="full name of the node whose parameters are read, if --params has those of several",
    )
    parser.add_argument("--run-seed", type=int, help="seed of the sampling noise (default: 0)")
    parser.add_argument(
        "--out", type=OutputFolder, help="folder for a bag with the plans, a report and result.jsonl per drive"
    )
    parser.add_argument("--conditions", type=Path, metavar="FILE", help="YAML of thresholds that the drive must keep")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="metrics of an earlier version, with tolerances")
    parser.add_argument("--golden", type=Path, metavar="FILE", help="plans of an earlier version, with tolerances")
    parser.add_argument("--update", action="store_true", help="write --baseline and --golden instead of comparing")
    parser.add_argument("--junit", type=OutputFile, metavar="FILE", help="write the checks as JUnit XML")
    parser.add_argument(
        "--jsonl", type=OutputFile, metavar="FILE", help="write every cycle's metrics and the result as JSON lines"
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="two models on the same drives, side by side; the checks apply to B",
    )
    parser.add_argument(
        "--realtime", action="store_true", help="play messages at the speed of the recording, to test deadlines"
    )
    parser.add_argument(
        "--ros", action="store_true", help="also play each bag to a planner node over DDS and compare its plans"
    )
    parser.epilog = "Exit status: 0 all checks passed, 1 one failed, 2 could not run. See docs/replay.md."


def run(args: argparse.Namespace) -> int:
    """Replay all drives and check them.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0 all checks passed, 1 one failed, 2 a drive could not be replayed.

    Raises:
        ConfigError: Options that do not go together, or two bags of the same name.
        PlannerError: The only drive cannot be replayed.
    """
    if args.preset is not None:
        preset_files(args.preset)
    drives: list[tuple[Path, ...]] = [tuple(args.bags)] if args.one_drive else [(bag,) for bag in args.bags]
    if args.inspect:
        return _inspect(args, drives)
    if args.realtime and args.ros:
        raise ConfigError("--ros plays frame by frame; it cannot be combined with --realtime")
    names = [drive_name(drive[0]) for drive in drives]
    if len(set(names)) < len(names):
        raise ConfigError("two bags have the same name; replay them one by one, or --one-drive if they are one")
    for path, option in ((args.baseline, "--baseline"), (args.golden, "--golden")) if args.update else ():
        if path is not None:
            check_output(path, option)
    args.parameters = _parameters(args)
    replay_drive = _single(args, names) if args.compare is None else _compared(args, names)
    verdicts: list[DriveVerdict] = []
    errors: dict[str, PlannerError] = {}
    for name, drive in zip(names, drives, strict=True):
        try:
            verdicts.append(replay_drive(name, drive))
        except PlannerError as error:
            if len(drives) == 1 and args.junit is None:
                raise
            print(f"transdiffuser replay: {error}", file=sys.stderr)
            errors[name] = error
    if args.jsonl is not None:
        write_jsonl(args.jsonl, verdicts)
    if args.junit is not None:
        write_junit(args.junit, verdicts, errors)
    if errors:
        return EXIT_COULD_NOT_RUN
    return 0 if all(verdict.has_passed for verdict in verdicts) else EXIT_FAILED


def _single(args: argparse.Namespace, names: list[str]) -> ReplayDrive:
    """Replay, print and write one drive."""
    tester = DriveTester(_setup(args), _expectations(args))
    tester.expect_drives(names)

    def replay_drive(name: str, drive: tuple[Path, ...]) -> DriveVerdict:
        choice = tester.choose(drive)
        out = None if args.out is None else _create(args.out) / name
        with _over_dds(drive, args, choice) if args.ros else nullcontext() as player, _progress(name) as bar:
            verdict = tester.run(drive, choice, out, _Watch(bar, player))
        if player is not None:
            checks = node_checks(**asdict(player.result))
            verdict = replace(verdict, checks=(*verdict.checks, *checks))
        for line in drive_lines(verdict):
            print(line)
        if args.update:
            written = [str(path) for path in (args.baseline, args.golden) if path is not None]
            print(f"wrote  {', '.join(written)}" if verdict.has_passed else "nothing written: the drive failed")
        if out is not None:
            _write_results(out, verdict)
        return verdict

    return replay_drive


def _compared(args: argparse.Namespace, names: list[str]) -> ReplayDrive:
    """Replay a drive with two models and check B; with --out, one bag holds B's plans and A's (below /reference).

    Raises:
        ConfigError: Options that do not go together.
    """
    if args.update or args.ros:
        raise ConfigError("--compare: cannot be combined with --update or --ros")
    setups = [replace(_setup(args), model=model) for model in args.compare]
    testers = [DriveTester(setups[0], Expectations()), DriveTester(setups[1], _expectations(args))]
    testers[1].expect_drives(names)

    def replay_drive(name: str, drive: tuple[Path, ...]) -> DriveVerdict:
        choice = testers[0].choose(drive)
        outs = [None, None] if args.out is None else [_create(args.out) / f"{name}_a", args.out / name]
        with _progress(name) as bar:
            first = testers[0].run(drive, choice, outs[0], _Watch(bar))
            second = testers[1].run(drive if outs[0] is None else (outs[0],), choice, outs[1], _Watch(bar), name=name)
        found = compare(first, second)
        for line in (*drive_lines(second), *comparison_lines(found)):
            print(line)
        if outs[1] is not None:
            write_json(outs[1] / "comparison.json", asdict(found))
            _write_results(outs[1], second)
        return second

    return replay_drive


def _create(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: cannot be created ({error.strerror}); give another folder") from None
    return folder


def _progress(name: str) -> Any:
    from tqdm import tqdm

    return tqdm(unit="cycle", desc=name, file=sys.stderr, disable=None)


def _write_results(out: Path, verdict: DriveVerdict) -> None:
    """Write result and report into the folder of a drive."""
    choice = verdict.choice
    write_jsonl(out / "result.jsonl", [verdict])
    print(f"report {write_report(out, out / 'report.html', topics=choice.topics, rig=choice.rig)}")


def _parameters(args: argparse.Namespace) -> NodeParameters:
    """Parameters from a file, the seed from the command line; options override the file's model and rig.

    Raises:
        ConfigError: --node without --params.
    """
    if args.params is None and args.node is not None:
        raise ConfigError("--node names a node of a parameter file; give the file with --params")
    found = NodeParameters() if args.params is None else node_parameters(args.params, args.node)
    values = dict(found.values)
    model, rig = values.pop("model", None), values.pop("rig", None)
    args.model = args.model or model or DEFAULT_MODEL
    args.rig = args.rig or (Path(rig) if rig else None)
    if args.run_seed is not None:
        values["run_seed"] = args.run_seed
    return replace(found, values=values)


def _setup(args: argparse.Namespace) -> Setup:
    return Setup(
        model=args.model,
        preset=args.preset,
        topics_file=args.topics,
        rig_file=args.rig,
        config=PlannerConfig.from_dict(args.parameters.values),
        node=args.parameters.node,
        qos_overrides=args.parameters.qos,
        is_realtime=args.realtime,
        is_pipelined=not args.ros,
    )


def _expectations(args: argparse.Namespace) -> Expectations:
    return Expectations(conditions=args.conditions, baseline=args.baseline, golden=args.golden, is_update=args.update)


def _inspect(args: argparse.Namespace, drives: list[tuple[Path, ...]]) -> int:
    """Print the content of the bags; returns 1 when one of them cannot be replayed unchanged."""
    num_unusable = 0
    for drive in drives:
        with BagReader(*drive) as bag:
            found = inspect(bag, preset=args.preset, topics_file=args.topics, rig_file=args.rig)
        for line in lines(found):
            print(line)
        num_unusable += bool(found.why_not)
    return EXIT_FAILED if num_unusable else 0


def _over_dds(drive: tuple[Path, ...], args: argparse.Namespace, choice: Choice) -> Any:
    """A planner node on a private domain, and the player of its inputs."""
    environment = private_ros_environment()
    os.environ.update(environment)
    from transdiffuser_planner.ros.testbench.node_replay import ReplayedNode, playing_to_node

    node = ReplayedNode(model=model_folder(args.model), parameters=args.parameters.values, environment=environment)
    return playing_to_node(drive, choice, node)


class _Watch:
    """Progress bar, and the player of a node, if any."""

    def __init__(self, bar: Any, player: Any = None) -> None:
        self._bar, self._player = bar, player

    def message(self, item: Any) -> None:
        if self._player is not None:
            self._player.play(item)

    def cycle(self, cycle: Any) -> None:
        self._bar.update(1)
        if self._player is not None:
            self._player.compare(cycle)
