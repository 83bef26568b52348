"""Closed-loop sections of the model card, read from the summary that ``evaluate suite`` writes."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.driving_score import LEAST_PROGRESS_M
from transdiffuser_planner.evaluation.closed_loop.summary import COLUMNS, SUCCESS, is_success
from transdiffuser_planner.evaluation.closed_loop.tables import event_text, interval_text
from transdiffuser_planner.evaluation.model_card.speed_section import when
from transdiffuser_planner.reports.markdown_tables import markdown_table
from transdiffuser_planner.simulation.rollout.rollout import STEP_S

VALIDATION_NOTE = "Never trained on; the rules of selection were set while looking at some of these drives."
TEST_NOTE = "Never trained on, and nothing was tuned on them."
ROW_COLUMNS = {
    "seed": "seed",
    "map": "map",
    "success": "success",
    "driving_score": "driving score",
    "at_fault_collisions": "at-fault collisions",
    "not_at_fault_collisions": "not-at-fault collisions",
    "off_road_s": "off road s",
    "red_lights": "red lights",
    "progress": "progress",
    "progress_m": "progress m",
    "expert_m": "expert m",
    "fallbacks": "fallbacks",
    "events": "events",
}
SHOWN = ("driving_score", "progress", "fallbacks", "comfort", "ttc_violations")
"""Columns of the suite that the card's table of means shows."""


def suite_model_hash(data: dict[str, Any]) -> str:
    """Return the hash of the model whose drives a suite's summary holds.

    Args:
        data: Content of ``summary.json``.

    Raises:
        EvaluationError: The summary holds no model, or several.
    """
    label = _label(data)
    return str(data["identities"][label]["model_hash"])


def _label(data: dict[str, Any]) -> str:
    """Return the label of the one model among the planners of a summary.

    Raises:
        EvaluationError: The summary holds no model, or several.
    """
    models = [label for label, identity in data.get("identities", {}).items() if "config" in identity]
    if len(models) != 1:
        raise EvaluationError(
            f"closed loop: expected the summary.json of 'evaluate suite' with one model, found {len(models)} models; "
            "drive with one --planner"
        )
    return str(models[0])


def drives_section(data: dict[str, Any] | None, which: str, note: str) -> str:
    """Write the section on one suite: setting, totals, every drive.

    Args:
        data: Content of ``summary.json``; None if not measured.
        which: Kind of the scenarios.
        note: First sentence of the section.
    """
    if data is None:
        return f"## Closed loop, {which}\n\nNot measured for this model."
    label = _label(data)
    rate_hz = 1.0 / (STEP_S * data["identities"][label]["plan_every"])
    rows = [_drive_row(row) for row in data["rows"] if row["planner"] == label]
    return f"""
## Closed loop, {which}

{note} Reactive SUMO traffic, planned at {rate_hz:g} Hz from rendered images and LiDAR, {data["duration_s"]:g} s each. The
route, the speed limit and the next signal's state come as topics, as in the demo. {when(data)}

{_commands(data, label)}

{_totals(data, label)}

{markdown_table(rows, ROW_COLUMNS)}

Success: {SUCCESS}. Progress: along the route,
relative to the expert's in the same time, at most 1; 1 at the route's end and where the expert gets less than
{LEAST_PROGRESS_M:g} m. Both as in every suite ([docs/evaluation.md](../../docs/evaluation.md#metrics)).
A collision is at fault as in NAVSIM: with the front, with a stationary object, or from the side while not in the own lane.
Simulated time stops while the planner computes: deadlines are measured in the demo, not here."""


def _drive_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the card's table of drives; fallbacks have a column and are no event here."""
    events = [event for event in row["events"] if event["kind"] != "fallback"]
    return {**row, "success": is_success(row), "events": event_text({**row, "events": events}, most=8)}


def scorer_drives_section(data: dict[str, Any] | None) -> str:
    """Write the short section on a suite with selection by scorer; empty if not measured."""
    if data is None:
        return ""
    label = _label(data)
    return f"""
### Closed loop with the scorer

{when(data)}

{_commands(data, label)}

{_totals(data, label)}"""


def _commands(data: dict[str, Any], label: str) -> str:
    """Return the commands that measure the section again."""
    identity, seeds = data["identities"][label], [row["seed"] for row in data["rows"]]
    is_named = not data["suite"].startswith("seeds ")
    words = [data["suite"] if is_named else f"--seeds {min(seeds)}:{max(seeds) + 1}", f"--planner {identity['name']}"]
    words += [] if data["duration_s"] == 60.0 else [f"--duration {data['duration_s']:g}"]
    words += [] if identity["config"]["selection"] == "rules" else [f"--selection {identity['config']['selection']}"]
    words += [] if identity["precision"] == "fp32" else [f"--precision {identity['precision']}"]
    words += [] if identity["plan_every"] == 1 else [f"--plan-every {identity['plan_every']}"]
    out = "runs/" + data["suite"].replace(" ", "_")
    return f"""```
transdiffuser evaluate suite {" ".join(words)} --out {out}
```

`{out}/summary.json` is the result that this section is written from."""


def _totals(data: dict[str, Any], label: str) -> str:
    rows = [row for row in data["rows"] if row["planner"] == label]
    columns = next(planner["columns"] for planner in data["planners"] if planner["planner"] == label)
    lines = {
        "scenarios": len(rows),
        f"successful: {SUCCESS}": sum(is_success(row) for row in rows),
        "without an at-fault collision": sum(not row["at_fault_collisions"] for row in rows),
        "never off the road": sum(not row["off_road_s"] for row in rows),
        "red lights passed": sum(row["red_lights"] for row in rows),
    }
    lines |= {
        f"{COLUMNS[name].title}{f' {unit}' if (unit := COLUMNS[name].unit) else ''}, mean (95 % interval)": interval_text(
            columns[name], COLUMNS[name]
        )
        for name in SHOWN
    }
    table = "\n".join(f"| {title} | {value} |" for title, value in lines.items())
    return f"| | |\n| --- | --- |\n{table}"
