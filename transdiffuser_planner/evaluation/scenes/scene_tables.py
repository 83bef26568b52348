"""Writes scores of scenes as Markdown and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from transdiffuser_planner.evaluation.scenes.scene_scores import PlanScores, SceneScores
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion
from transdiffuser_planner.reports.markdown_tables import markdown_table

COLUMNS: Final = {
    ScoreVersion.PDMS: {
        "no_at_fault_collision": "NC",
        "drivable_area": "DAC",
        "driving_direction": "DDC",
        "time_to_collision": "TTC",
        "ego_progress": "EP",
        "comfort": "C",
        "score": "PDMS",
    },
    ScoreVersion.EPDMS: {
        "no_at_fault_collision": "NC",
        "drivable_area": "DAC",
        "driving_direction": "DDC",
        "traffic_light": "TLC",
        "time_to_collision": "TTC",
        "ego_progress": "EP",
        "lane_keeping": "LK",
        "history_comfort": "HC",
        "extended_comfort": "EC",
        "score": "EPDMS",
    },
}
DECIMALS: Final = 4

Row = dict[str, Any]


def scene_rows(scores: Sequence[SceneScores], version: ScoreVersion) -> list[Row]:
    """Return one row for each scene and plan; a group of plans has two, its mean and its best plan."""
    rows = []
    for scene in scores:
        for plans in scene.plans:
            for label, selected in _rows_of(plans):
                values = {name: _mean(plans, name, selected) for name in COLUMNS[version]}
                rows.append({"scene": scene.scene, "plan": label, **values})
    return rows


def mean_rows(rows: Sequence[Row], version: ScoreVersion) -> list[Row]:
    """Return the mean of each plan over its scenes; scenes without a sub-score do not count in that column."""
    found = []
    for label in dict.fromkeys(row["plan"] for row in rows):
        of_plan = [row for row in rows if row["plan"] == label]
        mean: Row = {"scene": f"mean of {len(of_plan)}", "plan": label}
        for name in COLUMNS[version]:
            values = [row[name] for row in of_plan if row[name] is not None]
            mean[name] = float(np.mean(values)) if values else None
        found.append(mean)
    return found


def _rows_of(plans: PlanScores) -> list[tuple[str, slice]]:
    if not plans.is_group:
        return [(plans.name, slice(None))]
    best = int(plans.score_M.argmax())
    return [(f"{plans.name}, mean", slice(None)), (f"{plans.name}, best", slice(best, best + 1))]


def _mean(plans: PlanScores, name: str, selected: slice) -> float | None:
    values = plans.score_M if name == "score" else plans.parts[name]
    return None if values is None else float(values[selected].mean())


def as_markdown(scores: Sequence[SceneScores], version: ScoreVersion, *, reasons: bool = False) -> str:
    """Write the table, skipped sub-scores with reasons, and optionally the reasons of all deductions.

    Args:
        scores: Scores of the scenes.
        version: Version of the score.
        reasons: Whether to list the reasons of deductions.
    """
    rows = scene_rows(scores, version)
    rounded = [
        {key: round(value, DECIMALS) if isinstance(value, float) else value for key, value in row.items()}
        for row in rows + mean_rows(rows, version)
    ]
    text = markdown_table(rounded, {"scene": "scene", "plan": "plan"} | COLUMNS[version])
    notes = _notes(scores, version)
    lines = reason_lines(scores) if reasons else []
    return "\n\n".join(part for part in (text, "\n".join(notes), "\n".join(lines)) if part)


def _notes(scores: Sequence[SceneScores], version: ScoreVersion) -> list[str]:
    notes = []
    alone = sum(scene.reference == "none" for scene in scores)
    if alone:
        notes.append(f"{alone} of {len(scores)} scenes without a reference: there EP compares a plan with itself.")
    skipped = Counter(
        (name, reason) for scene in scores for name, reason in scene.not_scored.items() if name in COLUMNS[version]
    )
    notes += [
        f"{COLUMNS[version][name]} is skipped in {count} of {len(scores)} scenes: {reason}."
        for (name, reason), count in skipped.items()
    ]
    forgiven = Counter(name for scene in scores for name in scene.forgiven)
    notes += [
        f"{COLUMNS[version][name]} is forgiven in {count} of {len(scores)} scenes: the human failed it too."
        for name, count in forgiven.items()
    ]
    return notes


def reason_lines(scores: Iterable[SceneScores]) -> list[str]:
    """Return one line for each deduction."""
    return [
        f"- {scene.scene}, {label}: {reason}"
        for scene in scores
        for plans in scene.plans
        for label, reasons in zip(_labels(plans), plans.reasons, strict=True)
        for reason in reasons
    ]


def _labels(plans: PlanScores) -> list[str]:
    return [f"{plans.name}[{m}]" for m in range(len(plans.score_M))] if plans.is_group else [plans.name]


def as_mapping(scores: Sequence[SceneScores], version: ScoreVersion, problems: Sequence[str]) -> dict[str, Any]:
    """Return the content of the JSON file: sub-scores and reasons of each plan, means, and skipped items.

    Args:
        scores: Scores of the scenes.
        version: Version of the score.
        problems: One line for each skipped item.
    """
    return {
        "version": version.value,
        "mean": mean_rows(scene_rows(scores, version), version),
        "scenes": [
            {
                "scene": scene.scene,
                "reference": scene.reference,
                "not_scored": scene.not_scored,
                "forgiven": list(scene.forgiven),
                "plans": [plan for plans in scene.plans for plan in _plan_mappings(plans)],
            }
            for scene in scores
        ],
        "left_out": list(problems),
    }


def _plan_mappings(plans: PlanScores) -> list[dict[str, Any]]:
    return [
        {
            "plan": plans.name,
            "candidate": index if plans.is_group else None,
            "score": float(plans.score_M[index]),
            **{name: None if values is None else float(values[index]) for name, values in plans.parts.items()},
            "progress_m": float(plans.progress_m_M[index]),
            "reasons": [
                {
                    "metric": reason.metric,
                    "time_s": round(reason.time_s, 1),
                    "agent": reason.agent,
                    "corner": reason.corner,
                    "detail": reason.detail,
                }
                for reason in reasons
            ],
        }
        for index, reasons in enumerate(plans.reasons)
    ]
