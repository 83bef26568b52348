"""Writes the report of one suite or of a comparison of two, as one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from transdiffuser_planner.reports.drive.page import PLAYBACK_SCRIPTS, STYLE
from transdiffuser_planner.reports.single_file import fill_page, write_file

_HERE = Path(__file__).resolve().parent
_SCRIPTS = (*PLAYBACK_SCRIPTS, *(_HERE / name for name in ("tables.js", "plots.js", "playback.js", "suite.js")))
BUDGET_BYTES = 30_000_000
"""Maximum size of the encoded recordings in one page."""

Columns = list[dict[str, Any]]
"""One mapping per column: name, title, unit, digits, better, text."""


def write_page(out: Path, content: dict[str, Any], columns: Columns, recordings: Mapping[str, Path]) -> Path:
    """Write the page of one run.

    Args:
        out: HTML file to write.
        content: Results: "suite" (title), "planners", "rows" with keys, and the setting of the run.
        columns: Columns of the tables.
        recordings: Key of the drive -> file to play back.

    Returns:
        The written file.
    """
    data = {"kind": "suite", "title": f"Suite {content['suite']}", "columns": columns, **content}
    return _write(out, data, recordings)


def write_comparison(
    out: Path, found: list[dict[str, Any]], names: tuple[str, str], columns: Columns, recordings: Mapping[str, Path]
) -> Path:
    """Write the page of two runs side by side.

    Args:
        out: HTML file to write.
        found: Comparisons with their drives.
        names: Names of the runs.
        columns: Columns of the tables.
        recordings: Key of the drive -> file to play back.

    Returns:
        The written file.
    """
    data = {"kind": "comparison", "title": f"{names[1]} compared with {names[0]}", "columns": columns}
    return _write(out, {**data, "runs": list(names), "comparisons": found}, recordings)


def played_keys(rows: list[dict[str, Any]], models: Collection[str], count: int) -> list[str]:
    """Select the drives to play back: every planner's worst, its second worst and so on, models first.

    Up to half of them are drives of models.

    Args:
        rows: Results.
        models: Labels of the planners that are models.
        count: Maximum number of drives.

    Returns:
        Keys of the drives.
    """
    ranked = sorted(rows, key=lambda row: (row["driving_score"], row["seed"]))
    own: dict[str, list[str]] = {}
    for row in ranked:
        own.setdefault(row["planner"], []).append(row["key"])
    models = [row["key"] for row in ranked if row["planner"] in models][: (count + 1) // 2]
    turns = max(map(len, own.values()), default=0)
    in_turn = [keys[turn] for turn in range(turns) for keys in own.values() if turn < len(keys)]
    return list(dict.fromkeys([*models, *in_turn]))[:count]


def changed_most(found: list[dict[str, Any]], count: int) -> list[tuple[str, str]]:
    """Select the pairs of drives to play back: those with the largest differences.

    Args:
        found: Comparisons with their drives.
        count: Maximum number of pairs.

    Returns:
        Pairs of keys.
    """
    drives = [drive for item in found for drive in item["drives"]]
    drives.sort(key=lambda drive: (-abs(drive["change"]), drive["seed"]))
    return [(str(drive["keys"][0]), str(drive["keys"][1])) for drive in drives[:count]]


def _write(out: Path, data: dict[str, Any], recordings: Mapping[str, Path]) -> Path:
    embedded, used = [], 0
    for key, path in recordings.items():
        if not path.is_file():
            continue
        text = base64.b64encode(path.read_bytes()).decode()
        used += len(text)
        if used > BUDGET_BYTES:
            break
        embedded.append(f'<script type="text/plain" id="drive-{key}">{text}</script>')
    page = fill_page(_HERE / "suite.html", data, [STYLE, _HERE / "suite.css"], _SCRIPTS, DRIVES="\n".join(embedded))
    return write_file(out, page)
