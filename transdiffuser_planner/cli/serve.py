"""Let other simulators drive with the planner."""

from __future__ import annotations

import argparse
from pathlib import Path

from transdiffuser_planner.cli.planner_settings import parameters
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL
from transdiffuser_planner.params import RIGS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of all services.

    Args:
        parser: The command's parser.
    """
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="SERVICE")
    drive = kinds.add_parser("egodriver", help="AlpaSim's driver service over gRPC (docs/how-to/alpasim.md)")
    drive.add_argument(
        "--address",
        default="127.0.0.1:50051",
        help="HOST:PORT, port 0 for a free one, or unix:/path (default: %(default)s, this machine only)",
    )
    drive.add_argument("--model", default=DEFAULT_MODEL, help="model folder or name (default: %(default)s)")
    drive.add_argument(
        "--rig",
        type=Path,
        default=RIGS / "carla.yaml",
        metavar="FILE",
        help="rig YAML: its vehicle; cameras come with each session (default: the car of the shipped model)",
    )
    drive.add_argument(
        "--without-lidar",
        choices=("plan", "refuse"),
        default="plan",
        help="plan from cameras alone, or refuse, where a session brings no LiDAR (default: %(default)s)",
    )
    drive.add_argument(
        "--client",
        choices=("auto", "alpasim", "carla"),
        default="auto",
        help="who calls: auto recognizes clients of carla-driver-interface from version 2 on (default: %(default)s)",
    )
    drive.add_argument("--max-sessions", type=int, default=32, metavar="N", help="at once (default: %(default)s)")
    drive.add_argument(
        "--idle",
        type=float,
        default=600.0,
        metavar="S",
        help="seconds without a call until a session makes room for another (default: %(default)s)",
    )
    drive.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="parameters of the planner (docs/parameters.md)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted or terminated.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: An option is out of range, or gRPC is not installed.
    """
    if not 1 <= args.max_sessions <= 1024:
        raise ConfigError(f"--max-sessions {args.max_sessions}: expected 1 .. 1024")
    if not args.idle > 0.0:
        raise ConfigError(f"--idle {args.idle:g}: expected more than 0 s")
    from transdiffuser_planner.core.planner_config import PlannerConfig
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.integrations.alpasim.server import EgodriverServer
    from transdiffuser_planner.integrations.alpasim.sessions import ServerSettings
    from transdiffuser_planner.integrations.alpasim.wire import load_wire
    from transdiffuser_planner.runtime.inference.model_paths import model_folder
    from transdiffuser_planner.runtime.planner import Planner
    from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings

    load_wire()
    given = dict(parameters(args.set, ("model", "rig")))
    config = PlannerConfig.from_dict({**given, "require_lidar": args.without_lidar == "refuse"})
    rig = Rig.load(args.rig)
    backend = Planner.load(model_folder(args.model), rig, config).backend
    settings = ServerSettings(config=config, vehicle=rig.vehicle, max_sessions=args.max_sessions, idle_s=args.idle)
    server = EgodriverServer(backend, settings, args.address, args.client, log=_print)
    apply_realtime_settings()
    _print(f"model {backend.manifest.name} answers on {server.address}")
    server.serve()
    _print("stopped")
    return 0


def _print(line: str) -> None:
    print(f"egodriver: {line}", flush=True)
