"""The command 'evaluate samplers': what fewer denoise steps cost, paired on the same unseen frames."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.core.contract import SAMPLERS
from transdiffuser_planner.parallel import add_ray_argument

DEFAULT = ("ddpm:10", "ddim:5", "dpm-solver++:4", "dpm-solver++:3", "dpm-solver++:2")


def add_kinds(kinds: Any) -> None:
    """Add the options of the command.

    Args:
        kinds: The subparsers of 'evaluate'.
    """
    part = kinds.add_parser(
        "samplers", help="PDM scores, diversity and errors by sampler and number of denoise steps, paired"
    )
    part.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    part.add_argument(
        "--bags", type=Path, required=True, help="folder of recorded drives with ground truth, not trained on"
    )
    part.add_argument("--samples", type=Path, required=True, help="their samples made by 'dataset'")
    part.add_argument(
        "--samplers",
        nargs="+",
        type=_setting,
        default=[_setting(text) for text in DEFAULT],
        metavar="NAME:STEPS[@T]",
        help=f"samplers with denoise steps and temperature (default 1), the first is the reference; names: {', '.join(SAMPLERS)} "
        f"(default: {' '.join(DEFAULT)})",
    )
    part.add_argument("--candidates", type=int, default=30, help="candidates per frame (default: %(default)s)")
    part.add_argument("--every", type=int, default=3, metavar="N", help="every N-th sample (default: %(default)s)")
    part.add_argument("--preset", default="carla", help="topics of a known source (default: %(default)s)")
    part.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    part.add_argument("--out", type=OutputFile, help="write the results as JSON")
    add_ray_argument(part)


def _setting(text: str) -> Any:
    from transdiffuser_planner.evaluation.open_loop.sampler_quality import SamplerSetting

    found = re.fullmatch(r"([a-z+-]+):([1-9]\d{0,2})(?:@(\d+(?:\.\d+)?))?", text)
    if found is None or found[1] not in SAMPLERS:
        raise argparse.ArgumentTypeError(
            f"expected NAME:STEPS or NAME:STEPS@TEMPERATURE as dpm-solver++:3, names {', '.join(SAMPLERS)}; got {text!r}"
        )
    return SamplerSetting(found[1], int(found[2]), float(found[3] or 1.0))


def run_samplers(args: argparse.Namespace) -> int:
    """Print one row per sampler, with 95 % intervals of the paired differences from the first.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        EvaluationError: No frame can be measured.
    """
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.evaluation.open_loop.measured_drives import measured_drives
    from transdiffuser_planner.evaluation.open_loop.planner_comparison import drives_with_samples
    from transdiffuser_planner.evaluation.open_loop.sampler_quality import SamplerJob, as_rows, measure_drive, table
    from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
    from transdiffuser_planner.reports.markdown_tables import machine, save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest

    manifest = load_manifest(args.model)
    shared = {"topics": TopicMap.load(preset_files(args.preset)[0]), "model": args.model.resolve()}
    shared |= {"settings": tuple(args.samplers), "num_candidates": args.candidates, "every": args.every}
    jobs = [
        SamplerJob(bag=bag, samples=samples, **shared)
        for bag, samples in drives_with_samples(args.bags.resolve(), args.samples.resolve())
    ]
    with tqdm(total=len(jobs), unit="drive", file=sys.stderr) as bar:
        drives, failures = measured_drives(measure_drive, jobs, args.workers, bar, args.ray)
    for line in failures:
        print(f"skipped: {line}", file=sys.stderr)
    if not drives:
        raise EvaluationError(f"no frame could be measured: no drive of {args.bags} with samples in {args.samples}")
    rows, frames = as_rows(drives, args.samplers), sum(len(drive) for drive in drives)
    print(table(rows))
    print(
        f"\n{frames} frames of {len(drives)} drives, {args.candidates} candidates; means over the drives, in brackets"
    )
    print("the paired difference from the first row with its 95 % interval over draws of drives")
    print(f"model {manifest.name} {manifest.model_hash[:12]}; {machine()}")
    if args.out is not None:
        content = {"model_hash": manifest.model_hash, "frames": frames, "drives": len(drives)}
        save_json(args.out, content | {"candidates": args.candidates, "every": args.every, "rows": rows})
    return 0


KINDS = {"samplers": run_samplers}
