"""One figure of all growth: cycle time and memory along each axis, throughput against workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transdiffuser_planner.evaluation.benchmarks.growth.axes import TITLES
from transdiffuser_planner.reports.figures import new_figure, save_figure

_COLUMNS = 3


def plot_growth(path: Path, axes: dict[str, Any], workers: list[dict[str, Any]], title: str) -> None:
    """Plot all results into one image.

    Args:
        path: File to write.
        axes: Axis -> result of ``cycle_growth``.
        workers: Rows with "what", "workers", "rate" and "unit"; shown as multiples of one worker.
        title: Title of the figure.

    Raises:
        EvaluationError: matplotlib is not installed.
    """
    count = len(axes) + bool(workers)
    rows = -(-count // _COLUMNS)
    figure = new_figure(4.2 * min(count, _COLUMNS), 3.2 * rows)
    places = list(figure.subplots(rows, min(count, _COLUMNS), squeeze=False).flat)
    for place, (name, result) in zip(places, axes.items(), strict=False):
        _plot_axis(place, name, result)
    if workers:
        _plot_workers(places[len(axes)], workers)
    for place in places[count:]:
        place.set_axis_off()
    figure.suptitle(title, fontsize=9)
    save_figure(figure, path)


def _plot_axis(place: Any, name: str, result: dict[str, Any]) -> None:
    rows, exponents = result["rows"], result["exponents"]
    sizes = [row["size"] for row in rows]
    place.plot(sizes, [row["cycle_ms"] for row in rows], marker="o", label="cycle")
    for stage, style in (("encode_ms", ":"), ("denoise_ms", "-.")):
        place.plot(sizes, [row[stage] for row in rows], ls=style, lw=1.0, label=stage.removesuffix("_ms"))
    place.set(xlabel=TITLES[name], ylabel="median [ms]", ylim=(0.0, None))
    place.set_title(f"exponents: cycle {exponents['cycle_ms']:g}, memory {exponents['memory_mb']:g}", fontsize=8)
    memory = place.twinx()
    memory.plot(sizes, [row["memory_mb"] for row in rows], marker="s", ms=3, ls="--", color="tab:red")
    memory.set_ylabel("memory [MB]", color="tab:red")
    memory.set_ylim(0.0, None)
    place.legend(fontsize=7, loc="best")


def _plot_workers(place: Any, workers: list[dict[str, Any]]) -> None:
    for what in dict.fromkeys(row["what"] for row in workers):
        rows = [row for row in workers if row["what"] == what]
        counts = [row["workers"] for row in rows]
        place.plot(counts, [row["rate"] / rows[0]["rate"] for row in rows], marker="o", label=what)
    most = max(row["workers"] for row in workers)
    place.plot([1, most], [1, most], color="gray", lw=0.8, ls=":")
    place.set(xlabel="workers", ylabel="throughput, times one worker", ylim=(0.0, None))
    place.legend(fontsize=7, loc="best")
