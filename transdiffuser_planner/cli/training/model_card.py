"""Write a model's README.md from its manifest and its measured results."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("model", type=Path, help="model folder; results are read from its folder 'measured'")


def run(args: argparse.Namespace) -> int:
    """Write the card and print its path.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.evaluation.model_card.card import write_card

    print(write_card(args.model))
    return 0
