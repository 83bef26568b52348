"""Benchmarks of front ends: what they add to a planning cycle."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from transdiffuser_planner.cli.benchmarks.options import add_model, add_scenario, default_rig, drawn_scenario


def add_parts(parts: Any) -> None:
    """Add these benchmarks with their options.

    Args:
        parts: The subparsers of the command.
    """
    egodriver = parts.add_parser("egodriver", help="AlpaSim's driver service over gRPC: what it adds to the planner")
    add_model(egodriver)
    egodriver.add_argument("--cycles", type=int, default=200, help="planning cycles (default: %(default)s)")
    add_scenario(egodriver)


def _egodriver(args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import ConfigError
    from transdiffuser_planner.evaluation.benchmarks.simulated_snapshots import snapshots
    from transdiffuser_planner.integrations.alpasim.front_end_latency import front_end_latency
    from transdiffuser_planner.integrations.alpasim.wire import load_wire
    from transdiffuser_planner.runtime.inference.model_paths import model_folder

    load_wire()
    if args.cycles < 10:
        raise ConfigError(f"--cycles {args.cycles}: expected 10 or more")
    drawn = snapshots(drawn_scenario(args), default_rig(), args.cycles)
    with tqdm(total=len(drawn), unit="cycle", file=sys.stderr) as bar:
        return front_end_latency(
            model_folder(args.model), default_rig(), drawn, args.threads, progress=lambda: bar.update(1)
        )


PARTS = {"egodriver": _egodriver}
"""Benchmark -> function that runs it."""
