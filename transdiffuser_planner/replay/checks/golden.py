"""Golden plans: recorded plans to compare with, with a tolerance and its reason for every field.

On one kind of CPU with one build of ONNX Runtime plans are bit-identical. On another CPU sums are rounded differently:
numbers change in the fourth digit, and of two candidates with almost equal costs the other one may be selected. Therefore
every field has a tolerance, and a small share of plans may differ by more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text, write_text
from transdiffuser_planner.core.geometry import wrap_angle
from transdiffuser_planner.core.types import Trajectory
from transdiffuser_planner.replay.checks.verdict import Check
from transdiffuser_planner.replay.cycle_records import CycleRecord
from transdiffuser_planner.replay.replay_result import ReplayResult

FIELDS = ("x_m", "y_m", "heading_rad", "speed_mps")
DIGITS = 4
EVERY_S = 0.5
TOLERANCES: dict[str, dict[str, Any]] = {
    "x_m": {"value": 0.05, "reason": "rounding on another CPU moves a plan by millimeters, always less than 5 cm"},
    "y_m": {"value": 0.05, "reason": "as x_m"},
    "heading_rad": {"value": 0.01, "reason": "half a degree; less than 5 cm across 4 m"},
    "speed_mps": {"value": 0.05, "reason": "5 cm within a second"},
    "other_plans": {
        "value": 0.1,
        "reason": "share of plans: of two candidates with almost equal costs, rounding may select the other",
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Difference:
    """Difference between a plan and its golden plan: per field the largest deviation, and a description."""

    time_s: float
    largest: dict[str, float]
    text: str


def check_golden(path: Path, result: ReplayResult, drive: str) -> list[Check]:
    """Compare a drive's plans with those of the file.

    Args:
        path: JSON file of golden plans.
        result: The replayed drive.
        drive: Name of the drive.

    Returns:
        One check.

    Raises:
        ConfigError: The file is missing or invalid, or does not hold the drive.
    """
    data = _load(path)
    entry = data["drives"].get(drive)
    if entry is None:
        raise ConfigError(f"golden {path}: does not hold drive '{drive}'; add it with --golden {path} --update")
    try:
        tolerances = {name: float(item["value"]) for name, item in data["tolerances"].items()}
        differences, num_plans = _differences(entry, result, tolerances)
        allowed = tolerances["other_plans"]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(
            f"golden {path}: is damaged ({type(error).__name__} {error}); write it again with --update"
        ) from None
    share = len(differences) / max(num_plans, 1)
    if not differences:
        message = f"all {num_plans} plans are unchanged"
    else:
        fields = {field: max(d.largest.get(field, 0.0) for d in differences) for field in FIELDS}
        largest = ", ".join(f"{name} by {value:.3g}" for name, value in fields.items() if value > tolerances[name])
        message = (
            f"{len(differences)} of {num_plans} plans differ from {path.name} (allowed {allowed:.0%}): first at "
            f"{differences[0].time_s:.1f} s ({differences[0].text})" + (f"; largest {largest}" if largest else "")
        )
    if share > allowed:
        message += _procedure(path, entry, result)
    return [Check(group="golden", name="plans_are_as_they_were", has_passed=share <= allowed, message=message)]


def _procedure(path: Path, entry: dict[str, Any], result: ReplayResult) -> str:
    """Describe the likely cause of a difference and the next steps."""
    model = entry.get("model", {})
    changed = model.get("hash", "")[:12] != result.model_hash[:12]
    was = f"{model.get('name')} {model.get('hash', '')[:12]}"
    now = f"{result.model_name} {result.model_hash[:12]}"
    cause = f"the model is the same ({now}): the code changed"
    if changed:
        cause = f"the model changed ({was} -> {now})"
    return (
        f". {cause}. If this is not intended, find the change (git bisect run transdiffuser replay ... --golden). "
        f"If it is intended, check the report, write the plans again with --golden {path} --update, "
        "and give the reason in CHANGELOG.md"
    )


def _differences(
    entry: dict[str, Any], result: ReplayResult, tolerances: dict[str, float]
) -> tuple[list[_Difference], int]:
    """Return plans that differ by more than the tolerances, are missing or new; and the number of all plans."""
    golden = {int(plan["stamp_ns"]): plan for plan in entry["plans"]}
    planned = {cycle.stamp_ns: cycle for cycle in result.drive.cycles if cycle.plan is not None}
    found = []
    for stamp in sorted(golden.keys() | planned.keys()):
        time_s = result.drive.time_s(stamp)
        if stamp not in planned or stamp not in golden:
            text = "the plan is missing now" if stamp not in planned else "the plan is new"
            found.append(_Difference(time_s=time_s, largest={}, text=text))
            continue
        now, was = _plan(planned[stamp]), golden[stamp]
        largest = {field: _largest(now[field], was[field], field) for field in FIELDS}
        beyond = [f"{field} {value:.3g}" for field, value in largest.items() if not value <= tolerances[field]]
        if now["fallback_level"] != was["fallback_level"]:
            beyond.append(f"{was['fallback_level']} became {now['fallback_level']}")
        if beyond:
            found.append(_Difference(time_s=time_s, largest=largest, text=", ".join(beyond)))
    return found, len(golden.keys() | planned.keys())


def _largest(now: list[float], was: list[float], field: str) -> float:
    if len(now) != len(was):
        return float("inf")
    difference = np.asarray(now) - np.asarray(was)
    return float(np.abs(wrap_angle(difference) if field == "heading_rad" else difference).max())


def update_golden(path: Path, result: ReplayResult, drive: str) -> None:
    """Write a drive's plans; existing tolerances of the file are kept.

    Args:
        path: JSON file of golden plans.
        result: The replayed drive.
        drive: Name of the drive.

    Raises:
        ConfigError: The file cannot be read.
        OutputError: It cannot be written.
    """
    data = _load(path) if path.exists() else {"tolerances": TOLERANCES, "drives": {}}
    data["drives"][drive] = {
        "model": {"name": result.model_name, "hash": result.model_hash},
        "plans": [_plan(cycle) for cycle in result.drive.cycles if cycle.plan is not None],
    }
    write_text(path, _text(data))


def _text(data: dict[str, Any]) -> str:
    """Format as JSON with one plan per line, for readable diffs."""
    drives = []
    for name, entry in data["drives"].items():
        plans = ",\n".join("    " + json.dumps(plan) for plan in entry["plans"])
        drives.append(f'  {json.dumps(name)}: {{"model": {json.dumps(entry["model"])}, "plans": [\n{plans}\n  ]}}')
    tolerances = ",\n".join(f"  {json.dumps(name)}: {json.dumps(item)}" for name, item in data["tolerances"].items())
    return f'{{"tolerances": {{\n{tolerances}\n}}, "drives": {{\n' + ",\n".join(drives) + "\n}}\n"


def _plan(cycle: CycleRecord) -> dict[str, Any]:
    assert cycle.plan is not None
    trajectory: Trajectory = cycle.plan.trajectory
    step_s = float(trajectory.time_s_T[1] - trajectory.time_s_T[0])
    every = max(1, round(EVERY_S / step_s))
    columns = (trajectory.x_m_T, trajectory.y_m_T, trajectory.heading_rad_T, trajectory.speed_mps_T)
    numbers = {
        name: [round(float(v), DIGITS) for v in column[::every]] for name, column in zip(FIELDS, columns, strict=True)
    }
    return {"stamp_ns": cycle.stamp_ns, "fallback_level": cycle.plan.fallback_level.name, **numbers}


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(path))
    except OSError as error:
        raise ConfigError(f"golden {path}: cannot be read ({error.strerror}); write one with --update") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"golden {path}: not valid JSON ({error})") from None
    if not isinstance(data, dict) or not {"tolerances", "drives"} <= set(data):
        raise ConfigError(f"golden {path}: expected a mapping with tolerances and drives; write it again with --update")
    return data
