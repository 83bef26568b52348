"""The commands 'evaluate suite' and 'evaluate compare': closed-loop driving of many planners, and differences of two runs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.output_paths import OutputFolder
from transdiffuser_planner.cli.planner_settings import parameters
from transdiffuser_planner.cli.recordings.log_options import add_window_arguments, rig_of_seeds, windows_of_logs
from transdiffuser_planner.cli.simulate import MAP_HELP, check_map, seed_range
from transdiffuser_planner.core.errors import ConfigError, EvaluationError
from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL
from transdiffuser_planner.parallel import add_ray_argument

SUITES = {
    "val": range(8000, 8100),
    "val20": range(8000, 8020),
    "val300": range(8000, 8300),
    "carla-val": range(8000, 8060),
    "test100": range(9000, 9100),
    "test20": range(9000, 9020),
}
CARLA_SUITE = "carla-val"
"""Over CARLA's validation towns in turn."""
OWN_OPTIONS = ("precision", "selection")
"""Parameters with options of their own."""


def add_kinds(kinds: Any) -> None:
    """Add the options of both commands.

    Args:
        kinds: The subparsers of 'evaluate'.
    """
    suite = kinds.add_parser(
        "suite", help="drive scenarios with planners and baselines, and report (docs/evaluation.md)"
    )
    suite.add_argument("name", nargs="?", choices=tuple(SUITES), help="fixed set of scenarios")
    suite.add_argument("--seeds", metavar="A:B", help="seeds A to B-1 instead of a fixed set")
    suite.add_argument("--map", help=f"{MAP_HELP} instead of each seed's own")
    suite.add_argument("--duration", type=float, default=60.0, help="seconds per scenario (default: %(default)s)")
    suite.add_argument(
        "--planner",
        nargs="+",
        default=[DEFAULT_MODEL],
        metavar="P",
        help="models by name or folder; constant-velocity, ego-status-mlp, ego-status-mlp-route, regression-head, idm, "
        "pdm-closed, log-future; all; planners of other packages (docs/evaluation.md)",
    )
    suite.add_argument(
        "--baselines", type=Path, default=Path("runs/baselines"), help="folder written by 'export --baselines'"
    )
    suite.add_argument(
        "--model", default=DEFAULT_MODEL, help="model whose encoder trained baselines read (default: %(default)s)"
    )
    suite.add_argument(
        "--selection",
        choices=("rules", "scorer", "gated"),
        default="rules",
        help="selection among a model's candidates (default: %(default)s)",
    )
    suite.add_argument("--precision", default="fp32", help="precision of models: fp32, int8 (default: %(default)s)")
    suite.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="other parameters of models, as sampler=ddpm num_denoise_steps=10 (docs/parameters.md)",
    )
    suite.add_argument(
        "--plan-every", type=int, default=1, metavar="N", help="models and plug-ins plan every N-th step of 0.1 s"
    )
    suite.add_argument(
        "--out", type=OutputFolder, required=True, metavar="DIR", help="folder of results; an interrupted run resumes"
    )
    suite.add_argument(
        "--bags", type=OutputFolder, metavar="DIR", help="record drives of models as bags for 'transdiffuser report'"
    )
    _add_run_arguments(suite)
    add_window_arguments(suite)
    compare = kinds.add_parser("compare", help="paired differences of two runs of 'evaluate suite'")
    compare.add_argument("first", type=Path, metavar="DIR_A", help="folder of a run")
    compare.add_argument("second", type=Path, metavar="DIR_B", help="folder of another")
    compare.add_argument(
        "--planners", nargs=2, metavar=("A", "B"), help="planner of each run (default: those of the same name)"
    )
    compare.add_argument("--out", type=OutputFolder, metavar="DIR", help="write compare.html, .md and .json")
    compare.add_argument("--worst", type=int, default=10, metavar="N", help="pairs to play back (default: %(default)s)")


