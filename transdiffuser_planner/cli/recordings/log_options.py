"""Options of commands that drive in recorded drives, and the windows that they select."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transdiffuser_planner.core.errors import ConfigError

if TYPE_CHECKING:
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.planners.registry import PlannerSpec
    from transdiffuser_planner.simulation.log_world.log_scenario import LogPlace, LogScenario
    from transdiffuser_planner.simulation.log_world.log_windows import WindowChoice


def add_log_arguments(group: Any) -> None:
    """Add the options of how logs are read and driven.

    Args:
        group: Parser or group of one.
    """
    group.add_argument("--source", metavar="NAME", help="kind of the logs (default: recognized by their files)")
    group.add_argument("--preset", default="carla", help="topics of bags: params/topics (default: %(default)s)")
    group.add_argument("--topics", type=Path, metavar="FILE", help="topic map YAML instead of the preset's")
    group.add_argument(
        "--reactive",
        action="store_true",
        help="recorded vehicles yield to a vehicle that deviates from the log (default: all is replayed)",
    )
    group.add_argument(
        "--no-assumed-signals",
        dest="assume_signals",
        action="store_false",
        help="no red light where the human of a log without signals waits at a free junction",
    )


def add_window_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of suites in windows of logs.

    Args:
        parser: The suite's parser.
    """
    group = parser.add_argument_group("windows of recorded drives instead of seeds (docs/how-to/log-worlds.md)")
    group.add_argument("--logs", nargs="+", type=Path, metavar="LOG", help="bags with ground truth, logs of data sets")
    group.add_argument("--window", type=float, default=8.0, help="seconds per window (default: %(default)s)")
    group.add_argument("--stride", type=float, help="seconds from window to window (default: a window)")
    group.add_argument(
        "--rig", type=Path, metavar="FILE", help="rig YAML instead of the log's calibration, or of the suites' rig"
    )
    add_log_arguments(group)


def check_window(window_s: float, stride_s: float) -> None:
    """Check the options --window and --stride.

    Args:
        window_s: Length of a window.
        stride_s: From begin to begin.

    Raises:
        ConfigError: One is out of range.
    """
    if not 1.0 <= window_s <= 600.0:
        raise ConfigError(f"--window {window_s:g}: expected 1 .. 600 s")
    if not 0.1 <= stride_s <= 600.0:
        raise ConfigError(f"--stride {stride_s:g}: expected 0.1 .. 600 s")


def windows_of_logs(
    logs: list[Path], args: argparse.Namespace, *, window_s: float, stride_s: float
) -> list[LogScenario]:
    """Return the windows of all logs; what is missing in a log is one line each on stderr.

    Args:
        logs: Folders or files.
        args: Parsed options of ``add_log_arguments``, and ``rig``.
        window_s: Length of a window.
        stride_s: From begin to begin.

    Raises:
        PlannerError: No log has a window; of several logs, those that have none are named and left out.
    """
    from transdiffuser_planner.core.errors import PlannerError
    from transdiffuser_planner.simulation.log_world.log_windows import log_scenarios

    check_window(window_s, stride_s)
    choice = _choice(args, window_s, stride_s)
    found: list[LogScenario] = []
    failures: list[PlannerError] = []
    for path in logs:
        try:
            scenarios, lines = log_scenarios(_place(path, args), choice, len(found))
        except PlannerError as error:
            failures.append(error)
            continue
        found += scenarios
        for line in lines:
            print(line, file=sys.stderr)
    if not found:
        raise failures[0]
    for failure in failures:
        print(f"left out: {failure}", file=sys.stderr)
    return found


def rig_of_seeds(args: argparse.Namespace, specs: Sequence[PlannerSpec]) -> Rig | None:
    """Return the rig of --rig for scenarios of seeds; None for the suites' own, and for logs, whose windows hold theirs.

    Args:
        args: Parsed options of 'evaluate suite'.
        specs: Planners that will drive.

    Raises:
        ConfigError: The file is invalid, it has no LiDAR while a model needs one, or the drive is over ROS.
    """
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.planners.registry import suite_config

    if args.rig is None or args.logs is not None:
        return None
    if args.ros:
        raise ConfigError("--rig: drives over ROS are with the suites' own rig; leave out one of --rig, --ros")
    rig = Rig.load(args.rig)
    if rig.lidar is None and any(spec.is_model and suite_config(spec).require_lidar for spec in specs):
        raise ConfigError(f"--rig {args.rig}: has no lidar, which plans need; add --set require_lidar=false")
    return rig


def chosen_window(args: argparse.Namespace) -> LogScenario:
    """Return the window that --log, --begin and --duration select; what is missing in the log is one line each on stderr.

    Args:
        args: Parsed options of ``simulate``.

    Raises:
        PlannerError: The log cannot be driven there.
    """
    from transdiffuser_planner.simulation.log_world.log_windows import log_scenario

    place, choice = _place(args.log, args), _choice(args, args.duration or 1.0, 1.0)
    scenario, lines = log_scenario(place, choice, args.begin, args.duration)
    for line in lines:
        print(line, file=sys.stderr)
    return scenario


def record_log(scenario: LogScenario, out: Path, sensor_every: int) -> int:
    """Record the human's drive with simulated sensors.

    Args:
        scenario: The window.
        out: Folder for the bag.
        sensor_every: Steps of 0.1 s between sensor frames.

    Returns:
        Exit status.
    """
    from tqdm import tqdm

    from transdiffuser_planner.simulation.log_world.log_recorder import record_human

    with tqdm(total=round(10.0 * scenario.duration_s) + 1, unit="step", file=sys.stderr) as bar:
        path = record_human(scenario, out, sensor_every, lambda: bar.update(1))
    print(f"recorded {path}")
    return 0


def _choice(args: argparse.Namespace, window_s: float, stride_s: float) -> WindowChoice:
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.planners.registry import suite_rig
    from transdiffuser_planner.simulation.log_world.log_windows import WindowChoice

    return WindowChoice(
        window_s=window_s,
        stride_s=stride_s,
        reactive=args.reactive,
        rig=None if args.rig is None else Rig.load(args.rig),
        default_rig=suite_rig(),
        assume_signals=args.assume_signals,
    )


def _place(path: Path, args: argparse.Namespace) -> LogPlace:
    """The log with its source."""
    from transdiffuser_planner.data.logs.log_sources import recognize
    from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
    from transdiffuser_planner.simulation.log_world.log_scenario import LogPlace

    topics = TopicMap.load(args.topics or preset_files(args.preset)[0])
    return LogPlace(path=path.resolve(), source=args.source or recognize(path), topics=topics)
