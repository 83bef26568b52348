"""Compares the metrics of a drive with those of an earlier run, with a tolerance for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.replay.checks.verdict import Check
from transdiffuser_planner.replay.checks.yaml_file import checked_keys, load_mapping, number
from transdiffuser_planner.replay.metrics.drive_metrics import STATISTICS, ReplayMetrics
from transdiffuser_planner.replay.metrics.metric_definitions import METRICS, metric

RELATIVE_TOLERANCE = 0.1
SAME_SHARE = 1e-3
_KEYS = ("statistic", "value", "tolerance")
_HEAD = """# Numbers of replayed drives, written by `transdiffuser replay BAG --baseline FILE --update`.
# A metric fails when it is worse than value by more than tolerance; tolerances may be edited and are kept by --update.
"""


def check_baseline(path: Path, metrics: ReplayMetrics, drive: str) -> list[Check]:
    """Check every metric of a drive that the file holds.

    Args:
        path: YAML file of the baseline.
        metrics: Metrics of the drive.
        drive: Name of the drive.

    Returns:
        One check per metric.

    Raises:
        ConfigError: The file is missing or invalid, or does not hold the drive.
    """
    entries = _drives(path).get(drive)
    if entries is None:
        raise ConfigError(f"baseline {path}: does not hold drive '{drive}'; add it with --baseline {path} --update")
    where = f"baseline {path}: {drive}"
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(f"{where}: expected a mapping of metrics")
    return [_check(str(name), entry, metrics, f"{where}: {name}") for name, entry in entries.items()]


def _check(name: str, raw: Any, metrics: ReplayMetrics, where: str) -> Check:
    facts, entry = metric(name, where), checked_keys(raw, _KEYS, where)
    was, tolerance = (number(entry.get(key), f"{where}: {key}") for key in ("value", "tolerance"))
    statistic = str(entry.get("statistic", "mean"))
    if not facts.is_total and statistic not in STATISTICS:
        raise ConfigError(f"{where}: statistic must be one of {', '.join(STATISTICS)}, got {statistic!r}")
    value = metrics.totals[name] if facts.is_total else metrics.statistic(name, statistic)
    if value is None:
        return Check(group="baseline", name=name, has_passed=False, message=f"was {was:.4g}, now there is no value")
    change = value - was
    worse = {"lower": change, "higher": -change}.get(facts.better, abs(change))
    same = abs(change) <= SAME_SHARE * max(abs(was), 0.1)
    word = "unchanged" if same else "worse" if worse > 0 else "better"
    message = f"{word}: was {was:.4g}, is {value:.4g} (tolerance {tolerance:g})"
    return Check(group="baseline", name=name, has_passed=worse <= tolerance + 1e-9, message=message)


def update_baseline(path: Path, metrics: ReplayMetrics, drive: str) -> None:
    """Write the metrics of a drive; existing tolerances and the choice of metrics are kept.

    Args:
        path: YAML file of the baseline.
        metrics: Metrics of the drive.
        drive: Name of the drive.

    Raises:
        ConfigError: The file is invalid.
        OutputError: It cannot be written.
    """
    drives = _drives(path) if path.exists() else {}
    known = drives.get(drive) or {}
    chosen = list(known) or [name for name in METRICS if _is_default(name)]
    rows: dict[str, dict[str, Any]] = {}
    for name in chosen:
        facts, old = metric(name, f"baseline {path}: {drive}"), known.get(name) or {}
        statistic = str(old.get("statistic", "mean"))
        value = metrics.totals[name] if facts.is_total else metrics.statistic(name, statistic)
        if value is None:
            continue
        tolerance = max(RELATIVE_TOLERANCE * abs(value), facts.floor)
        kept = {} if statistic == "mean" else {"statistic": statistic}
        rows[name] = {**kept, "value": round(value, 5), "tolerance": old.get("tolerance", round(tolerance, 5))}
    drives[drive] = rows
    text = _HEAD + yaml.safe_dump({"drives": drives}, sort_keys=False)
    write_text(path, text)


def _is_default(name: str) -> bool:
    """Test whether a metric belongs in a new baseline: it has a better direction and is independent of the machine."""
    return bool(METRICS[name].better) and not METRICS[name].is_machine


def _drives(path: Path) -> dict[str, Any]:
    data = load_mapping(path, "baseline", "; write one with --update")
    drives = checked_keys(data, ("drives",), f"baseline {path}").get("drives", {})
    if not isinstance(drives, dict):
        raise ConfigError(f"baseline {path}: 'drives' must be a mapping of drive names")
    return drives