def _add_run_arguments(suite: argparse.ArgumentParser) -> None:
    suite.add_argument("--fresh", action="store_true", help="delete the results in the folder first")
    suite.add_argument("--workers", type=int, default=_num_cores(), help="processes (default: all cores, %(default)s)")
    add_ray_argument(suite)
    suite.add_argument(
        "--worst", type=int, default=16, metavar="N", help="drives to play back in the report (default: %(default)s)"
    )
    suite.add_argument("--ros", action="store_true", help="also drive the model over ROS 2, in real time, and compare")
    suite.add_argument(
        "--realtime-factor",
        type=float,
        default=1.0,
        help="with --ros: simulated seconds per second (default: %(default)s)",
    )


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scenarios(args: argparse.Namespace) -> tuple[str, str, list[Any]]:
    """Draw the scenarios of a suite.

    Args:
        args: Parsed options.

    Returns:
        Name of the suite, its seeds or windows as text, and the scenarios.

    Raises:
        ConfigError: Not exactly one of name, seeds and logs is given, or a map for a suite that has its own.
        PlannerError: No log can be driven.
    """
    from transdiffuser_planner.simulation.scenario import CARLA_VALIDATION, draw_scenario

    if sum(choice is not None for choice in (args.name, args.seeds, args.logs)) != 1:
        raise ConfigError(f"evaluate suite: give either one of {', '.join(SUITES)}, --seeds A:B or --logs LOG")
    if args.logs is not None:
        if args.map is not None or args.ros:
            raise ConfigError(
                "evaluate suite --logs: a log has its own map and is not driven over ROS; leave out --map, --ros"
            )
        windows = windows_of_logs(args.logs, args, window_s=args.window, stride_s=args.stride or args.window)
        how = "traffic yields" if args.reactive else "traffic replayed"
        return f"logs, {how}", f"{len(windows)} windows of {len(args.logs)} logs", list(windows)
    seeds = SUITES[args.name] if args.seeds is None else seed_range(args.seeds)
    text = f"{seeds.start} to {seeds.stop - 1}"
    if args.name == CARLA_SUITE and args.map is not None:
        raise ConfigError(f"evaluate suite {CARLA_SUITE}: has maps of its own; give --seeds A:B with --map")
    maps = CARLA_VALIDATION if args.name == CARLA_SUITE else (args.map,)
    drawn = [
        draw_scenario(seed, map_name=maps[number % len(maps)], duration_s=args.duration)
        for number, seed in enumerate(seeds)
    ]
    return args.name or f"seeds {text}", text, drawn


def run_suite(args: argparse.Namespace) -> int:
    """Drive, print the table, write the report.

    Args:
        args: Parsed options.

    Returns:
        Exit status: 0, 1 when drives are unfinished, 130 when interrupted.

    Raises:
        EvaluationError: No planner can be used here.
    """
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.closed_loop.job import make_job
    from transdiffuser_planner.evaluation.closed_loop.results_writer import SuiteSetting, suite_content
    from transdiffuser_planner.evaluation.closed_loop.run import Store, run_jobs
    from transdiffuser_planner.evaluation.closed_loop.summary import check_labels
    from transdiffuser_planner.planners.registry import make_specs, suite_rig

    _check(args)
    name, seeds, drawn = scenarios(args)
    for map_name in sorted({scenario.map_name for scenario in drawn}):
        check_map(map_name)
    specs, skipped = make_specs(
        args.planner,
        baselines=args.baselines,
        model=args.model,
        precision=args.precision,
        plan_every=args.plan_every,
        selection=args.selection,
        parameters=parameters(args.set, OWN_OPTIONS),
    )
    for line in skipped:
        print(f"skipped: {line}", file=sys.stderr)
    if not specs:
        raise EvaluationError("no planner can be used here")
    check_labels(specs)
    identities = [spec.identity() for spec in specs]
    owned, rig = list(zip(specs, identities, strict=True)), rig_of_seeds(args, specs)
    vehicle = (rig or suite_rig()).vehicle
    jobs = [make_job(scenario, spec, own, vehicle, args.bags, rig) for scenario in drawn for spec, own in owned]
    store = Store(folder=args.out)
    if args.fresh:
        store.forget()
    with tqdm(total=len(jobs), unit="drive", file=sys.stderr, mininterval=1.0, smoothing=0.1) as bar:
        try:
            entries = run_jobs(jobs, store, workers=args.workers, ray_address=args.ray, progress=bar)
        except KeyboardInterrupt:
            print(f"\ninterrupted; the same command resumes from {store.folder}", file=sys.stderr)
            return 130
    workers = f"Ray ({args.ray})" if args.ray else f"{args.workers} processes at once"
    name = name if rig is None else f"{name}, rig {args.rig.stem}"
    setting = SuiteSetting(name=name, seeds=seeds, duration_s=drawn[0].duration_s, workers=workers)
    content = suite_content(entries, specs, setting, skipped)
    _report(store, content, args.worst)
    return _over_ros(args, drawn, specs, entries) if args.ros else int(bool(content["unfinished"]))


