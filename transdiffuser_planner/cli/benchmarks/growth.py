"""Benchmark of growth: the cycle's time and memory against its sizes, throughput of scoring and training against workers."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.benchmarks.options import (
    add_model,
    add_scenario,
    default_rig,
    drawn_scenario,
    planner_config,
)
from transdiffuser_planner.cli.output_paths import OutputFile
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.evaluation.benchmarks.growth.axes import QUICK_SIZES, RANDOM_WEIGHTS, SIZES, TITLES

SCORING, TRAINING = "scoring", "training"
WORKERS, QUICK_WORKERS = (1, 2, 4), (1, 2)
LINEAR = 1.05
"""Exponents above it are faster than linear."""
_FRAMES, _QUICK_FRAMES = 20, 3
_ROUNDS, _QUICK_ROUNDS = 40, 3
_SCENES, _QUICK_SCENES = 600, 40
_STEPS, _QUICK_STEPS = 81, 41
_DRIVE_S = 40.0


def add_parts(parts: Any) -> None:
    """Add this benchmark with its options.

    Args:
        parts: The subparsers of the command.
    """
    growth = parts.add_parser(
        "growth",
        help="cycle time and memory against candidates, agents, cameras, denoise steps and threads; scoring and training "
        "throughput against workers",
    )
    add_model(growth)
    growth.add_argument(
        "--axes",
        nargs="+",
        choices=(*SIZES, SCORING, TRAINING),
        default=[*SIZES, SCORING, TRAINING],
        help="what to measure (default: everything)",
    )
    growth.add_argument("--rounds", type=int, help="cycles of every size, interleaved (default: 40)")
    growth.add_argument("--quick", action="store_true", help="few sizes and cycles, to see that it runs")
    growth.add_argument(
        "--samples", type=Path, metavar="FOLDER", help="samples to train on (default: of a drive recorded now)"
    )
    growth.add_argument("--plot", type=OutputFile, metavar="PNG", help="draw everything in one figure")
    add_scenario(growth)


def _growth(args: argparse.Namespace) -> dict[str, Any]:
    """Measure all axes.

    Raises:
        ConfigError: Too few rounds.
    """
    from transdiffuser_planner.core.contract import TINY
    from transdiffuser_planner.data.samples.sample_set import SampleSet
    from transdiffuser_planner.evaluation.benchmarks.growth.growth_plot import plot_growth
    from transdiffuser_planner.reports.markdown_tables import machine

    if args.rounds is not None and args.rounds < 1:
        raise ConfigError(f"--rounds: expected 1 or more, got {args.rounds}")
    if TRAINING in args.axes and args.samples is not None:
        SampleSet.open(args.samples, TINY)  # unusable samples are reported now, not after all other measurements
    axes: dict[str, Any] = {}
    workers: list[dict[str, Any]] = []
    notices: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for axis in (name for name in SIZES if name in args.axes):
            axes[axis] = _axis(args, axis, Path(scratch))
            print(_axis_text(axis, axes[axis]) + "\n")
        if SCORING in args.axes:
            rows, notices = _scoring(args)
            workers += rows
        if TRAINING in args.axes:
            workers += _training(args, Path(scratch))
    if workers:
        print(_workers_text(workers) + "\n")
    if args.plot is not None:
        plot_growth(args.plot, axes, workers, machine())
    return {"axes": axes, "workers": workers, "not_measured": notices}


def _axis(args: argparse.Namespace, axis: str, scratch: Path) -> dict[str, Any]:
    """Measure one axis."""
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.benchmarks.growth.axes import points
    from transdiffuser_planner.evaluation.benchmarks.growth.cycle_growth import cycle_growth, work
    from transdiffuser_planner.evaluation.benchmarks.simulated_snapshots import snapshots

    sizes = (QUICK_SIZES if args.quick else SIZES)[axis]
    rounds = args.rounds or (_QUICK_ROUNDS if args.quick else _ROUNDS)
    frames = min(rounds, _QUICK_FRAMES if args.quick else _FRAMES)
    total = 2 * len(sizes) + work(len(sizes), rounds)
    with tqdm(total=total, desc=axis, unit="cycle", file=sys.stderr, mininterval=1.0) as bar:
        planners = points(
            axis, sizes, args.model, default_rig(), planner_config(args), _model_maker(args, scratch), bar.update
        )
        inputs: list[Any] = []
        for before, point in zip([None, *planners], planners, strict=False):
            is_same = before is not None and before.rig == point.rig
            inputs.append(inputs[-1] if is_same else snapshots(drawn_scenario(args), point.rig, frames))
            bar.update()
        result = cycle_growth(planners, inputs, rounds, bar.update)
    return {"weights": "random" if axis in RANDOM_WEIGHTS else "shipped", "rounds": rounds, **result}


def _model_maker(args: argparse.Namespace, scratch: Path) -> Any:
    """Return the maker of models of other sizes; each size is made once.

    Raises:
        ConfigError: PyTorch is not installed, when a model is needed.
    """
    numbers = itertools.count()
    made: dict[Any, Path] = {}

    def make(**sizes: Any) -> Path:
        try:
            from transdiffuser_planner.training.export.sized_model import export_sized
        except ImportError:
            raise ConfigError(
                f"axes {', '.join(RANDOM_WEIGHTS)} need PyTorch; install it with: "
                "pip install 'transdiffuser_planner[training]'"
            ) from None
        from transdiffuser_planner.runtime.inference.manifest import load_manifest

        key = tuple(sizes.items())
        if key not in made:
            made[key] = export_sized(load_manifest(args.model), scratch / f"model_{next(numbers)}", **sizes)
        return made[key]

    return make


def _scoring(args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[str]]:
    """Measure scoring with processes and with Ray; rows, and one line for what could not be measured."""
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.benchmarks.growth.scoring_workers import BATCH, scoring_rate

    counts, scenes = (QUICK_WORKERS, _QUICK_SCENES) if args.quick else (WORKERS, _SCENES)
    rows, notices = [], []
    total = 2 * sum(max(-(-scenes // BATCH), 3 * count) * BATCH for count in counts)
    with tqdm(total=total, desc=SCORING, unit="scene", file=sys.stderr, mininterval=1.0) as bar:
        for what, with_ray in (("scoring, processes", False), ("scoring, Ray", True)):
            try:
                for count in counts:
                    rate = scoring_rate(count, scenes, with_ray=with_ray, advance=bar.update)
                    rows.append({"what": what, "workers": count, "rate": round(rate, 1), "unit": "scenes/s"})
            except ConfigError as error:
                notices.append(f"{what}: {error}")
    return rows, notices


def _training(args: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    """Measure training with processes that exchange gradients."""
    from tqdm import tqdm

    from transdiffuser_planner.evaluation.benchmarks.growth.training_workers import record_samples, training_rate

    counts, steps = (QUICK_WORKERS, _QUICK_STEPS) if args.quick else (WORKERS, _STEPS)
    rows = []
    with tqdm(total=len(counts) + 1, desc=TRAINING, unit="run", file=sys.stderr) as bar:
        samples = args.samples or record_samples(default_rig(), scratch / "drive", _DRIVE_S)
        bar.update()
        for count in counts:
            rate = training_rate(samples, scratch / f"run_{count}", count, steps)
            rows.append({"what": "training, DDP", "workers": count, "rate": round(rate, 1), "unit": "samples/s"})
            bar.update()
    return rows


def _axis_text(axis: str, result: dict[str, Any]) -> str:
    """Table of one axis and its exponents."""
    from transdiffuser_planner.reports.markdown_tables import markdown_table

    columns = {
        "size": TITLES[axis],
        "cycle_ms": "cycle ms",
        "encode_ms": "encode",
        "denoise_ms": "denoise",
        "select_ms": "select",
        "memory_mb": "memory MB",
        "load_s": "load s",
    }
    exponents = result["exponents"]
    growth = "; ".join(map(partial(_exponent_text, exponents), ("cycle_ms", "memory_mb")))
    return f"Against {TITLES[axis]} ({result['weights']} weights), medians of {result['rounds']} rounds:\n\n" + (
        f"{markdown_table(result['rows'], columns)}\n\nExponent of growth over the largest sizes: {growth}."
    )


def _exponent_text(exponents: dict[str, float], name: str) -> str:
    what = {"cycle_ms": "cycle", "memory_mb": "memory"}[name]
    return f"{what} {exponents[name]:g}" + (" (faster than linear)" if exponents[name] > LINEAR else "")


def _workers_text(rows: list[dict[str, Any]]) -> str:
    """Table of throughput against workers."""
    from transdiffuser_planner.reports.markdown_tables import markdown_table

    first = {row["what"]: row["rate"] for row in reversed(rows)}
    shown = [row | {"gain": round(row["rate"] / first[row["what"]], 2)} for row in rows]
    columns = {"what": "what", "workers": "workers", "rate": "rate", "unit": "unit", "gain": "times one worker"}
    return f"Throughput against workers:\n\n{markdown_table(shown, columns)}"


PARTS = {"growth": _growth}
"""Benchmark -> function that runs it."""
