"""Options of commands that run a model on a chosen execution provider."""

from __future__ import annotations

import argparse
from typing import Any

PRECISIONS = ("fp32", "int8", "fp16")
"""As ``core.contract.PRECISIONS``, which is not imported for the sake of a quick ``--help``."""


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