def _report(store: Any, content: dict[str, Any], num_played: int) -> None:
    """Write all files, print the table and their paths."""
    from transdiffuser_planner.evaluation.closed_loop.results_writer import write_results
    from transdiffuser_planner.evaluation.closed_loop.tables import planner_table

    page = write_results(store, content, num_played)
    for line in content["left_out"]:
        print(f"skipped: {line}", file=sys.stderr)
    for line in content["unfinished"]:
        print(f"not finished, the same command tries again: {line}", file=sys.stderr)
    print(planner_table(content["planners"], list(SHOWN)))
    print(
        f"\nreport {page} ({page.stat().st_size / 1e6:.1f} MB); report.md, summary.json and results.jsonl in the same folder"
    )


SHOWN = (
    "scene_score",
    "driving_score",
    "progress",
    "at_fault_collisions",
    "red_lights",
    "off_road_s",
    "route_deviation",
    "comfort",
    "ttc_violations",
    "plan_deviation_m",
)
"""Columns on the terminal; the report has all of them."""


def _check(args: argparse.Namespace) -> None:
    if args.bags is not None and args.ray is not None:
        raise ConfigError("--bags: the machine that drives writes them; use --workers instead of --ray")
    if args.workers < 1:
        raise ConfigError(f"--workers {args.workers}: expected 1 or more")
    if not 10.0 <= args.duration <= 3600.0:
        raise ConfigError(
            f"--duration {args.duration:g}: expected 10 .. 3600 s; the expert needs 10 s to be measured against"
        )
    if not 1 <= args.plan_every <= 10:
        raise ConfigError(
            f"--plan-every {args.plan_every}: expected 1 .. 10; the tracker brakes without a plan for 1 s"
        )
    if args.worst < 0:
        raise ConfigError(f"--worst {args.worst}: expected 0 or more")


def _over_ros(args: argparse.Namespace, drawn: list[Any], specs: list[Any], entries: list[dict[str, Any]]) -> int:
    from transdiffuser_planner.evaluation.over_dds.suite_over_dds import compare_over_ros

    spec = next((spec for spec in specs if spec.is_model), None)
    if spec is None:
        raise EvaluationError("--ros: only a model can drive over ROS 2; name one with --planner")
    rows = {(entry["seed"]): entry["row"] for entry in entries if entry["planner"] == spec.label}
    return compare_over_ros(args.out / "ros", spec, drawn, rows, args.realtime_factor)


def run_compare(args: argparse.Namespace) -> int:
    """Print the differences, write the page.

    Args:
        args: Parsed options.

    Returns:
        Exit status.
    """
    from transdiffuser_planner.evaluation.closed_loop.compare import compare, compare_markdown
    from transdiffuser_planner.evaluation.closed_loop.results_writer import read_summary, write_comparison_page
    from transdiffuser_planner.evaluation.closed_loop.run import Store
    from transdiffuser_planner.reports.markdown_tables import save_json

    folders = (args.first, args.second)
    planners = None if args.planners is None else (args.planners[0], args.planners[1])
    found = compare(read_summary(folders[0]), read_summary(folders[1]), planners)
    names = (folders[0].resolve().name, folders[1].resolve().name)
    if names[0] == names[1]:
        names = (str(folders[0]), str(folders[1]))
    text = compare_markdown(found, names)
    print(text)
    if args.out is not None:
        save_json(args.out / "compare.json", {"runs": list(names), "comparisons": found})
        write_text(args.out / "compare.md", text)
        stores = (Store(folder=folders[0]), Store(folder=folders[1]))
        page = write_comparison_page(args.out / "compare.html", found, names, stores, args.worst)
        print(f"report {page} ({page.stat().st_size / 1e6:.1f} MB)")
    return 0


KINDS = {"suite": run_suite, "compare": run_compare}
