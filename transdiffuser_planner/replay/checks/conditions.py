"""Thresholds for a drive: a YAML list of metric, range and time window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.replay.checks.verdict import Check
from transdiffuser_planner.replay.checks.yaml_file import checked_keys, load_mapping, number
from transdiffuser_planner.replay.metrics.drive_metrics import STATISTICS, ReplayMetrics
from transdiffuser_planner.replay.metrics.metric_definitions import metric

_KEYS = ("name", "metric", "statistic", "range", "window", "drive")


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One threshold.

    Attributes:
        name: Human-readable name, also for CI.
        metric, statistic: The number to check.
        low, high: Its bounds, inclusive.
        from_s, to_s: Window of cycles in seconds since the start of the drive.
        drive: Name of the bag to which it applies; "" for all.
    """

    name: str
    metric: str
    statistic: str
    low: float
    high: float
    from_s: float = -np.inf
    to_s: float = np.inf
    drive: str = ""


def load_conditions(path: Path) -> list[Condition]:
    """Read conditions from a YAML file.

    Args:
        path: The file.

    Returns:
        At least one condition.

    Raises:
        ConfigError: The file is missing or an entry is invalid; the message names the entry.
    """
    data = checked_keys(load_mapping(path, "conditions"), ("conditions",), f"conditions {path}")
    entries = data.get("conditions")
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"conditions {path}: expected a list under 'conditions' with at least one entry")
    return [_condition(entry, f"conditions {path}: entry {i + 1}") for i, entry in enumerate(entries)]


def _condition(raw: object, where: str) -> Condition:
    entry = checked_keys(raw, _KEYS, where)
    name = entry.get("metric")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: needs 'metric', the name of a metric")
    facts = metric(name, where)
    statistic = entry.get("statistic", "total" if facts.is_total else "mean")
    allowed = ("total",) if facts.is_total else tuple(STATISTICS)
    if statistic not in allowed:
        raise ConfigError(f"{where}: statistic of {name} must be one of {', '.join(allowed)}, got {statistic!r}")
    bounds = checked_keys(entry.get("range", {}), ("min", "max"), f"{where}: range")
    if not bounds:
        raise ConfigError(f"{where}: needs 'range' with min, max or both")
    window = checked_keys(entry.get("window", {}), ("from_s", "to_s"), f"{where}: window")
    if facts.is_total and window:
        raise ConfigError(f"{where}: {name} is a total of the whole drive and has no window")
    values = {key: number(value, f"{where}: {key}") for key, value in (*bounds.items(), *window.items())}
    condition = Condition(
        name=str(entry.get("name", f"{name}_{statistic}")),
        metric=name,
        statistic=statistic,
        low=values.get("min", -np.inf),
        high=values.get("max", np.inf),
        from_s=values.get("from_s", -np.inf),
        to_s=values.get("to_s", np.inf),
        drive=str(entry.get("drive", "")),
    )
    if condition.low > condition.high or condition.from_s >= condition.to_s:
        raise ConfigError(f"{where}: range or window is empty (it begins after its end)")
    return condition


def check_drives(conditions: list[Condition], drives: Sequence[str], path: Path) -> None:
    """Refuse a condition for a drive that is not replayed: a mistyped name would silently never be checked.

    Args:
        conditions: All conditions.
        drives: Names of the replayed drives.
        path: File of the conditions, for the message.

    Raises:
        ConfigError: A condition is for none of the drives.
    """
    for i, item in enumerate(conditions):
        if item.drive and item.drive not in drives:
            raise ConfigError(
                f"conditions {path}: entry {i + 1} is for drive '{item.drive}', which is not replayed; "
                f"drives are {', '.join(drives)}"
            )


def check_conditions(conditions: list[Condition], metrics: ReplayMetrics, drive: str) -> list[Check]:
    """Check all conditions that apply to a drive; one without any value fails.

    Args:
        conditions: All conditions.
        metrics: Metrics of the drive.
        drive: Name of the drive.

    Returns:
        One check per condition.
    """
    return [_check(item, metrics) for item in conditions if item.drive in ("", drive)]


def _check(item: Condition, metrics: ReplayMetrics) -> Check:
    if item.statistic == "total":
        value: float | None = metrics.totals[item.metric]
    else:
        value = metrics.statistic(item.metric, item.statistic, item.from_s, item.to_s)
    window = "" if np.isinf([item.from_s, item.to_s]).all() else f" from {item.from_s:g} to {item.to_s:g} s"
    label = f"{item.statistic} of {item.metric}{window}"
    if value is None:
        return Check(
            group="condition", name=item.name, has_passed=False, message=f"{label}: there is no value to judge"
        )
    bounds = f"{item.low:g} .. {item.high:g}"
    return Check(
        group="condition",
        name=item.name,
        has_passed=item.low <= value <= item.high,
        message=f"{label} is {value:.4g}, must lie in {bounds}",
    )
