"""Writes the results of a finished suite: JSON, Markdown and the report page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.files import read_text, write_text
from transdiffuser_planner.evaluation.closed_loop.job import VERSION
from transdiffuser_planner.evaluation.closed_loop.result_keys import with_current_keys
from transdiffuser_planner.evaluation.closed_loop.run import Store
from transdiffuser_planner.evaluation.closed_loop.summary import page_columns, summarize
from transdiffuser_planner.evaluation.closed_loop.tables import suite_markdown
from transdiffuser_planner.planners.registry import PlannerSpec
from transdiffuser_planner.reports.markdown_tables import machine, save_json
from transdiffuser_planner.reports.suite.page import changed_most, played_keys, write_comparison, write_page

SUMMARY, MARKDOWN, PAGE = "summary.json", "report.md", "report.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteSetting:
    """Human-readable setting of a suite.

    Attributes:
        name: Name of the suite.
        seeds: First and last seed.
        duration_s: Duration of each drive.
        workers: Number and kind of workers.
    """

    name: str
    seeds: str
    duration_s: float
    workers: str


def suite_content(
    entries: list[dict[str, Any]], specs: list[PlannerSpec], setting: SuiteSetting, skipped: list[str]
) -> dict[str, Any]:
    """Collect the results of a run.

    Args:
        entries: Entries of ``results.jsonl``.
        specs: Planners, in the order of tables.
        setting: Setting of the run.
        skipped: One line for each planner that was skipped.

    Raises:
        EvaluationError: No scenario could be driven.
    """
    left_out = [*skipped, *_lines([entry for entry in entries if not entry.get("may_succeed")])]
    unfinished = _lines([entry for entry in entries if entry.get("may_succeed")])
    rows = [{**entry["row"], "key": entry["key"]} for entry in entries if entry["row"] is not None]
    if not rows:
        reasons = "; ".join([*left_out, *unfinished][:3])
        raise EvaluationError(f"suite {setting.name}: no scenario could be driven ({reasons})")
    return {
        "suite": setting.name,
        "version": VERSION,
        "seeds": setting.seeds,
        "duration_s": setting.duration_s,
        "num_scenarios": len({(row["map"], row["seed"]) for row in rows}),
        "workers": setting.workers,
        "machine": machine(),
        "planners": summarize(entries, specs),
        "models": [spec.label for spec in specs if spec.is_model],
        "identities": {spec.label: spec.identity() for spec in specs},
        "left_out": left_out,
        "unfinished": unfinished,
        "rows": rows,
    }


def _lines(entries: list[dict[str, Any]]) -> list[str]:
    """Return one line for each scenario that was not driven, with the reason."""
    failed = {(entry["seed"], entry["reason"]) for entry in entries if entry["row"] is None}
    return [f"seed {seed}: {reason}" for seed, reason in sorted(failed)]


def write_results(store: Store, content: dict[str, Any], num_played: int) -> Path:
    """Write all files into the folder of the run.

    Args:
        store: Folder of the run with its recordings.
        content: Results, as ``suite_content`` returns them.
        num_played: Number of drives that the page can play back.

    Returns:
        Path of the report page.
    """
    save_json(store.folder / SUMMARY, content)
    write_text(store.folder / MARKDOWN, suite_markdown(content))
    keys = played_keys(content["rows"], content["models"], num_played)
    recordings = {key: store.recording(key) for key in keys}
    return write_page(store.folder / PAGE, content, page_columns(), recordings)


def write_comparison_page(
    out: Path, found: list[dict[str, Any]], names: tuple[str, str], stores: tuple[Store, Store], num_played: int
) -> Path:
    """Write the page that compares two runs.

    Args:
        out: HTML file.
        found: Comparisons, as ``compare.compare`` returns them.
        names: Names of the runs.
        stores: Folders of the runs with their recordings.
        num_played: Number of pairs of drives that can be played back, those that differ most.

    Returns:
        Path of the page.
    """
    pairs = changed_most(found, num_played)
    recordings = {key: store.recording(key) for pair in pairs for key, store in zip(pair, stores, strict=True)}
    return write_comparison(out, found, names, page_columns(), recordings)


def read_summary(folder: Path) -> dict[str, Any]:
    """Read the results of a finished run.

    Args:
        folder: Folder of the run.

    Raises:
        EvaluationError: The folder holds no results, or those of another version.
    """
    path = folder / SUMMARY
    try:
        content = json.loads(read_text(path))
    except OSError:
        raise EvaluationError(f"run {folder}: no {SUMMARY}; give the --out folder of 'evaluate suite'") from None
    except ValueError as error:
        raise EvaluationError(f"run {path}: is not JSON ({error}); run the suite again") from None
    if not isinstance(content, dict) or "rows" not in content or content.get("version") != VERSION:
        raise EvaluationError(
            f"run {path}: expected results of version {VERSION}, got another one; run the suite again"
        )
    return with_current_keys(content)
