"""The commands 'evaluate open-loop', 'instructions', 'selection' and 'comparison': plans of unseen samples, not driven."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.cli.planner_settings import parameters
from transdiffuser_planner.data.candidates.condition_masking import MASKABLE_INPUTS
from transdiffuser_planner.parallel import add_ray_argument


def add_kinds(kinds: Any) -> None:
    """Add the options of all four commands.

    Args:
        kinds: The subparsers of 'evaluate'.
    """
    part = kinds.add_parser("open-loop", help="errors of a model's and of baselines' plans against logged trajectories")
    _add_common(part)
    part.add_argument("--baselines", type=Path, metavar="DIR", help="folder written by 'export --baselines'")
    part.add_argument("--samples", type=Path, required=True, help="samples that were not trained on")
    part.add_argument("--limit", type=int, default=2000, help="largest number of samples (default: %(default)s)")
    part.add_argument("--candidates", type=int, default=30, help="candidates per sample (default: %(default)s)")
    part.add_argument("--mask-inputs", nargs="+", choices=MASKABLE_INPUTS, default=[], help="conditions to mask")
    part = kinds.add_parser(
        "instructions", help="how often plans follow action tokens, compared with plans without them"
    )
    _add_common(part)
    part.add_argument("--samples", type=Path, required=True, help="samples that were not trained on")
    part.add_argument("--limit", type=int, default=500, help="largest number of samples (default: %(default)s)")
    part.add_argument("--candidates", type=int, default=30, help="candidates per sample (default: %(default)s)")
    part.add_argument("--guidance-weight", type=float, help="parameter token_guidance_weight (default: the node's)")
    part.add_argument(
        "--plot", type=OutputFile, metavar="FILE", help="plot some samples with and without tokens as PNG or SVG"
    )
    part = kinds.add_parser("selection", help="gain from a model's scorer: PDM score of the selected candidate")
    _add_common(part)
    part.add_argument(
        "--plans", type=Path, required=True, help="scored plans that were not trained on, made by 'score-candidates'"
    )
    part.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the selection, as gate_gain=0.1 (docs/parameters.md)",
    )
    _add_comparison(kinds)


def _add_common(part: argparse.ArgumentParser) -> None:
    part.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    part.add_argument("--out", type=OutputFile, help="write the results as JSON")


def _add_comparison(kinds: Any) -> None:
    part = kinds.add_parser(
        "comparison", help="PDM score and errors of model, baselines, ablations and expert on the same frames"
    )
    _add_common(part)
    part.add_argument("--baselines", type=Path, metavar="DIR", help="folder written by 'export --baselines'")
    part.add_argument("--ablations", type=Path, metavar="DIR", help="folder written by 'transdiffuser ablate'")
    part.add_argument(
        "--bags", type=Path, required=True, help="folder of recorded drives with ground truth, not trained on"
    )
    part.add_argument("--samples", type=Path, required=True, help="their samples made by 'dataset'")
    part.add_argument("--candidates", type=int, default=30, help="candidates per frame (default: %(default)s)")
    part.add_argument(
        "--steps",
        type=int,
        nargs="*",
        default=[1, 2, 5],
        help="rows of other numbers of denoise steps (default: 1 2 5)",
    )
    part.add_argument("--every", type=int, default=3, metavar="N", help="every N-th sample (default: %(default)s)")
    part.add_argument("--preset", default="carla", help="topics of a known source (default: %(default)s)")
    part.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_ray_argument(part)


def run_open_loop(args: argparse.Namespace) -> int:
    """Print errors and diversity of plans on samples.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.evaluation.open_loop.agent_errors import agent_futures, agent_table
    from transdiffuser_planner.evaluation.open_loop.compared_planners import load_baselines
    from transdiffuser_planner.evaluation.open_loop.ego_errors import diversity_row, error_table, moment_table
    from transdiffuser_planner.evaluation.open_loop.predictions import baseline_plans, chosen_samples, model_plans
    from transdiffuser_planner.reports.markdown_tables import ERROR_COLUMNS, SAMPLE_COLUMNS, markdown_table, save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

    backend = OnnxBackend(load_manifest(args.model))
    contract = backend.manifest.contract
    samples = SampleSet.open(args.samples, contract)
    index = chosen_samples(samples, args.limit)
    plans = model_plans(backend, samples, index, args.candidates, args.mask_inputs)
    content = {"model_hash": backend.manifest.model_hash, "candidates": args.candidates}
    content["masked_inputs"] = args.mask_inputs
    if args.baselines is not None:
        baselines = load_baselines(args.baselines, backend.manifest)
        content["baseline_data"] = next(iter(baselines.values())).manifest.training["data"]
        plans |= baseline_plans(baselines, backend, samples, index)
    rows = error_table(plans, contract.plan_times_s)
    horizons, spread = moment_table(plans, contract.plan_times_s), diversity_row(plans)
    horizons += agent_table(agent_futures(backend, samples, index, args.candidates), contract.plan_times_s)
    print(f"{markdown_table(rows, ERROR_COLUMNS)}\n\n{markdown_table(horizons, SAMPLE_COLUMNS)}")
    print(
        f"\ndiversity D of {spread['num_plans']} candidates: {spread['mean']:.3f}, at most "
        f"{spread['largest_possible']:.3f}; mean of {spread['samples']} samples"
    )
    print(f"\n{_origin(backend.manifest)}")
    if args.out is not None:
        save_json(args.out, {**content, "rows": rows, "horizons": horizons, "diversity": spread})
    return 0


