"""Measure a model in closed loop on unseen scenarios and in open loop on unseen samples, and write its card."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.evaluate_suite import add_suite_arguments, run_compare, run_suite
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.data.candidates.condition_masking import MASKABLE_INPUTS
from transdiffuser_planner.parallel import add_ray_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    add_suite_arguments(kinds)
    # Not listed any more; whatever follows it is taken, so that its old options reach the one clear line.
    kinds.add_parser("closed-loop", prefix_chars="\0", add_help=False).add_argument("rest", nargs="*")
    opened = kinds.add_parser("open-loop", help="errors of a model's plans and of baselines against what was driven")
    opened.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    opened.add_argument("--baselines", type=Path, metavar="DIR", help="folder written by 'export --baselines'")
    opened.add_argument("--samples", type=Path, required=True, help="samples that were not trained on")
    opened.add_argument("--limit", type=int, default=2000, help="largest number of samples (default: %(default)s)")
    opened.add_argument("--candidates", type=int, default=30, help="samples per scene (default: %(default)s)")
    opened.add_argument(
        "--mask_input", nargs="+", choices=MASKABLE_INPUTS, default=[], help="conditions that the model is not given"
    )
    opened.add_argument("--out", type=Path, help="write the results as JSON")
    tokens = kinds.add_parser("tokens", help="how often plans do what action tokens ask for, against no tokens")
    tokens.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    tokens.add_argument("--samples", type=Path, required=True, help="samples that were not trained on")
    tokens.add_argument("--limit", type=int, default=500, help="largest number of samples (default: %(default)s)")
    tokens.add_argument("--candidates", type=int, default=30, help="samples per scene (default: %(default)s)")
    tokens.add_argument("--out", type=Path, help="write the results as JSON")
    tokens.add_argument("--pull", type=float, help="parameter token_pull (default: the node's)")
    tokens.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw some moments, told and untold, as PNG or SVG"
    )
    choice = kinds.add_parser("choice", help="what a model's scorer is worth: PDM score of what it chooses")
    choice.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    choice.add_argument(
        "--plans", type=Path, required=True, help="scored plans that were not trained on, by 'evaluate plans'"
    )
    choice.add_argument("--out", type=Path, help="write the results as JSON")
    plans = kinds.add_parser("plans", help="PDM sub-scores of a model's candidates in recorded moments, for the scorer")
    plans.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    plans.add_argument("--bags", type=Path, required=True, help="folder of recorded drives with ground truth")
    plans.add_argument("--samples", type=Path, required=True, help="their samples made by 'dataset'")
    plans.add_argument("--out", type=Path, required=True, help="folder to write; finished drives are kept")
    plans.add_argument("--candidates", type=int, default=24, help="sampled per moment (default: %(default)s)")
    plans.add_argument("--every", type=int, default=3, help="only every so many samples (default: %(default)s)")
    plans.add_argument("--first", type=int, default=0, help="number of the first of them (default: %(default)s)")
    plans.add_argument("--preset", default="carla", help="topics of a known source (default: %(default)s)")
    plans.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_ray_argument(plans)
    table = kinds.add_parser(
        "table", help="model, baselines, ablations and expert in the same moments, PDM score and errors"
    )
    table.add_argument("--model", type=Path, default=Path("models/tiny"), help="model folder (default: %(default)s)")
    table.add_argument("--baselines", type=Path, metavar="DIR", help="folder written by 'export --baselines'")
    table.add_argument("--ablations", type=Path, metavar="DIR", help="what 'transdiffuser ablate' wrote")
    table.add_argument(
        "--bags", type=Path, required=True, help="folder of recorded drives with ground truth, not trained on"
    )
    table.add_argument("--samples", type=Path, required=True, help="their samples made by 'dataset'")
    table.add_argument("--candidates", type=int, default=30, help="sampled per moment (default: %(default)s)")
    table.add_argument(
        "--steps", type=int, nargs="*", default=[1, 2, 5], help="rows of fewer DDIM steps (default: 1 2 5)"
    )
    table.add_argument("--every", type=int, default=3, help="only every so many samples (default: %(default)s)")
    table.add_argument("--preset", default="carla", help="topics of a known source (default: %(default)s)")
    table.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    add_ray_argument(table)
    table.add_argument("--out", type=Path, help="write the results as JSON")
    _add_scene_arguments(kinds)
    card = kinds.add_parser("card", help="write a model's README.md from its manifest and its measured results")
    card.add_argument("model", type=Path, help="model folder; results are read from its folder 'measured'")


def _add_scene_arguments(kinds: Any) -> None:
    scenes = kinds.add_parser("scenes", help="PDM score of plans in scene files (docs/scoring.md)")
    scenes.add_argument("files", type=Path, nargs="+", metavar="FILE", help="scenes, JSON or YAML")
    scenes.add_argument("--plans", type=Path, metavar="FILE", help="plans made elsewhere, by name of scene")
    scenes.add_argument("--version", choices=("pdms", "epdms"), default="epdms", help="score (default: %(default)s)")
    scenes.add_argument(
        "--reference",
        choices=("given", "pdm-closed"),
        default="given",
        help="pdm-closed: plan it where a scene has none",
    )
    scenes.add_argument("--reasons", action="store_true", help="list what plans lost points for")
    scenes.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    scenes.add_argument("--out", type=Path, help="write every sub-score and reason as JSON")
    scenes.add_argument("--markdown", type=Path, metavar="FILE", help="write what is printed")
    bag = kinds.add_parser("scenes-from-bag", help="make scene files from a bag that carries ground truth")
    bag.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap or .db3 file")
    bag.add_argument("--out", type=Path, required=True, metavar="FILE", help="scenes to write, .json or .yaml")
    bag.add_argument("--every", type=float, default=2.0, metavar="S", help="from scene to scene (default: %(default)s)")
    bag.add_argument("--preset", default="carla", help="topics of a known source (default: %(default)s)")
    bag.add_argument("--topics", type=Path, metavar="FILE", help="topic map YAML instead of the preset's")
    bag.add_argument("--rig", type=Path, metavar="FILE", help="rig YAML with the vehicle instead of the preset's")


def run(args: argparse.Namespace) -> int:
    """Measure and print a Markdown table, or write the model card."""
    kinds = {"suite": run_suite, "compare": run_compare, "closed-loop": _closed_loop, "open-loop": _open_loop}
    kinds |= {"scenes": _scenes, "scenes-from-bag": _scenes_from_bag, "card": _card}
    return (kinds | {"tokens": _tokens, "plans": _plans, "choice": _choice, "table": _table})[args.kind](args)


def _scenes_from_bag(args: argparse.Namespace) -> int:
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.data.scenes.scene_builder import scenes_from_bag
    from transdiffuser_planner.evaluation.scenes.scene_files import write_scenes
    from transdiffuser_planner.messages.topic_map import TopicMap, preset_files

    preset = preset_files(args.preset)
    topics, rig = TopicMap.load(args.topics or preset[0]), Rig.load(args.rig or preset[1])
    items, problems = scenes_from_bag(args.bag, topics, rig.vehicle, args.every)
    for line in problems:
        print(f"left out: {line}", file=sys.stderr)
    write_scenes(args.out, items)
    print(f"{len(items)} scenes in {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _scenes(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import EvaluationError
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
        print(f"left out: {line}", file=sys.stderr)
    if not scores:
        raise EvaluationError(f"no scene could be scored, {len(problems)} left out")
    text = as_markdown(scores, version, reasons=args.reasons)
    text += f"\n\n{two_stage_markdown(stages)}" if stages else ""
    print(text)
    if problems or plan_problems:
        print(
            f"\n{len(scores)} scenes scored; left out: {len(problems)}, and {len(plan_problems)} plans of scored scenes"
        )
    if args.markdown is not None:
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        args.markdown.write_text(text + "\n", encoding="utf-8")
    if args.out is not None:
        content = as_mapping(scores, version, problems + plan_problems)
        save_json(args.out, content | ({"two_stage": stages} if stages else {}))
    return 0


def _card(args: argparse.Namespace) -> int:
    from transdiffuser_planner.evaluation.model_card.card import write_card

    print(write_card(args.model))
    return 0


def _closed_loop(args: argparse.Namespace) -> int:
    raise ConfigError(
        "closed-loop is part of the suite now; use 'transdiffuser evaluate suite val20 --planner tiny --out DIR', "
        "with --bags DIR for bags of the drives and DIR/summary.json for the model card"
    )


def _open_loop(args: argparse.Namespace) -> int:
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.evaluation.open_loop.agent_errors import agent_futures, agent_table
    from transdiffuser_planner.evaluation.open_loop.compared_planners import load_baselines
    from transdiffuser_planner.evaluation.open_loop.ego_errors import diversity_row, error_table, moment_table
    from transdiffuser_planner.evaluation.open_loop.predictions import baseline_plans, chosen_samples, model_plans
    from transdiffuser_planner.reports.markdown_tables import (
        ERROR_COLUMNS,
        SAMPLE_COLUMNS,
        machine,
        markdown_table,
        save_json,
    )
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

    backend = OnnxBackend(load_manifest(args.model))
    contract = backend.manifest.contract
    samples = SampleSet.open(args.samples, contract)
    index = chosen_samples(samples, args.limit)
    plans = model_plans(backend, samples, index, args.candidates, args.mask_input)
    content = {
        "model_hash": backend.manifest.model_hash,
        "candidates": args.candidates,
        "masked_inputs": args.mask_input,
    }
    if args.baselines is not None:
        baselines = load_baselines(args.baselines, backend.manifest)
        content["baseline_data"] = next(iter(baselines.values())).manifest.training["data"]
        plans |= baseline_plans(baselines, backend, samples, index)
    rows = error_table(plans, contract.plan_times_s)
    moments, spread = moment_table(plans, contract.plan_times_s), diversity_row(plans)
    moments += agent_table(agent_futures(backend, samples, index, args.candidates), contract.plan_times_s)
    print(f"{markdown_table(rows, ERROR_COLUMNS)}\n\n{markdown_table(moments, SAMPLE_COLUMNS)}")
    print(
        f"\ndiversity D of {spread['num_plans']} candidates: {spread['mean']:.3f}, at most "
        f"{spread['largest_possible']:.3f}; mean of {spread['samples']} samples"
    )
    print(f"\nmodel {backend.manifest.name} {backend.manifest.model_hash[:12]}; {machine()}")
    if args.out is not None:
        save_json(args.out, {**content, "rows": rows, "moments": moments, "diversity": spread})
    return 0


def _tokens(args: argparse.Namespace) -> int:
    from transdiffuser_planner.core.planner_config import PlannerConfig
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.evaluation.open_loop.instructed_candidates import instructed_candidates
    from transdiffuser_planner.evaluation.open_loop.instruction_following import FOLLOWED_M, following_table
    from transdiffuser_planner.evaluation.open_loop.instruction_plot import plot_instructed
    from transdiffuser_planner.evaluation.open_loop.predictions import chosen_samples
    from transdiffuser_planner.reports.markdown_tables import TOKEN_COLUMNS, machine, markdown_table, save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
    from transdiffuser_planner.training.fit_codebook import reconstruction_error_m

    backend = OnnxBackend(load_manifest(args.model))
    manifest = backend.manifest
    samples = SampleSet.open(args.samples, manifest.contract)
    config = PlannerConfig() if args.pull is None else PlannerConfig(token_guidance_weight=args.pull)
    chosen = chosen_samples(samples, args.limit)
    told = instructed_candidates(backend, samples, chosen, args.candidates, config.token_guidance_weight)
    rows = following_table(told)
    codebook = manifest.codebook()
    assert codebook is not None
    error = reconstruction_error_m(codebook, samples.whole("plan"))
    print(markdown_table(rows, TOKEN_COLUMNS))
    print(f"\nfollowed: ends within {FOLLOWED_M:g} m of where it was told to; {args.candidates} candidates")
    print(
        f"codebook {codebook.digest[:12]}, {len(codebook)} tokens: driven plans come back within {error['ade_mean']} m (ADE)"
    )
    print(f"model {manifest.name} {manifest.model_hash[:12]}; {machine()}")
    if args.picture is not None and plot_instructed(told, manifest.contract.range_m, args.picture):
        print(f"picture: {args.picture}")
    if args.out is not None:
        content = {
            "model_hash": manifest.model_hash,
            "candidates": args.candidates,
            "pull": config.token_guidance_weight,
            "rows": rows,
        }
        save_json(args.out, content | {"reconstruction_m": error, "plans_encoded": len(samples)})
    return 0


def _plans(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.data.candidates.score_candidates import jobs_of, score_all
    from transdiffuser_planner.messages.topic_map import TopicMap, preset_files

    topics = TopicMap.load(preset_files(args.preset)[0])
    common = {"model": args.model, "topics": topics, "num_candidates": args.candidates}
    common |= {"first": args.first, "every": args.every}
    jobs = jobs_of(args.bags, args.samples, args.out, **common)
    if not jobs:
        raise EvaluationError(f"no drive of {args.bags} has samples in {args.samples}; make them with 'dataset'")
    with tqdm(total=len(jobs), unit="drive", file=sys.stderr) as bar:
        total, failures = score_all(jobs, args.workers, bar, args.ray)
    for line in failures:
        print(f"left out: {line}", file=sys.stderr)
    print(f"{total} moments of {len(jobs) - len(failures)} drives in {args.out}")
    return 0 if total else 2


def _choice(args: argparse.Namespace) -> int:
    from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
    from transdiffuser_planner.evaluation.open_loop.selection_quality import choice_table
    from transdiffuser_planner.reports.markdown_tables import CHOICE_COLUMNS, machine, markdown_table, save_json
    from transdiffuser_planner.runtime.inference.manifest import load_manifest
    from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

    backend, plans = OnnxBackend(load_manifest(args.model)), ScoredPlans.open(args.plans)
    rows = choice_table(backend, plans)
    print(markdown_table(rows, CHOICE_COLUMNS))
    print(f"\n{len(plans)} moments, {plans.num_candidates} candidates each")
    print(f"model {backend.manifest.name} {backend.manifest.model_hash[:12]}; {machine()}")
    if args.out is not None:
        content = {"model_hash": backend.manifest.model_hash, "samples": len(plans), "candidates": plans.num_candidates}
        save_json(args.out, content | {"rows": rows})
    return 0


def _table(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from transdiffuser_planner.core.errors import EvaluationError
    from transdiffuser_planner.evaluation.open_loop.compared_planners import Planners
    from transdiffuser_planner.evaluation.open_loop.planner_comparison import as_rows, jobs_of, measure_all, seed_spread
    from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
    from transdiffuser_planner.reports.markdown_tables import PLAN_COLUMNS, machine, markdown_table, save_json
    from transdiffuser_planner.runtime.inference.baseline_model import BASELINES, load_baseline_manifest
    from transdiffuser_planner.runtime.inference.manifest import load_manifest

    manifest = load_manifest(args.model)
    folders = sorted(args.ablations.resolve().glob("*/model")) if args.ablations is not None else []
    if args.ablations is not None and not folders:
        raise EvaluationError(f"ablations {args.ablations}: no */model in it; make them with 'transdiffuser ablate'")
    planners = Planners(
        model=args.model.resolve(),
        baselines=args.baselines and args.baselines.resolve(),
        ablations={folder.parent.name: folder for folder in folders},
        steps=tuple(args.steps),
        num_candidates=args.candidates,
    )
    topics = TopicMap.load(preset_files(args.preset)[0])
    bags, samples = args.bags.resolve(), args.samples.resolve()
    jobs = jobs_of(bags, samples, topics=topics, planners=planners, every=args.every)
    with tqdm(total=len(jobs), unit="drive", file=sys.stderr) as bar:
        found, failures = measure_all(jobs, args.workers, bar, args.ray)
    for line in failures:
        print(f"left out: {line}", file=sys.stderr)
    if not found:
        raise EvaluationError(f"no moment could be measured: no drive of {args.bags} with samples in {args.samples}")
    trained = {name: load_manifest(path).training for name, path in planners.ablations.items()}
    rows = as_rows(found, {name: str(info.get("title", name)) for name, info in trained.items()})
    spread = seed_spread(rows, {name: dict(info["recipe"]) for name, info in trained.items()})
    moments = len(next(iter(found.values())))
    print(markdown_table(rows, PLAN_COLUMNS))
    print(
        f"\n{moments} moments of {len(jobs) - len(failures)} drives, {args.candidates} candidates; between seeds: {spread}"
    )
    print(f"model {manifest.name} {manifest.model_hash[:12]}; {machine()}; {args.workers} processes at once")
    if args.out is not None:
        content = {"model_hash": manifest.model_hash, "samples": moments, "drives": len(jobs) - len(failures)}
        content |= {"candidates": args.candidates, "workers": args.workers, "seed_spread": spread}
        trained_on = {name: info["data"]["samples"] for name, info in trained.items() if "data" in info}
        if args.baselines is not None:
            known = {name: load_baseline_manifest(args.baselines / name).training for name in BASELINES}
            trained_on |= {name: info["data"]["samples"] for name, info in known.items()}
        save_json(args.out, content | {"every": args.every, "trained_on": trained_on, "rows": rows})
    return 0
