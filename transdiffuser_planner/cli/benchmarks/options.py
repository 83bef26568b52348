"""Options that several benchmarks share, and what is made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from transdiffuser_planner.cli.provider_options import provider_values
from transdiffuser_planner.params import RIGS

if TYPE_CHECKING:
    from transdiffuser_planner.core.planner_config import PlannerConfig
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.simulation.scenario import Scenario

MODEL = Path("models/tiny")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options of benchmarks that run a model.

    Args:
        parser: The benchmark's parser.
    """
    parser.add_argument("--model", type=Path, default=MODEL, help="model folder (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the model (default: %(default)s)")


def add_scenario(parser: argparse.ArgumentParser) -> None:
    """Add the options of benchmarks that simulate.

    Args:
        parser: The benchmark's parser.
    """
    parser.add_argument("--map", help="map name or SUMO network file; default: drawn from the seed")
    parser.add_argument("--seed", type=int, default=8001, help="scenario seed (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=60, help="traffic around the ego (default: %(default)s)")


def planner_config(args: argparse.Namespace, precision: str = "fp32") -> PlannerConfig:
    """Return the planner's configuration.

    Args:
        args: Parsed options.
        precision: Arithmetic of the model's graphs.
    """
    from transdiffuser_planner.core.planner_config import PlannerConfig

    return PlannerConfig(num_threads=args.threads, precision=precision, **provider_values(args))


def default_rig() -> Rig:
    """Return the rig of the shipped model."""
    from transdiffuser_planner.core.rig import Rig

    return Rig.load(RIGS / "carla.yaml")


def drawn_scenario(args: argparse.Namespace) -> Scenario:
    """Return the scenario of the options.

    Args:
        args: Parsed options.
    """
    from transdiffuser_planner.simulation.scenario import draw_scenario

    return draw_scenario(args.seed, map_name=args.map, num_agents=args.agents, duration_s=600.0)
