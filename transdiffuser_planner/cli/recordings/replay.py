"""Run the planner over recorded drives and compare its plans with the logged trajectories."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from transdiffuser_planner.cli.output_paths import OutputFile, OutputFolder, check_output
from transdiffuser_planner.cli.recordings.replay_drives import DriveJob, replay_drives
from transdiffuser_planner.core.errors import ConfigError, PlannerError
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.topic_map import preset_files
from transdiffuser_planner.messages.topic_matching import preset_names
from transdiffuser_planner.replay.bag_inspection import inspect, lines
from transdiffuser_planner.replay.checks.verdict import DriveVerdict
from transdiffuser_planner.replay.drive_check import DriveTester, Expectations, Setup, drive_name
from transdiffuser_planner.replay.node_parameters import NodeParameters, node_parameters
from transdiffuser_planner.replay.output.result_files import write_jsonl, write_junit

EXIT_FAILED, EXIT_COULD_NOT_RUN = 1, 2


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
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="drives replayed at a time, in processes (default: 1)"
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
    jobs = _jobs(args, names, drives)
    begin = time.perf_counter()
    verdicts: list[DriveVerdict] = []
    errors: dict[str, PlannerError] = {}
    for outcome in replay_drives(jobs, args.workers):
        if outcome.verdict is not None:
            verdicts.append(outcome.verdict)
        if outcome.error is not None:
            if len(drives) == 1 and args.junit is None:
                raise outcome.error
            print(f"transdiffuser replay: {outcome.error}", file=sys.stderr)
            errors[outcome.name] = outcome.error
    if len(verdicts) > 1:
        recorded_s, passed_s = sum(verdict.result.duration_s for verdict in verdicts), time.perf_counter() - begin
        speed = f"{recorded_s:.1f} s in {passed_s:.1f} s: {recorded_s / passed_s:.1f} times real time"
        print(f"replayed {len(verdicts)} drives, {speed}")
    if args.jsonl is not None:
        write_jsonl(args.jsonl, verdicts)
    if args.junit is not None:
        write_junit(args.junit, verdicts, errors)
    if errors:
        return EXIT_COULD_NOT_RUN
    return 0 if all(verdict.has_passed for verdict in verdicts) else EXIT_FAILED


def _jobs(args: argparse.Namespace, names: list[str], drives: list[tuple[Path, ...]]) -> list[DriveJob]:
    """Everything that the replay of each drive needs; files of expectations are checked before the first drive.

    Raises:
        ConfigError: Options that do not go together, a file is invalid, or --out cannot be created.
    """
    if args.compare is not None and (args.update or args.ros):
        raise ConfigError("--compare: cannot be combined with --update or --ros")
    if args.workers < 1:
        raise ConfigError(f"--workers {args.workers}: give 1 or more")
    if args.workers > 1 and (args.realtime or args.ros):
        raise ConfigError("--workers: drives in real time, and to a node, are replayed one at a time; omit it")
    setup, expectations = _setup(args), _expectations(args)
    for model in args.compare or [setup.model]:
        DriveTester(replace(setup, model=model), expectations).expect_drives(names)
    if args.out is not None:
        _create(args.out)
    node_parameters = args.parameters.values if args.ros else None
    return [
        DriveJob(
            name=name,
            bags=bags,
            setup=setup,
            expectations=expectations,
            models=None if args.compare is None else tuple(args.compare),
            out=None if args.out is None else Path(args.out),
            node_parameters=node_parameters,
        )
        for name, bags in zip(names, drives, strict=True)
    ]


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: cannot be created ({error.strerror}); give another folder") from None


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
