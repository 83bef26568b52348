"""Drive in a CARLA server: make vehicle, sensors and traffic, plan, drive and report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.params import RIGS

if TYPE_CHECKING:
    from transdiffuser_planner.integrations.carla.client.drive import DriveOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--host", default="127.0.0.1", help="address of the server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2000, help="port of the server (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=60.0, help="seconds to wait for an answer (default: %(default)s)"
    )
    parser.add_argument("--map", help="map to load, for example Town01; default: the one that is loaded")
    parser.add_argument("--seed", type=int, default=8000, help="of start, goal and traffic (default: %(default)s)")
    parser.add_argument(
        "--distance", type=float, default=300.0, help="least length of the route in m (default: %(default)s)"
    )
    parser.add_argument(
        "--from", dest="start", type=int, metavar="N", help="spawn point to start at; default: by the seed"
    )
    parser.add_argument(
        "--to", dest="goal", type=int, metavar="N", help="spawn point to drive to; default: by the seed"
    )
    parser.add_argument(
        "--duration", type=float, default=300.0, help="longest drive in simulated seconds (default: %(default)s)"
    )
    parser.add_argument("--traffic", type=int, default=0, metavar="N", help="vehicles driven by the Traffic Manager")
    parser.add_argument("--traffic-port", type=int, default=8000, help="of the Traffic Manager (default: %(default)s)")
    parser.add_argument("--vehicle", default="vehicle.lincoln.mkz_2020", help="blueprint (default: %(default)s)")
    parser.add_argument("--rig", type=Path, help="rig YAML: sensors, and limits of the vehicle (default: carla_mkz)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model name or folder (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the model (default: %(default)s)")
    parser.add_argument(
        "--plan-every", type=int, default=2, metavar="TICKS", help="ticks of 20 Hz between plans (default: 2)"
    )
    parser.add_argument(
        "--ros2",
        choices=("released", "development"),
        help="the server runs with --ros2: make vehicle and sensors, tick, and publish the inputs that it does not; planner and "
        "tracker are nodes with --preset carla_native",
    )
    parser.add_argument("--result", type=OutputFile, help="write the report as JSON")
    parser.add_argument(
        "--agent-path", action="store_true", help="print the file for the leaderboard's --agent, and nothing else"
    )


def run(args: argparse.Namespace) -> int:
    """Drive once.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0 when the goal was reached without a collision, else 1.

    Raises:
        ConfigError: An option is out of range.
    """
    if args.agent_path:
        from transdiffuser_planner.integrations.carla import agent

        print(Path(agent.__file__).resolve().parent / "transdiffuser_agent.py")
        return 0
    _check(args)
    from tqdm import tqdm

    from transdiffuser_planner.integrations.carla.client.connection import carla_package
    from transdiffuser_planner.integrations.carla.client.drive import DriveOptions, drive

    carla_package()
    options = DriveOptions(
        host=args.host,
        port=args.port,
        town=args.map,
        timeout_s=args.timeout,
        vehicle=args.vehicle,
        rig=Rig.load(args.rig or RIGS / ("carla_native.yaml" if args.ros2 else "carla_mkz.yaml")),
        model=args.model,
        config=PlannerConfig(num_threads=args.threads),
        seed=args.seed,
        length_m=args.distance,
        start=args.start,
        goal=args.goal,
        num_vehicles=args.traffic,
        traffic_port=args.traffic_port,
        duration_s=args.duration,
        plan_every=args.plan_every,
    )
    if args.ros2 is not None:
        return _ros2(options, args)
    with tqdm(
        unit="m", file=sys.stderr, total=args.distance, bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} m [{elapsed}]"
    ) as bar:

        def show(driven_m: float, length_m: float) -> None:
            bar.total, bar.n = length_m, min(driven_m, length_m)
            bar.refresh()

        report = drive(options, show)
    if args.result is not None:
        write_text(args.result, json.dumps(report, indent=1) + "\n")
    print(", ".join(f"{key} {value}" for key, value in report.items()))
    return 0 if report["end"] == "goal" and not report["collisions"] else 1


def _ros2(options: DriveOptions, args: argparse.Namespace) -> int:
    """Tick a server with CARLA's own ROS 2 interface until the goal or Ctrl-C."""
    from transdiffuser_planner.integrations.carla.client import ros_session
    from transdiffuser_planner.integrations.carla.native.native_names import NativeNames
    from transdiffuser_planner.ros import session

    session.init(args.ros_args)
    is_stop_requested = session.note_stop_signals()
    import rclpy

    def spin_of(node: Any) -> Callable[[], None]:
        return lambda: rclpy.spin_once(node, timeout_sec=0.0)

    try:
        end = ros_session.run(options, NativeNames.of(args.ros2), spin_of, lambda: not is_stop_requested.is_set())
    finally:
        rclpy.try_shutdown()
    print(f"end {end}")
    return 0 if end == "goal" else 1


def _check(args: argparse.Namespace) -> None:
    """Check the numbers.

    Raises:
        ConfigError: One is out of range.
    """
    for name, low, high in (
        ("port", 1, 65535),
        ("timeout", 1.0, 3600.0),
        ("distance", 10.0, 20_000.0),
        ("duration", 1.0, 86_400.0),
        ("traffic", 0, 500),
        ("traffic_port", 1, 65535),
        ("plan_every", 1, 4),
        ("threads", 1, 64),
    ):
        value = getattr(args, name)
        if not low <= value <= high:
            raise ConfigError(f"--{name.replace('_', '-')} {value}: expected {low:g} .. {high:g}")