def run_instructions(args: argparse.Namespace) -> int:
    """Print how often plans follow action tokens.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.core.planner_config import PlannerConfig
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.evaluation.open_loop.instructed_candidates import instructed_candidates
    from transdiffuser_planner.evaluation.open_loop.instruction_following import FOLLOWED_M, following_table
    from transdiffuser_planner.evaluation.open_loop.instruction_plot import plot_instructed
    from transdiffuser_planner.evaluation.open_loop.predictions import chosen_samples
    from transdiffuser_planner.reports.markdown_tables import TOKEN_COLUMNS, markdown_table, save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
    from transdiffuser_planner.training.fit_codebook import reconstruction_error_m

    backend = OnnxBackend(load_manifest(args.model))
    manifest = backend.manifest
    samples = SampleSet.open(args.samples, manifest.contract)
    default = PlannerConfig().token_guidance_weight
    config = PlannerConfig(token_guidance_weight=default if args.guidance_weight is None else args.guidance_weight)
    weight, index = config.token_guidance_weight, chosen_samples(samples, args.limit)
    instructed = instructed_candidates(backend, samples, index, args.candidates, weight)
    rows = following_table(instructed)
    codebook = manifest.codebook()
    assert codebook is not None
    error = reconstruction_error_m(codebook, samples.whole("plan"))
    print(markdown_table(rows, TOKEN_COLUMNS))
    print(f"\nfollowed: ends within {FOLLOWED_M:g} m of the instructed end; {args.candidates} candidates")
    print(
        f"codebook {codebook.digest[:12]}, {len(codebook)} tokens: logged trajectories are reconstructed within "
        f"{error['ade_mean']} m (ADE)"
    )
    print(_origin(manifest))
    if args.plot is not None and plot_instructed(instructed, manifest.contract.range_m, args.plot):
        print(f"plot: {args.plot}")
    if args.out is not None:
        content = {"model_hash": manifest.model_hash, "candidates": args.candidates, "pull": weight, "rows": rows}
        save_json(args.out, content | {"reconstruction_m": error, "plans_encoded": len(samples)})
    return 0


def run_selection(args: argparse.Namespace) -> int:
    """Print the PDM score of the selected candidate compared with other ways to select.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
    from transdiffuser_planner.evaluation.open_loop.selection_quality import choice_table
    from transdiffuser_planner.reports.markdown_tables import CHOICE_COLUMNS, markdown_table, save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

    backend, plans = OnnxBackend(load_manifest(args.model)), ScoredPlans.open(args.plans)
    rows = choice_table(backend, plans, dict(parameters(args.set)))
    print(markdown_table(rows, CHOICE_COLUMNS))
    print(f"\n{len(plans)} frames, {plans.num_candidates} candidates each")
    print(_origin(backend.manifest))
    if args.out is not None:
        content = {"model_hash": backend.manifest.model_hash, "samples": len(plans), "candidates": plans.num_candidates}
        save_json(args.out, content | {"rows": rows})
    return 0


