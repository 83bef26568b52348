"""Compares two runs of a suite: differences of one planner, or of two, scenario by scenario."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scipy.stats import binomtest

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.summary import COLUMNS, is_success, value
from transdiffuser_planner.evaluation.closed_loop.tables import heading, interval_text, number
from transdiffuser_planner.evaluation.intervals import bootstrap

Rows = dict[tuple[str, int], dict[str, Any]]


def rows_of(content: dict[str, Any], planner: str) -> Rows:
    """Return the rows of one planner by map and seed."""
    return {(row["map"], row["seed"]): row for row in content["rows"] if row["planner"] == planner}


def pairs(first: dict[str, Any], second: dict[str, Any], chosen: tuple[str, str] | None) -> list[tuple[str, str]]:
    """Pair the planners of the first run with those of the second.

    Args:
        first: Results of the first run.
        second: Results of the second run.
        chosen: One planner of each; None pairs planners of the same name, else the first of each.

    Raises:
        EvaluationError: A run has no planner of the chosen name.
    """
    known = [[planner["planner"] for planner in content["planners"]] for content in (first, second)]
    if chosen is not None:
        for name, names in zip(chosen, known, strict=True):
            if name not in names:
                raise EvaluationError(f"compare: no planner '{name}' in that run; it has {', '.join(names)}")
        return [chosen]
    common = [(name, name) for name in known[0] if name in known[1]]
    return common or [(known[0][0], known[1][0])]


def paired(first: Rows, second: Rows) -> dict[str, Any]:
    """Differences, second minus first, over the scenarios that both runs contain.

    Args:
        first: Rows of the first run.
        second: Rows of the second run.

    Raises:
        EvaluationError: The runs have no scenario in common.
    """
    common = sorted(set(first) & set(second))
    if not common:
        raise EvaluationError("compare: the runs have no scenario in common; run both over the same seeds")
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        values = [(value(first[at], name), value(second[at], name)) for at in common]
        change = [b - a for a, b in values if a is not None and b is not None]
        interval = bootstrap(change)
        columns[name] = (
            None if interval is None else {key: round(number, 5) for key, number in asdict(interval).items()}
        )
    scores = [(first[at]["driving_score"], second[at]["driving_score"]) for at in common]
    drives = [
        {
            "map": at[0],
            "seed": at[1],
            "first": a,
            "second": b,
            "change": round(b - a, 2),
            "keys": [first[at].get("key"), second[at].get("key")],
            "events": [first[at]["events"], second[at]["events"]],
        }
        for at, (a, b) in zip(common, scores, strict=True)
    ]
    return {
        "scenarios": len(common),
        "only_first": len(set(first) - set(second)),
        "only_second": len(set(second) - set(first)),
        "successes": _changed_successes([(is_success(first[at]), is_success(second[at])) for at in common]),
        "better": sum(b > a for a, b in scores),
        "worse": sum(b < a for a, b in scores),
        "columns": columns,
        "drives": sorted(drives, key=lambda drive: (drive["change"], drive["seed"])),
    }


def _changed_successes(outcomes: list[tuple[bool, bool]]) -> dict[str, Any]:
    """Successful drives of both runs and McNemar's exact test, two-sided, of those that only one of them drove successfully."""
    lost, gained = (sum(pair == only for pair in outcomes) for only in ((True, False), (False, True)))
    return {
        "first": sum(a for a, _ in outcomes),
        "second": sum(b for _, b in outcomes),
        "only_first": lost,
        "only_second": gained,
        "p_value": round(float(binomtest(lost, lost + gained).pvalue), 5) if lost + gained else 1.0,
    }


def compare(
    first: dict[str, Any], second: dict[str, Any], chosen: tuple[str, str] | None = None
) -> list[dict[str, Any]]:
    """Compare two runs, one comparison for each pair of planners.

    Args:
        first: Results of the first run.
        second: Results of the second run.
        chosen: One planner of each; None pairs planners of the same name.

    Raises:
        EvaluationError: The runs cannot be compared.
    """
    if first["duration_s"] != second["duration_s"]:
        raise EvaluationError(
            f"compare: drives of {first['duration_s']:g} s and of {second['duration_s']:g} s; run both with the same --duration"
        )
    return [
        {"first": a, "second": b, **paired(rows_of(first, a), rows_of(second, b))}
        for a, b in pairs(first, second, chosen)
    ]


def compare_markdown(found: list[dict[str, Any]], names: tuple[str, str]) -> str:
    """Write the differences as Markdown; those whose interval excludes zero are marked.

    Args:
        found: Comparisons.
        names: Names of the two runs.
    """
    parts = [
        f"# {names[1]} compared with {names[0]}",
        "Second minus first, mean over the same scenarios with a 95 % interval (paired bootstrap); "
        "**bold** where the interval excludes zero.",
    ]
    for item in found:
        parts.append(f"## {item['second']} - {item['first']}")
        parts.append(
            f"{item['scenarios']} scenarios in both: driving score better in {item['better']}, worse in {item['worse']}, "
            f"equal in {item['scenarios'] - item['better'] - item['worse']}; "
            f"only in the first run {item['only_first']}, only in the second {item['only_second']}."
        )
        parts.append(_success_text(item["successes"], item["scenarios"]))
        lines = ["| measure | difference |", "| --- | --- |"]
        for name, column in COLUMNS.items():
            text = interval_text(item["columns"][name], column)
            lines.append(f"| {heading(column)} | {f'**{text}**' if is_clear(item['columns'][name]) else text} |")
        parts.append("\n".join(lines))
        score = COLUMNS["driving_score"]
        changed = [drive for drive in item["drives"] if drive["change"]]
        lines = ["| map | seed | first | second | change |", "|" + " --- |" * 5]
        for drive in [*changed[:10], *changed[10:][-10:]]:
            cells = (number(drive[key], score) for key in ("first", "second", "change"))
            lines.append(f"| {drive['map']} | {drive['seed']} | {' | '.join(cells)} |")
        parts.append("\n".join(lines) if changed else "No driving score changed.")
    return "\n\n".join(parts) + "\n"


def _success_text(found: dict[str, Any], num_scenarios: int) -> str:
    return (
        f"Successful drives: {found['first']} and {found['second']} of {num_scenarios}; only in the first run "
        f"{found['only_first']}, only in the second {found['only_second']} (McNemar's exact test: p = {found['p_value']:.3g})."
    )


def is_clear(interval: dict[str, float] | None) -> bool:
    """Return whether an interval excludes zero."""
    return interval is not None and (interval["low"] > 0.0 or interval["high"] < 0.0)
