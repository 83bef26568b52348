"""Compute PDM sub-scores of plans in recorded drives: the table that scorer and decoder's preferences are trained on."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.core.driving_style import NO_STYLE
from transdiffuser_planner.parallel import add_ray_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options.

    Args:
        parser: The command's parser.
    """
    parser.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    parser.add_argument("--bags", type=Path, required=True, help="folder of recorded drives with ground truth")
    parser.add_argument("--samples", type=Path, required=True, help="their samples made by 'dataset'")
    parser.add_argument("--out", type=OutputFolder, required=True, help="folder to write; finished drives are kept")
    parser.add_argument("--candidates", type=int, default=24, help="sampled per frame (default: %(default)s)")
    parser.add_argument(
        "--instructed",
        type=int,
        default=16,
        metavar="N",
        help="sampled per frame under action tokens of other maneuvers (default: %(default)s); altered candidates and "
        "variants of the driven plan come in addition, 64 plans in all by default",
    )
    parser.add_argument(
        "--intents",
        type=int,
        default=0,
        metavar="N",
        help="N samples of every meta-action (slower, keep, faster x left, straight, right; where the road that the model sees "
        "allows it) in place of the last of the candidates (default: %(default)s)",
    )
    parser.add_argument(
        "--plans-only",
        action="store_true",
        help="leave out the tensors of the scene, which only 'train --stage scorer' and 'evaluate selection' read",
    )
    parser.add_argument(
        "--references",
        type=Path,
        metavar="TABLE",
        help="earlier table of the same drives, whose plans of PDM-Closed are taken instead of computed again",
    )
    parser.add_argument(
        "--driving-style",
        type=float,
        default=NO_STYLE,
        metavar="S",
        help="0 (calm) to 1 (brisk), of a model trained with a score condition (default: not asked for)",
    )
    parser.add_argument("--every", type=int, default=3, metavar="N", help="every N-th sample (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="index of the first sample (default: %(default)s)")
    parser.add_argument("--preset", default="carla", help="topics of a known source (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_ray_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Score all drives and print the number of frames.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0, or 2 when no frame was scored.

    Raises:
        EvaluationError: No drive has samples.
    """
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.data.candidates.score_candidates import jobs_of, score_all
    from transdiffuser_planner.messages.topic_map import TopicMap, preset_files

    topics = TopicMap.load(preset_files(args.preset)[0])
    common = {"model": args.model, "topics": topics, "num_candidates": args.candidates}
    common |= {"num_instructed": args.instructed, "with_scene": not args.plans_only, "references": args.references}
    common["each_intent"] = args.intents
    common["driving_style"] = args.driving_style
    common |= {"first": args.first, "every": args.every}
    jobs = jobs_of(args.bags, args.samples, args.out, **common)
    if not jobs:
        raise EvaluationError(f"no drive of {args.bags} has samples in {args.samples}; make them with 'dataset'")
    with tqdm(total=len(jobs), unit="drive", file=sys.stderr) as bar:
        total, failures = score_all(jobs, args.workers, bar, args.ray)
    for line in failures:
        print(f"skipped: {line}", file=sys.stderr)
    print(f"{total} frames of {len(jobs) - len(failures)} drives in {args.out}")
    return 0 if total else 2