def run_comparison(args: argparse.Namespace) -> int:
    """Print one table of model, baselines, ablations and expert on the same frames.

    Args:
        args: Parsed options.

    Returns:
        Exit status.

    Raises:
        EvaluationError: No ablation is in the given folder, or no frame can be measured.
    """
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.evaluation.open_loop.measured_drives import measured_drives
    from transdiffuser_planner.evaluation.open_loop.planner_comparison import (
        as_rows,
        jobs_of,
        joined,
        measure_drive,
        seed_spread,
    )
    from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
    from transdiffuser_planner.reports.markdown_tables import PLAN_COLUMNS, markdown_table, save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest

    manifest = load_manifest(args.model)
    planners = _compared_planners(args)
    topics = TopicMap.load(preset_files(args.preset)[0])
    jobs = jobs_of(args.bags.resolve(), args.samples.resolve(), topics=topics, planners=planners, every=args.every)
    with tqdm(total=len(jobs), unit="drive", file=sys.stderr) as bar:
        drives, failures = measured_drives(measure_drive, jobs, args.workers, bar, args.ray)
    for line in failures:
        print(f"skipped: {line}", file=sys.stderr)
    found = joined(drives)
    if not found:
        raise EvaluationError(f"no frame could be measured: no drive of {args.bags} with samples in {args.samples}")
    trained = {name: load_manifest(path).training for name, path in planners.ablations.items()}
    rows = as_rows(found, {name: str(info.get("title", name)) for name, info in trained.items()})
    spread = seed_spread(rows, {name: dict(info["recipe"]) for name, info in trained.items()})
    frames = len(next(iter(found.values())))
    print(markdown_table(rows, PLAN_COLUMNS))
    print(f"\n{frames} frames of {len(drives)} drives, {args.candidates} candidates; between seeds: {spread}")
    print(f"{_origin(manifest)}; {args.workers} processes at once")
    if args.out is not None:
        content = {"model_hash": manifest.model_hash, "samples": frames, "drives": len(drives)}
        content |= {"candidates": args.candidates, "workers": args.workers, "seed_spread": spread}
        save_json(args.out, content | {"every": args.every, "trained_on": _trained_on(args, trained), "rows": rows})
    return 0


def _compared_planners(args: argparse.Namespace) -> Any:
    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.evaluation.open_loop.compared_planners import Planners

    folders = sorted(args.ablations.resolve().glob("*/model")) if args.ablations is not None else []
    if args.ablations is not None and not folders:
        raise EvaluationError(f"ablations {args.ablations}: no */model in it; make them with 'transdiffuser ablate'")
    return Planners(
        model=args.model.resolve(),
        baselines=args.baselines and args.baselines.resolve(),
        ablations={folder.parent.name: folder for folder in folders},
        steps=tuple(args.steps),
        num_candidates=args.candidates,
    )


def _trained_on(args: argparse.Namespace, ablations: dict[str, Any]) -> dict[str, int]:
    """Number of training samples of every ablation and baseline that states it."""
    from transdiffuser_planner.runtime.inference.baseline_model import BASELINES, load_baseline_manifest

    known = {name: info["data"]["samples"] for name, info in ablations.items() if "data" in info}
    if args.baselines is not None:
        manifests = {name: load_baseline_manifest(args.baselines / name) for name in BASELINES}
        known |= {name: manifest.training["data"]["samples"] for name, manifest in manifests.items()}
    return known


def _origin(manifest: Any) -> str:
    """Model and machine of the printed results."""
    from transdiffuser_planner.reports.markdown_tables import machine

    return f"model {manifest.name} {manifest.model_hash[:12]}; {machine()}"


KINDS = {
    "open-loop": run_open_loop,
    "instructions": run_instructions,
    "selection": run_selection,
    "comparison": run_comparison,
}
