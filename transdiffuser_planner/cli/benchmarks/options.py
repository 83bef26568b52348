"""Options that several benchmarks share, and what is made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transdiffuser_planner.cli.simulate import MAP_HELP
from transdiffuser_planner.params import RIGS

if TYPE_CHECKING:
    from transdiffuser_planner.core.planner_config import PlannerConfig
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.simulation.scenario import Scenario

MODEL = Path("models/tiny")
PRECISIONS = ("fp32", "int8", "fp16")
"""As ``core.contract.PRECISIONS``, which is not imported for the sake of a quick ``--help``."""


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
    parser.add_argument("--map", help=f"{MAP_HELP}; default: drawn from the seed")
    parser.add_argument("--seed", type=int, default=8001, help="scenario seed (default: %(default)s)")
    parser.add_argument("--agents", type=int, default=60, help="traffic around the ego (default: %(default)s)")


def add_provider(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--provider", choices=("cpu", "cuda", "tensorrt"), default="cpu", help="what runs the model (default: cpu)"
    )
    parser.add_argument("--device", type=int, default=0, metavar="N", help="number of the GPU (default: %(default)s)")
    parser.add_argument(
        "--cuda-graphs",
        action=argparse.BooleanOptionalAction,
        help="replay each graph's work on the GPU as one, and refuse a model that does not permit it "
        "(default: where it is possible)",
    )


def provider_values(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the planner that the options set; none of them without the options.

    Args:
        args: Parsed options.
    """
    if not hasattr(args, "provider"):
        return {}
    cuda_graphs = {None: "auto", True: "on", False: "off"}[args.cuda_graphs]
    return {"provider": args.provider, "device_id": args.device, "cuda_graphs": cuda_graphs}


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
