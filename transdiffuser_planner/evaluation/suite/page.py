"""The report of a suite, or of two: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transdiffuser_planner.evaluation.report.page import PLAYBACK_SCRIPTS, STYLE
from transdiffuser_planner.evaluation.report.single_file import fill_page, write_file
from transdiffuser_planner.evaluation.suite.registry import KINDS
from transdiffuser_planner.evaluation.suite.run import Store
from transdiffuser_planner.evaluation.suite.summary import COLUMNS

_HERE = Path(__file__).resolve().parent
_SCRIPTS = (*PLAYBACK_SCRIPTS, *(_HERE / name for name in ("tables.js", "plots.js", "playback.js", "suite.js")))
BUDGET_BYTES = 30_000_000
"""Of recordings in one page, as they are embedded."""


def write_page(out: Path, content: dict[str, Any], store: Store, num_played: int) -> Path:
    """The page of one run.

    Args:
        out: HTML file to write.
        content: As ``finish.suite_content`` makes it.
        store: Where recordings are.
        num_played: How many drives can be played back, the worst.
    """
    keys = played_keys(content["rows"], num_played)
    data = {"kind": "suite", "title": f"Suite {content['suite']}", "columns": _columns(), **content}
    return _write(out, data, [(key, store.recording(key)) for key in keys])


def write_comparison(
    out: Path, found: list[dict[str, Any]], names: tuple[str, str], stores: tuple[Store, Store], num_played: int
) -> Path:
    """The page of two runs side by side.

    Args:
        out: HTML file to write.
        found: As ``compare.compare`` gives them.
        names: Of the runs.
        stores: Where recordings are.
        num_played: How many pairs of drives can be played back, those that differ most.
    """
    data = {"kind": "comparison", "title": f"{names[1]} compared with {names[0]}", "columns": _columns()}
    data |= {"runs": list(names), "comparisons": found}
    drives = [drive for item in found for drive in item["drives"]]
    drives.sort(key=lambda drive: (-abs(drive["change"]), drive["seed"]))
    wanted = [
        (str(key), store.recording(str(key)))
        for drive in drives[:num_played]
        for key, store in zip(drive["keys"], stores, strict=True)
    ]
    return _write(out, data, wanted)


def played_keys(rows: list[dict[str, Any]], count: int) -> list[str]:
    """Keys of the drives to embed: every planner's worst, its second worst and so on, models first.

    Half of them are models' as long as these have so many.
    """
    ranked = sorted(rows, key=lambda row: (row["driving_score"], row["seed"]))
    own: dict[str, list[str]] = {}
    for row in ranked:
        own.setdefault(row["planner"], []).append(row["key"])
    models = [row["key"] for row in ranked if row["planner"] not in KINDS][: (count + 1) // 2]
    turns = max(map(len, own.values()), default=0)
    in_turn = [keys[turn] for turn in range(turns) for keys in own.values() if turn < len(keys)]
    return list(dict.fromkeys([*models, *in_turn]))[:count]


def _columns() -> list[dict[str, Any]]:
    return [{"name": name, **asdict(column)} for name, column in COLUMNS.items()]


def _write(out: Path, data: dict[str, Any], recordings: list[tuple[str, Path]]) -> Path:
    embedded, used = [], 0
    for key, path in dict(recordings).items():
        if not path.is_file():
            continue
        text = base64.b64encode(path.read_bytes()).decode()
        used += len(text)
        if used > BUDGET_BYTES:
            break
        embedded.append(f'<script type="text/plain" id="drive-{key}">{text}</script>')
    page = fill_page(_HERE / "suite.html", data, [STYLE, _HERE / "suite.css"], _SCRIPTS, DRIVES="\n".join(embedded))
    return write_file(out, page)
