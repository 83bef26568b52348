"""Writes machine-readable results: JSON lines, and JUnit XML for CI servers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.replay.checks.verdict import DriveVerdict

# Characters that XML 1.0 does not allow.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_jsonl(path: Path, verdicts: Iterable[DriveVerdict]) -> None:
    """Write one line per cycle (kind "cycle"), then one per drive (kind "drive").

    Args:
        path: File to write.
        verdicts: Replayed drives.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = [json.dumps(row, allow_nan=False) for verdict in verdicts for row in _rows(verdict)]
    write_text(path, "\n".join(lines) + "\n")


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write one JSON object.

    Args:
        path: File to write.
        data: The object.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def _rows(verdict: DriveVerdict) -> Iterator[dict[str, Any]]:
    result = verdict.result
    for cycle in result.metrics.cycles:
        yield {
            "kind": "cycle",
            "drive": verdict.name,
            "time_s": round(cycle.time_s, 6),
            "stamp_ns": cycle.stamp_ns,
            "is_planned": not cycle.reason,
            "reason": cycle.reason,
            "fallback": cycle.fallback.name,
            "metrics": _finite(cycle.values),
        }
    yield {
        "kind": "drive",
        "drive": verdict.name,
        "has_passed": verdict.has_passed,
        "checks": [asdict(check) for check in verdict.checks],
        "model": {"name": result.model_name, "hash": result.model_hash},
        "source": verdict.choice.name,
        "masked": list(result.masked),
        "totals": _finite(result.metrics.totals),
        "skipped": dict(result.metrics.skipped),
        "refused": dict(result.refused),
        "notices": dict(result.notices),
        "not_copied": dict(result.not_copied),
        "deadline_ms": result.drive.deadline_ms,
        "fallback_levels": {fallback_level.name: count for fallback_level, count in result.fallback_levels.items()},
        "metrics": {name: _finite(values) for name, values in result.metrics.summary().items()},
        "plan_hash": result.plan_hash,
        "speed": {
            "duration_s": round(result.duration_s, 3),
            "wall_s": round(result.wall_s, 3),
            "realtime_factor": round(result.realtime_factor, 3),
        },
        "damage": result.damage,
        "losses": [{**asdict(loss), "num_lost": loss.num_lost} for loss in result.losses],
        "notes": list(result.notes),
    }


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    """Replace NaN and infinity by None, for JSON."""
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in values.items()}


def write_junit(path: Path, verdicts: Iterable[DriveVerdict], errors: dict[str, PlannerError]) -> None:
    """Write a test suite per drive and a test case per check; drives that could not be replayed are errors.

    Args:
        path: File to write.
        verdicts: Replayed drives.
        errors: Name of the drive -> error.

    Raises:
        OutputError: The file cannot be written.
    """
    root = ElementTree.Element("testsuites", name="transdiffuser replay")
    for verdict in verdicts:
        failed = [check for check in verdict.checks if not check.has_passed]
        counts = {"tests": str(len(verdict.checks)), "failures": str(len(failed)), "errors": "0"}
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": _text(verdict.name), "time": f"{verdict.result.wall_s:.3f}", **counts}
        )
        if verdict.result.notices:
            properties = ElementTree.SubElement(suite, "properties")
            for text, count in verdict.result.notices.items():
                ElementTree.SubElement(properties, "property", name="notice", value=_text(f"{count} x {text}"))
        for check in verdict.checks:
            case = ElementTree.SubElement(
                suite, "testcase", classname=_text(f"{verdict.name}.{check.group}"), name=_text(check.name)
            )
            if not check.has_passed:
                ElementTree.SubElement(case, "failure", message=_text(check.message)).text = _text(check.message)
    for name, error in errors.items():
        suite = ElementTree.SubElement(root, "testsuite", name=_text(name), tests="1", failures="0", errors="1")
        case = ElementTree.SubElement(suite, "testcase", classname=_text(f"{name}.replay"), name="could_be_replayed")
        ElementTree.SubElement(case, "error", message=_text(str(error))).text = _text(str(error))
    ElementTree.indent(root)
    write_text(path, '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n")


def _text(value: str) -> str:
    return _FORBIDDEN.sub("?", value)
