"""Drive the simulated vehicle through live traffic, on ROS 2 topics or recorded into bags."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from transdiffuser_planner.cli.output_paths import OutputFile, OutputFolder
from transdiffuser_planner.cli.recordings.log_options import add_log_arguments, chosen_window, record_log
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.parallel import add_ray_argument
from transdiffuser_planner.params import RECIPES, RIGS

if TYPE_CHECKING:
    from transdiffuser_planner.simulation.log_world.log_scenario import LogScenario
    from transdiffuser_planner.simulation.scenario import Scenario
    from transdiffuser_planner.simulation.variation.recipe import RecordingRecipe

MAP_HELP = "map name, carla:Town03, SUMO network file or OpenDRIVE file (.xodr)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--map", help=f"{MAP_HELP}; default: drawn from the seed")
    parser.add_argument("--seed", type=int, default=8000, help="scenario seed (default: %(default)s)")
    parser.add_argument("--duration", type=float, help="seconds of driving (default: 60; of a log, to its end)")
    parser.add_argument(
        "--rig", type=Path, help="rig YAML: the vehicle and its sensors (default: carla; of a log, its own)"
    )
    group = parser.add_argument_group("in a recorded drive (docs/how-to/log-worlds.md)")
    group.add_argument("--log", type=Path, metavar="LOG", help="map and traffic of this log instead of SUMO's")
    group.add_argument("--begin", type=float, default=0.0, help="seconds after the log's begin (default: %(default)s)")
    add_log_arguments(group)
    group = parser.add_argument_group("recording (headless, faster than real time)")
    group.add_argument(
        "--record", type=OutputFolder, metavar="DIR", help="record drives of the expert as bags into DIR"
    )
    group.add_argument("--seeds", metavar="A:B", help="seeds A to B-1 instead of --seed")
    group.add_argument(
        "--variants", type=int, default=1, help="1: plain drive only; more: plain drive and perturbed ones"
    )
    group.add_argument("--sensor-rate", type=float, default=2.0, help="sensor frames per second (default: %(default)s)")
    group.add_argument(
        "--labels", action="store_true", help="record the classes of the cameras' pixels, to train the view head on"
    )
    group.add_argument(
        "--randomize",
        type=Path,
        metavar="RECIPE",
        help="recording recipe (YAML): every drive draws its own rig, LiDAR, cameras, roadside and ground from it; "
        "shipped: recording (docs/how-to/recording.md)",
    )
    group.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    add_ray_argument(group)
    group = parser.add_argument_group("live, on ROS 2 topics")
    group.add_argument("--realtime-factor", type=float, default=1.0, help="simulated seconds per second")
    group.add_argument("--wait", type=float, default=20.0, help="seconds to wait for a planner and a tracker")
    group.add_argument("--result", type=OutputFile, help="write the results as JSON")
    group = parser.add_argument_group("for programs of CARLA (docs/how-to/carla-server.md)")
    group.add_argument(
        "--carla-port", type=int, metavar="PORT", help="answer CARLA's client 0.9.16 at this port and the next one"
    )
    group.add_argument(
        "--carla-host", default="127.0.0.1", metavar="ADDRESS", help="address to listen at (default: this machine only)"
    )
    group.add_argument(
        "--carla-traffic",
        type=int,
        default=0,
        metavar="N",
        help="road users of SUMO within 120 m, about (default: none, as in CARLA: programs bring their own)",
    )


def check_map(map_name: str | None) -> None:
    """Look for the file of an OpenDRIVE map before the work begins.

    Args:
        map_name: Of a scenario; None for the seed's own.

    Raises:
        SimulationError: It is missing, or the package that holds it.
    """
    from transdiffuser_planner.simulation.map.opendrive.map_names import is_opendrive, opendrive_file

    if map_name is not None and is_opendrive(map_name):
        opendrive_file(map_name)


def run(args: argparse.Namespace) -> int:
    """Record drives, or run the simulator node.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        ConfigError: A recipe is given without a recording.
    """
    check_map(args.map)
    if args.carla_port is not None:
        return _carla(args)
    scenario = None if args.log is None else chosen_window(args)
    args.duration = 60.0 if args.duration is None else args.duration
    if args.randomize is not None and (args.record is None or scenario is not None):
        raise ConfigError("--randomize: only recorded drives in SUMO's traffic are randomized; add --record DIR")
    if scenario is not None and args.record is not None:
        return record_log(scenario, args.record, sensor_steps(args.sensor_rate))
    if args.record is None:
        return _live(args, scenario)
    return _record(args)


def _carla(args: argparse.Namespace) -> int:
    """Serve programs of CARLA until interrupted.

    Raises:
        ConfigError: The port is out of range, or an option has no meaning here.
    """
    from transdiffuser_planner.integrations.carla_server.start import serve_until_interrupted

    if not 0 < args.carla_port < 65535:
        raise ConfigError(f"--carla-port {args.carla_port}: expected 1 .. 65534")
    for name in ("log", "record", "rig", "result", "duration"):
        if getattr(args, name) is not None:
            raise ConfigError(
                f"--{name}: not with --carla-port; sensors, vehicles and time belong to the CARLA program"
            )
    if not 0 <= args.carla_traffic <= 500:
        raise ConfigError(f"--carla-traffic {args.carla_traffic}: expected 0 .. 500")
    serve_until_interrupted(args.map, args.seed, args.carla_port, args.carla_host, args.carla_traffic)
    return 0


def _live(args: argparse.Namespace, window: LogScenario | None) -> int:
    """Drive one scenario on ROS topics.

    Raises:
        ConfigError: The real-time factor is out of range.
    """
    from transdiffuser_planner.ros import session
    from transdiffuser_planner.simulation.scenario import draw_scenario

    if not 0.05 <= args.realtime_factor <= 10.0:
        raise ConfigError(f"--realtime-factor {args.realtime_factor}: expected 0.05 .. 10")
    scenario: Scenario = window or draw_scenario(args.seed, map_name=args.map, duration_s=args.duration)
    rig = window.rig if window is not None else Rig.load(args.rig or RIGS / "carla.yaml")
    session.init(args.ros_args)
    import rclpy

    from transdiffuser_planner.ros import simulator_node

    try:
        result = simulator_node.run(
            scenario,
            rig,
            realtime_factor=args.realtime_factor,
            wait_s=args.wait,
            result_file=args.result,
        )
    finally:
        rclpy.try_shutdown()
    print(", ".join(f"{key} {value}" for key, value in result.items()))
    return 0


def sensor_steps(rate: float) -> int:
    """Return the steps of 0.1 s between sensor frames.

    Args:
        rate: Frames per second.

    Raises:
        ConfigError: The rate is out of range.
    """
    if not 0.1 <= rate <= 10.0:
        raise ConfigError(f"--sensor-rate {rate}: expected 0.1 .. 10 per second")
    return round(10.0 / rate)


def seed_range(text: str) -> range:
    """Parse a range of seeds.

    Args:
        text: "A:B" for the seeds A to B-1.

    Returns:
        The seeds.

    Raises:
        ConfigError: The text has another form.
    """
    try:
        first, last = (int(part) for part in text.split(":"))
    except ValueError:
        raise ConfigError(f"--seeds {text}: expected A:B with whole numbers, for example 8000:8020") from None
    if not 0 <= first < last:
        raise ConfigError(f"--seeds {text}: expected 0 <= A < B")
    return range(first, last)


def _recipe(path: Path) -> RecordingRecipe:
    """Read a recipe by path, or a shipped one by name."""
    from transdiffuser_planner.simulation.variation.recipe import RecordingRecipe

    shipped = RECIPES / f"{path.name}.yaml"
    is_name = path.parent == Path() and not path.suffix and not path.exists() and shipped.is_file()
    return RecordingRecipe.load(shipped if is_name else path)


def _record(args: argparse.Namespace) -> int:
    """Record drives of all seeds.

    Raises:
        ConfigError: Sensor rate or seeds are out of range.
    """
    from tqdm import tqdm

    from transdiffuser_planner.simulation.expert_recorder import MEGABYTES_PER_FRAME, RecordingPlan, record_all
    from transdiffuser_planner.simulation.scenario import draw_scenario

    sensor_every = sensor_steps(args.sensor_rate)
    seeds = seed_range(args.seeds) if args.seeds else range(args.seed, args.seed + 1)
    recipe = None if args.randomize is None else _recipe(args.randomize)
    rig = Rig.load(args.rig or RIGS / "carla.yaml")
    plans = [
        RecordingPlan(
            scenario=draw_scenario(seed, map_name=args.map, duration_s=args.duration),
            rig=rig,
            out=args.record,
            sensor_every=sensor_every,
            variants=tuple(range(args.variants)),
            with_labels=args.labels,
            recipe=recipe,
        )
        for seed in seeds
    ]
    frames = len(plans) * args.variants * args.duration * args.sensor_rate
    print(
        f"{len(plans)} scenarios x {args.variants} drives into {args.record}: about {frames * MEGABYTES_PER_FRAME:.0f} MB"
    )
    with tqdm(total=len(plans), unit="scenario", file=sys.stderr) as bar:
        failures = record_all(plans, args.workers, bar, args.ray)
    for seed, reason in sorted(failures.items()):
        print(f"seed {seed} skipped: {reason}", file=sys.stderr)
    return 0 if len(failures) < len(plans) else 1
