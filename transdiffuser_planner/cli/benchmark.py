"""Measure planner, deadline, node, simulator and scorer on this machine, and how they grow."""

from __future__ import annotations

import argparse
from typing import Any

from transdiffuser_planner.cli.benchmarks import front_ends, growth, planning, surroundings
from transdiffuser_planner.cli.output_paths import OutputFile

PARTS = {**planning.PARTS, **surroundings.PARTS, **growth.PARTS, **front_ends.PARTS}
"""Benchmark -> function that runs it."""
IN_TABLES = ("rows", "eager", "peak", "graphs", "axes", "workers")
"""Entries of results that are printed as tables only."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for module in (planning, surroundings, growth, front_ends):
        module.add_parts(parts)
    for part in parts.choices.values():
        part.add_argument("--out", type=OutputFile, help="write the results as JSON")
        part.add_argument("--note", default="", help="remark for readers of the results, as other load of the machine")


def run(args: argparse.Namespace) -> int:
    """Measure, and print tables and one line per number.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.reports.markdown_tables import machine, save_json

    result = PARTS[args.part](args)
    _print(result)
    print(machine())
    if args.out is not None:
        note = {"note": args.note} if args.note else {}
        save_json(args.out, {**_hash(args), **note, args.part: result})
    return 0


def _print(result: dict[str, Any], indent: str = "") -> None:
    for name, value in result.items():
        if name in IN_TABLES:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                print(f"{indent}{name}:")
                _print(item, indent + "  ")
        else:
            print(f"{indent}{name}: {value}")


def _hash(args: argparse.Namespace) -> dict[str, str]:
    from transdiffuser_planner.runtime.inference.manifest import load_manifest

    return {"model_hash": load_manifest(args.model).model_hash} if hasattr(args, "model") else {}
