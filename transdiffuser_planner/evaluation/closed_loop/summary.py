"""Summarizes the rows of a suite: each planner's means with intervals over scenarios."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.driving_score import (
    LEAST_PROGRESS_M,
    SCENE_PROGRESS,
    SCENE_ROUTE_OFFSET_M,
)
from transdiffuser_planner.evaluation.intervals import bootstrap
from transdiffuser_planner.planners.registry import PlannerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of the results.

    Attributes:
        title: Heading in tables.
        text: Definition of the metric.
        unit: "%" for shares, which are shown times 100.
        digits: Digits after the decimal point.
        better: 1 if more is better, -1 if less is, 0 if neither.
    """

    title: str
    text: str
    unit: str = ""
    digits: int = 2
    better: int = 0


COLUMNS: Final = {
    "scene_score": Column(
        title="scene score",
        unit="%",
        digits=1,
        better=1,
        text="0 after an at-fault collision, off the road or more than "
        f"{SCENE_ROUTE_OFFSET_M:g} m off the route; else progress over {SCENE_PROGRESS:g}, at most 100 %",
    ),
    "driving_score": Column(
        title="driving score",
        digits=1,
        better=1,
        text="progress times a factor for each infraction, 0 to 100",
    ),
    "progress": Column(
        title="progress",
        unit="%",
        digits=1,
        better=1,
        text="distance along the route relative to the expert's in the same time, at most 100 %; 100 % at the route's end "
        f"and where the expert gets less than {LEAST_PROGRESS_M:g} m",
    ),
    "route_completion": Column(
        title="route completion",
        unit="%",
        digits=1,
        better=1,
        text="share of the whole route completed in the given time",
    ),
    "at_fault_collisions": Column(
        title="at-fault collisions", better=-1, text="collisions at fault of the ego, per drive"
    ),
    "not_at_fault_collisions": Column(
        title="not-at-fault collisions", better=-1, text="collisions at fault of others, per drive"
    ),
    "red_lights": Column(title="red lights", better=-1, text="stop lines passed while red, per drive"),
    "off_road_s": Column(
        title="off road", unit="s", better=-1, text="seconds with a corner beyond the road's edge, per drive"
    ),
    "route_deviation": Column(
        title="route deviation", unit="%", digits=0, better=-1, text="drives that ended more than 10 m off the route"
    ),
    "comfort": Column(title="comfort", unit="%", digits=1, better=1, text="steps within all of nuPlan's six limits"),
    "ttc_violations": Column(
        title="TTC violations",
        unit="%",
        digits=1,
        better=-1,
        text="steps with a time to collision of at most 0.95 s",
    ),
    "ttc_min_s": Column(
        title="minimum TTC",
        unit="s",
        digits=1,
        better=1,
        text="smallest time to collision of a drive, at most 3 s",
    ),
    "plan_deviation_m": Column(
        title="plan deviation",
        unit="m",
        better=-1,
        text="mean distance of consecutive plans at the same times, up to 3 s ahead",
    ),
    "fallbacks": Column(
        title="fallbacks", unit="%", digits=1, better=-1, text="cycles with a fallback or without a plan"
    ),
}
SUCCESS: Final = "no at-fault collision, no red light passed, never off the road, no route deviation"
"""The one definition of a successful drive; ``is_success`` applies it to a row."""
NO_COLLISION_S = 3.0


def page_columns() -> list[dict[str, Any]]:
    """Return all columns as plain values for a page."""
    return [{"name": name, **asdict(column)} for name, column in COLUMNS.items()]


def value(row: dict[str, Any], name: str) -> float | None:
    """Return one number of a row; None where the drive has none."""
    number = row.get(name)
    if name == "ttc_min_s" and number is None:
        return NO_COLLISION_S
    return None if number is None else float(number)


def summarize(entries: list[dict[str, Any]], specs: list[PlannerSpec]) -> list[dict[str, Any]]:
    """Return one mapping per planner, in order: title, columns with intervals, number of drives and their cost.

    Args:
        entries: Entries of ``results.jsonl``.
        specs: Planners of the run.
    """
    found = []
    for spec in specs:
        own = [entry for entry in entries if entry["planner"] == spec.label]
        rows = [entry["row"] for entry in own if entry["row"] is not None]
        kind = spec.kind
        found.append(
            {
                "planner": spec.label,
                "title": kind.title,
                "sees": kind.sees,
                "privileged": kind.is_privileged,
                "scenarios": len(rows),
                "successes": sum(is_success(row) for row in rows),
                "columns": {name: _interval(rows, name) for name in COLUMNS},
                "cost": _cost([entry["cost"] for entry in own if entry["row"] is not None]),
            }
        )
    return found


def is_success(row: dict[str, Any]) -> bool:
    """Apply the definition ``SUCCESS`` to a row: only missing progress reduces its score."""
    return not (row["at_fault_collisions"] or row["red_lights"] or row["off_road_s"] or row["route_deviation"])


def _interval(rows: list[dict[str, Any]], name: str) -> dict[str, float] | None:
    values = [number for row in rows if (number := value(row, name)) is not None]
    interval = bootstrap(values)
    return None if interval is None else {key: round(number, 5) for key, number in asdict(interval).items()}


def _cost(costs: list[dict[str, float]]) -> dict[str, float]:
    if not costs:
        return {}
    return {
        "cpu_s_mean": round(float(np.mean([cost["cpu_s"] for cost in costs])), 2),
        "wall_s_mean": round(float(np.mean([cost["wall_s"] for cost in costs])), 2),
        "plan_ms_median": round(float(np.median([cost["plan_ms_median"] for cost in costs])), 2),
        "plan_ms_p99_worst": max(cost["plan_ms_p99"] for cost in costs),
    }


def check_labels(specs: list[PlannerSpec]) -> None:
    """Check that all planners have labels of their own.

    Args:
        specs: Planners of the run.

    Raises:
        EvaluationError: Two planners have the same label.
    """
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise EvaluationError(f"--planner: two planners have the name '{label}'; rename a model's folder")
