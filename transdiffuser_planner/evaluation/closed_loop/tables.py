"""Results of a suite as Markdown."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.evaluation.closed_loop.drive_metrics import TTC_VIOLATION
from transdiffuser_planner.evaluation.closed_loop.summary import COLUMNS, SUCCESS, Column


def number(measured: float | None, column: Column) -> str:
    """Format one value of a column."""
    if measured is None:
        return "-"
    rounded = round(100.0 * measured if column.unit == "%" else measured, column.digits)
    return f"{rounded + 0.0:.{column.digits}f}"  # plus 0: no minus before a zero


def heading(column: Column) -> str:
    """Return title and unit of a column."""
    return f"{column.title} {column.unit}".strip()


def interval_text(interval: dict[str, float] | None, column: Column) -> str:
    """Format mean and interval of a column."""
    if interval is None:
        return "-"
    mean, low, high = (number(interval[name], column) for name in ("mean", "low", "high"))
    return mean if low == high == mean else f"{mean} ({low} to {high})"


def planner_table(planners: list[dict[str, Any]], names: list[str] | None = None) -> str:
    """Write a row for each planner, privileged ones marked, and a column for each metric."""
    names = list(COLUMNS) if names is None else names
    head = ["planner", "drives", "success rate", *(heading(COLUMNS[name]) for name in names)]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for planner in planners:
        title = planner["title"] + ("*" if planner["privileged"] else "")
        cells = [title, str(planner["scenarios"]), f"{planner['successes']} of {planner['scenarios']}"]
        cells += [interval_text(planner["columns"][name], COLUMNS[name]) for name in names]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def suite_markdown(content: dict[str, Any]) -> str:
    """Write the whole report as Markdown.

    Args:
        content: Results, as ``results_writer.suite_content`` returns them.
    """
    drawn_from = content["seeds"] if "windows" in content["seeds"] else f"seeds {content['seeds']}"
    parts = [
        f"# Suite {content['suite']}",
        f"{content['num_scenarios']} scenarios of {content['duration_s']:g} s, {drawn_from}. Means over "
        "scenarios with 95 % intervals (bootstrap). * privileged: uses ground truth.",
        planner_table(content["planners"]),
        "\n".join(f"* {heading(column)}: {column.text}" for column in COLUMNS.values())
        + f"\n* success rate: drives with {SUCCESS}",
        "## Cost",
        _cost_table(content["planners"]),
        f"{content['machine']}; {content['workers']}.",
        "## Worst drives",
        _worst_table(content["rows"]),
    ]
    if content["left_out"]:
        parts += ["## Skipped", "\n".join(f"* {line}" for line in content["left_out"])]
    if content.get("unfinished"):
        lines = "\n".join(f"* {line}" for line in content["unfinished"])
        parts += ["## Not finished", "The machine failed these drives; the same command tries them again.", lines]
    return "\n\n".join(parts) + "\n"


def _cost_table(planners: list[dict[str, Any]]) -> str:
    head = ("planner", "CPU s per drive", "wall s per drive", "plan ms, median", "plan ms, worst p99")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    keys = ("cpu_s_mean", "wall_s_mean", "plan_ms_median", "plan_ms_p99_worst")
    for planner in planners:
        cost = planner["cost"]
        lines.append("| " + " | ".join([planner["title"], *(f"{cost[key]:g}" for key in keys if key in cost)]) + " |")
    return "\n".join(lines)


def _worst_table(rows: list[dict[str, Any]], most: int = 20) -> str:
    lines = ["| score | planner | map | seed | events |", "|" + " --- |" * 5]
    for row in sorted(rows, key=lambda row: (row["driving_score"], row["planner"], row["seed"]))[:most]:
        lines.append(
            f"| {row['driving_score']:.1f} | {row['planner']} | {row['map']} | {row['seed']} | {event_text(row)} |"
        )
    return "\n".join(lines)


def event_text(row: dict[str, Any], most: int = 4) -> str:
    """List the first events of a drive with their times, and its progress where that is small; "-" for none."""
    parts = [f"{event['kind']} at {event['time_s']:g} s" for event in row["events"] if event["kind"] != TTC_VIOLATION]
    parts += [] if row["progress"] > 0.9 else [f"{100.0 * row['progress']:.0f} % of the expert's progress"]
    return (", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")) or "-"
