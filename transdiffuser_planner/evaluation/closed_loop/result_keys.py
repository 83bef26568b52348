"""Reads results of earlier versions: old keys of rows and old kinds of events get their current names."""

from __future__ import annotations

from typing import Any, Final

_ROW_KEYS: Final = {
    "at_fault": "at_fault_collisions",
    "others_fault": "not_at_fault_collisions",
    "left_route": "route_deviation",
    "ttc_short": "ttc_violations",
    "jitter_m": "plan_deviation_m",
}
_KINDS: Final = {"hit by others": "not-at-fault collision", "close": "TTC violation", "left route": "route deviation"}


def row_with_current_keys(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of ``results.jsonl`` with the current keys and kinds of events."""
    renamed = {_ROW_KEYS.get(key, key): value for key, value in row.items()}
    if "events" in renamed:
        renamed["events"] = [{**item, "kind": _KINDS.get(item["kind"], item["kind"])} for item in row["events"]]
    return renamed


def with_current_keys(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a ``summary.json`` with the current keys."""
    planners = [
        {
            **{"successes" if key == "clean" else key: value for key, value in planner.items()},
            "columns": {_ROW_KEYS.get(key, key): value for key, value in planner["columns"].items()},
        }
        for planner in content["planners"]
    ]
    return {**content, "planners": planners, "rows": [row_with_current_keys(row) for row in content["rows"]]}
