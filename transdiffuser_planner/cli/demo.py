"""Drive a car through live traffic on ROS 2 and write a report.

Simulator, planner and tracker are separate processes that communicate over DDS on a private domain of this machine. This
process monitors them: a status line, a bag of all topics, and at the end the report.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.cli.simulate import MAP_HELP, check_map
from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL
from transdiffuser_planner.evaluation.over_dds.process_group import ProcessGroup, private_ros_environment
from transdiffuser_planner.runtime.inference.model_paths import model_folder

SIMULATOR_NICENESS = 5
"""On a vehicle the world costs no computing time: here it yields to the planner."""
MONITOR_NICENESS = 10
"""Recording and reporting yield to both."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--seed", type=int, default=8003, help="scenario seed (default: %(default)s)")
    parser.add_argument("--map", help=f"{MAP_HELP}; default: drawn from the seed")
    parser.add_argument("--duration", type=float, default=60.0, help="seconds of driving (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model folder or name (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=OutputFolder,
        default=OutputFolder("demo_output"),
        help="folder for results (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Drive, then write the report.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0, or 1 when no plan was published.
    """
    check_map(args.map)
    model = model_folder(args.model)
    out = _new_folder(args.out)
    environment = private_ros_environment()
    os.environ.update(environment)
    print(f"demo: seed {args.seed}, {args.duration:.0f} s, model {model.name}; results in {out}")
    from transdiffuser_planner.integrations.carla import ros_bridge
    from transdiffuser_planner.ros.testbench.demo_monitor import DemoMonitor

    group = ProcessGroup({**os.environ, **environment}, out)
    try:
        on_simulation_time = ["--ros-args", "-p", "use_sim_time:=true"]
        group.start("planner", ["plan", "--preset", "carla", "--model", str(model), *on_simulation_time])
        group.start("tracker", ["track", "--preset", "carla", *on_simulation_time])
        group.start("simulator", _simulate(args, out), niceness=SIMULATOR_NICENESS)
        os.nice(MONITOR_NICENESS)
        monitor = DemoMonitor(ros_bridge.topic_map(), out / "bag", args.duration)
        try:
            monitor.until_done(group)
        finally:
            monitor.close()
    finally:
        group.stop()
    return _finish(out, monitor.summary())


def _simulate(args: argparse.Namespace, out: Path) -> list[str]:
    """Arguments of the simulator's process."""
    from transdiffuser_planner.ros.testbench.demo_monitor import START_TIMEOUT_S

    words = ["simulate", "--seed", str(args.seed), "--duration", str(args.duration), "--wait", str(START_TIMEOUT_S)]
    return [*words, "--result", str(out / "result.json"), *(["--map", args.map] if args.map else [])]


def _new_folder(parent: Path) -> Path:
    """A fresh folder below parent, named by the time."""
    folder = parent / time.strftime("%Y%m%d_%H%M%S")
    folder.mkdir(parents=True, exist_ok=False)
    return folder


def _finish(out: Path, planning: dict[str, Any]) -> int:
    """Print the results and write the report."""
    from transdiffuser_planner.reports.drive.page import write_report

    result = json.loads((out / "result.json").read_text(encoding="utf-8")) | planning
    write_text(out / "result.json", json.dumps(result, indent=1) + "\n")
    print(
        f"{result['simulated_s']:.0f} s, {result['progress_m']:.0f} m, ended by {result['end_reason']}; "
        f"at-fault collisions {result['at_fault_collisions']}, others {result['other_collisions']}, "
        f"off the road {result['off_road_s']:.1f} s"
    )
    print(
        f"{result['plans']} plans, median {result['plan_ms_median']} ms, p99 {result['plan_ms_p99']} ms, "
        f"fallbacks {result['fallbacks']}; peak memory {result['peak_memory_mb']} MB"
    )
    causes = ", ".join(f"{cause} {count}" for cause, count in result["fallback_causes"].items())
    print(f"fallbacks by cause: {causes}")
    print(f"simulated {result['realtime_factor']:.2f} times real time, {result['late_steps']} frames late")
    page = write_report(out / "bag", out / "report.html")
    print(f"bag    {out / 'bag'}\nreport {page}")
    return 0 if result["plans"] else 1
