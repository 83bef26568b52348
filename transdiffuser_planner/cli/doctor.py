"""Check installation, model and providers, and with --live a running planner and its inputs; each fault with its remedy."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.doctor.findings import Finding
from transdiffuser_planner.params import RIGS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--model", default="tiny", help="model folder or name (default: %(default)s)")
    parser.add_argument("--rig", type=Path, default=RIGS / "carla.yaml", help="rig YAML: the vehicle and its sensors")
    parser.add_argument("--provider", default="cpu", help="required execution provider: cpu, cuda, tensorrt")
    parser.add_argument("--threads", type=int, default=2, help="threads of the model (default: %(default)s)")
    parser.add_argument("--json", type=OutputFile, metavar="FILE", help="write all findings as JSON")
    parser.add_argument("--strict", action="store_true", help="exit status 1 on warnings too")
    group = parser.add_argument_group("a running planner")
    group.add_argument("--live", action="store_true", help="check a running planner and its inputs only")
    group.add_argument("--node", default="/transdiffuser_planner", help="name of its node (default: %(default)s)")
    group.add_argument("--seconds", type=float, default=3.0, help="duration of the observation (default: %(default)s)")
    parser.epilog = "Exit status: 0 fine, 1 an error (with --strict a warning), 2 could not run."


def run(args: argparse.Namespace) -> int:
    """Check and print the findings.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0 fine, 1 an error (with '--strict' a warning).

    Raises:
        ConfigError: An option is out of range, or the folder of --json is missing.
    """
    from transdiffuser_planner.doctor import findings

    if args.json is not None and not args.json.resolve().parent.is_dir():
        raise ConfigError(f"--json {args.json}: its folder does not exist; create it, or give another file")
    if not 0.5 <= args.seconds <= 600.0:
        raise ConfigError(f"--seconds {args.seconds:g}: expected 0.5 .. 600")
    found: list[Finding] = []

    def collected() -> Iterator[Finding]:
        for finding in _live(args) if args.live else _offline(args):
            found.append(finding)
            yield finding

    for line in findings.lines(collected()):
        print(line, flush=True)
    print(findings.summary(found))
    if args.json is not None:
        write_text(args.json, findings.as_json(found))
    return findings.exit_status(found, strict=args.strict)


def _offline(args: argparse.Namespace) -> Iterator[Finding]:
    """Check everything that needs no running planner.

    Yields:
        The findings, in order.
    """
    from transdiffuser_planner.core.planner_config import PlannerConfig
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.doctor import camera_coverage, clock, machine, model, packages, ros_setup, surroundings

    config = PlannerConfig.from_dict({"provider": args.provider, "num_threads": args.threads})
    rig = Rig.load(args.rig)
    yield from packages.check()
    yield from ros_setup.check()
    yield from surroundings.check()
    yield from machine.check(config.num_threads)
    yield from clock.check()
    yield from camera_coverage.check(rig, model.contract_of(args.model))
    yield from model.check(args.model, rig, config)


def _live(args: argparse.Namespace) -> list[Finding]:
    """Check a running planner over the ROS graph."""
    from transdiffuser_planner.ros import session

    session.init(args.ros_args)
    import rclpy

    from transdiffuser_planner.ros.live_doctor.live_doctor import examine

    try:
        return examine(args.node, args.seconds)
    finally:
        rclpy.try_shutdown()
