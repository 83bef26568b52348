"""The commands 'evaluate scenes' and 'evaluate scenes-from-bag': PDM scores of scene files, and scene files from a bag."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFile


def add_kinds(kinds: Any) -> None:
    """Add the options of both commands.

    Args:
        kinds: The subparsers of 'evaluate'.
    """
    scenes = kinds.add_parser("scenes", help="PDM score of plans in scene files (docs/scoring.md)")
    scenes.add_argument("files", type=Path, nargs="+", metavar="FILE", help="scenes, JSON or YAML")
    scenes.add_argument("--plans", type=Path, metavar="FILE", help="plans of other planners, by scene name")
    scenes.add_argument("--version", choices=("pdms", "epdms"), default="epdms", help="score (default: %(default)s)")
    scenes.add_argument(
        "--reference",
        choices=("given", "pdm-closed"),
        default="given",
        help="pdm-closed: compute the reference plan of scenes without one",
    )
    scenes.add_argument("--reasons", action="store_true", help="list the reasons for deductions")
    scenes.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    scenes.add_argument("--out", type=OutputFile, help="write every sub-score and reason as JSON")
    scenes.add_argument("--markdown", type=OutputFile, metavar="FILE", help="write the printed tables")
    bag = kinds.add_parser("scenes-from-bag", help="make scene files from a bag with ground truth")
    bag.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag file")
    bag.add_argument("--out", type=OutputFile, required=True, metavar="FILE", help="scenes to write, .json or .yaml")
    bag.add_argument("--every", type=float, default=2.0, metavar="S", help="from scene to scene (default: %(default)s)")
    bag.add_argument("--preset", help="topics and rig of a known source (default: the bag's own, else carla)")
    bag.add_argument("--topics", type=Path, metavar="FILE", help="topic map YAML instead of the preset's")
    bag.add_argument("--rig", type=Path, metavar="FILE", help="rig YAML with the vehicle instead of the preset's")


def run_scenes(args: argparse.Namespace) -> int:
    """Score all plans in all scenes and print the table.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        EvaluationError: No scene can be scored.
    """
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.core.files import write_text
    from transdiffuser_planner.evaluation.scenes.scene_files import read_jobs
    from transdiffuser_planner.evaluation.scenes.scene_scores import score_jobs
    from transdiffuser_planner.evaluation.scenes.scene_tables import as_mapping, as_markdown
    from transdiffuser_planner.evaluation.scenes.two_stage import two_stage_markdown, two_stage_rows
    from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion
    from transdiffuser_planner.reports.markdown_tables import save_json

    version = ScoreVersion[args.version.upper()]
    read = read_jobs(args.files, args.plans)
    scored = score_jobs(read.jobs, version, pdm_closed=args.reference == "pdm-closed", workers=args.workers)
    outcomes = list(tqdm(scored, total=len(read.jobs), unit="scene", file=sys.stderr, disable=not read.jobs))
    scores = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    problems = [*read.problems, *(outcome for outcome in outcomes if isinstance(outcome, str))]
    stages, stage_problems = two_stage_rows(read.jobs, scores)
    plan_problems = [*(line for outcome in scores for line in outcome.problems), *stage_problems]
    for line in problems + plan_problems:
        print(f"skipped: {line}", file=sys.stderr)
    if not scores:
        raise EvaluationError(f"no scene could be scored, {len(problems)} skipped")
    text = as_markdown(scores, version, reasons=args.reasons)
    text += f"\n\n{two_stage_markdown(stages)}" if stages else ""
    print(text)
    if problems or plan_problems:
        print(
            f"\n{len(scores)} scenes scored; skipped: {len(problems)}, and {len(plan_problems)} plans of scored scenes"
        )
    if args.markdown is not None:
        write_text(args.markdown, text + "\n")
    if args.out is not None:
        content = as_mapping(scores, version, problems + plan_problems)
        save_json(args.out, content | ({"two_stage": stages} if stages else {}))
    return 0


def run_scenes_from_bag(args: argparse.Namespace) -> int:
    """Write the scenes of one bag.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.data.scenes.scene_builder import scenes_from_bag
    from transdiffuser_planner.evaluation.scenes.scene_files import write_scenes
    from transdiffuser_planner.messages.topic_map import TopicMap, files_for

    preset = files_for(args.bag, args.preset)
    topics, rig = TopicMap.load(args.topics or preset[0]), Rig.load(args.rig or preset[1])
    items, problems = scenes_from_bag(args.bag, topics, rig.vehicle, args.every)
    for line in problems:
        print(f"skipped: {line}", file=sys.stderr)
    write_scenes(args.out, items)
    print(f"{len(items)} scenes in {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)")
    return 0


KINDS = {"scenes": run_scenes, "scenes-from-bag": run_scenes_from_bag}
