"""The rows of a suite -> what each planner comes to, with intervals over scenarios."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.bootstrap import bootstrap
from transdiffuser_planner.evaluation.closed_loop.driving_score import LEAST_PROGRESS_M
from transdiffuser_planner.planners.registry import PlannerSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of the results.

    Attributes:
        title: Of the table.
        unit: "%" for shares, which are shown times 100.
        digits: Behind the point.
        better: 1 if more is better, -1 if less is, 0 if neither.
        text: What it is.
    """

    title: str
    text: str
    unit: str = ""
    digits: int = 2
    better: int = 0


COLUMNS: Final = {
    "driving_score": Column(
        title="driving score",
        digits=1,
        better=1,
        text="progress times a factor for each thing that went wrong, 0 to 100",
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
        title="route", unit="%", digits=1, better=1, text="share of the whole route that was driven in the time given"
    ),
    "at_fault": Column(title="at fault", better=-1, text="contacts by the ego's fault, per drive"),
    "others_fault": Column(title="others' fault", better=-1, text="contacts by others' fault, per drive"),
    "red_lights": Column(title="red lights", better=-1, text="stop lines passed while red, per drive"),
    "off_road_s": Column(
        title="off road", unit="s", better=-1, text="seconds with a corner beyond the road's edge, per drive"
    ),
    "left_route": Column(
        title="left route", unit="%", digits=0, better=-1, text="drives that ended more than 10 m off the route"
    ),
    "comfort": Column(title="comfort", unit="%", digits=1, better=1, text="steps within all of nuPlan's six limits"),
    "ttc_short": Column(
        title="close", unit="%", digits=1, better=-1, text="steps with a time to collision of at most 0.95 s"
    ),
    "ttc_min_s": Column(
        title="least TTC",
        unit="s",
        digits=1,
        better=1,
        text="smallest time to collision; 3 s where nothing came nearer",
    ),
    "plan_deviation_m": Column(
        title="jitter",
        unit="m",
        better=-1,
        text="mean distance of consecutive plans at the same moments, up to 3 s ahead",
    ),
    "fallbacks": Column(title="fallbacks", unit="%", digits=1, better=-1, text="plans that were a fallback or none"),
}
CLEAN: Final = "no contact at fault, no red light passed, never off the road, never off the route"
"""Definition of a clean drive, the only one; ``is_clean`` applies it to a row."""
NO_CONTACT_S = 3.0


def page_columns() -> list[dict[str, Any]]:
    """All columns as plain values for a page."""
    return [{"name": name, **asdict(column)} for name, column in COLUMNS.items()]


def value(row: dict[str, Any], name: str) -> float | None:
    """One number of a row; None where the drive has none."""
    got = row.get(name)
    if name == "ttc_min_s" and got is None:
        return NO_CONTACT_S
    return None if got is None else float(got)


def summarize(entries: list[dict[str, Any]], specs: list[PlannerSpec]) -> list[dict[str, Any]]:
    """One mapping per planner, in their order: what it is, its columns with intervals, how many drives, their cost.

    Args:
        entries: Lines of the results.
        specs: Planners.
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
                "clean": sum(is_clean(row) for row in rows),
                "columns": {name: _interval(rows, name) for name in COLUMNS},
                "cost": _cost([entry["cost"] for entry in own if entry["row"] is not None]),
            }
        )
    return found


def is_clean(row: dict[str, Any]) -> bool:
    """Apply the definition ``CLEAN`` to a row: nothing but missing progress costs it score."""
    return not (row["at_fault"] or row["red_lights"] or row["off_road_s"] or row["left_route"])


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
    """Refuse planners that results could not tell apart.

    Raises:
        EvaluationError: Two have the same label.
    """
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise EvaluationError(f"--planner: two planners are called '{label}'; rename a model's folder")
