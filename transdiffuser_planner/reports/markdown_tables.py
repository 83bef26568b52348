"""Formats results as Markdown tables and JSON files."""

from __future__ import annotations

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.files import write_text

ERROR_COLUMNS = {
    "title": "planner",
    "ade_m": "ADE m",
    "fde_m": "FDE m",
    "ade_eventful_m": "ADE m, eventful",
    "samples": "samples",
}

SAMPLE_COLUMNS = {
    "title": "planner",
    "at_s": "until s",
    "ade_m": "ADE m",
    "fde_m": "FDE m",
    "miss_rate": "missed by 2 m",
    "samples": "samples",
}
TOKEN_COLUMNS = {
    "maneuver": "asked for",
    "samples": "samples",
    "followed_with": "followed",
    "followed_without": "without tokens",
    "candidates_with": "candidates that follow",
    "candidates_without": "without tokens",
    "ade_with_m": "ADE m from it",
    "ade_without_m": "without tokens",
}
CHOICE_COLUMNS = {
    "title": "chosen",
    "no_at_fault_collision": "NC",
    "drivable_area": "DAC",
    "time_to_collision": "TTC",
    "comfort": "C",
    "ego_progress": "EP",
    "pdms": "PDMS",
}

PLAN_COLUMNS = {
    "title": "planner",
    **{key: heading for key, heading in CHOICE_COLUMNS.items() if key != "title"},
    "pdms_error": "+- of PDMS",
    "ade_m": "ADE m",
    "fde_m": "FDE m",
    "diversity": "D",
    "ms": "ms",
}


def markdown_table(rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    """Format a table.

    Args:
        rows: One mapping per row.
        columns: Key -> heading, in order.

    Returns:
        Markdown text.
    """
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_text(row.get(key)) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def machine() -> str:
    """Describe this machine: processor, cores, system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def save_json(path: Path, content: dict[str, Any]) -> None:
    """Write results with machine and date.

    Args:
        path: JSON file to write.
        content: Results.

    Raises:
        OutputError: It cannot be written.
    """
    stamped = {"date": datetime.date.today().isoformat(), "machine": machine(), **content}
    write_text(path, json.dumps(stamped, indent=1) + "\n")
