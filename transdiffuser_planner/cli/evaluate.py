"""Measure models: in closed and in open loop on unseen scenarios, by PDM scores of scene files, on real sensor data."""

from __future__ import annotations

import argparse

from transdiffuser_planner.cli.evaluation import open_loop, real_data, samplers, scenes, suite

KINDS = {**suite.KINDS, **open_loop.KINDS, **samplers.KINDS, **scenes.KINDS, **real_data.KINDS}
"""Kind of evaluation -> function that runs it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of all kinds of evaluation.

    Args:
        parser: The command's parser.
    """
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for module in (suite, open_loop, samplers, scenes, real_data):
        module.add_kinds(kinds)


def run(args: argparse.Namespace) -> int:
    """Measure and print a Markdown table.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    return KINDS[args.kind](args)
