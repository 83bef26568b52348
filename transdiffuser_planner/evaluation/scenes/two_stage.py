"""NAVSIM v2's two stages over scored scenes: scenes with follow-up scenes, each starting near the end of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.geometry import global_from_local
from transdiffuser_planner.evaluation.scenes.scene_files import SceneJob
from transdiffuser_planner.evaluation.scenes.scene_scores import SceneScores
from transdiffuser_planner.metrics.pdm.two_stage import follow_up_weights, pair_score, two_stage_score
from transdiffuser_planner.reports.markdown_tables import markdown_table

FIELD: Final = "follow_ups"
_COLUMNS: Final = {
    "scene": "scene",
    "plan": "plan",
    "first": "first stage",
    "second": "second stage",
    "two_stage": "both",
    "pair": "with the previous scene",
}

Row = dict[str, Any]


def two_stage_rows(jobs: Sequence[SceneJob], scores: Sequence[SceneScores]) -> tuple[list[Row], list[str]]:
    """Return one row for each plan of each scene with follow-ups, a mean for each plan, and a line for each problem.

    A plan's follow-ups are those of its scene that have a plan of the same name; groups of plans have none.

    Args:
        jobs: Scenes as read.
        scores: Scores of the scenes that could be scored.
    """
    by_name = {job.name: job for job in jobs}
    score_of = {
        (scene.scene, plans.name): float(plans.score_M[0])
        for scene in scores
        for plans in scene.plans
        if not plans.is_group
    }
    rows, problems = [], []
    for job in jobs:
        names = job.data.get(FIELD)
        if names is None:
            continue
        if not isinstance(names, list) or not names or not all(str(name) in by_name for name in names):
            problems.append(f"scene {job.name}: {FIELD}: expected names of scenes, got {names!r}")
            continue
        for plans in job.plans:
            row = _row(job, plans.name, [by_name[str(name)] for name in names], score_of)
            if row is None:
                problems.append(
                    f"scene {job.name}: plans[{plans.name}]: no follow-up scene has a scored plan of that name"
                )
            else:
                rows.append(row)
    return _with_pairs(rows, by_name), problems


def _row(job: SceneJob, plan: str, follow_ups: list[SceneJob], score_of: dict[tuple[str, str], float]) -> Row | None:
    scored = [follow for follow in follow_ups if (follow.name, plan) in score_of]
    if not scored or (job.name, plan) not in score_of:
        return None
    plan_T3 = next(plans.plans_MT3[0] for plans in job.plans if plans.name == plan)
    end_2 = global_from_local(_pose(job), plan_T3[-1])[:2]
    weight_K = follow_up_weights(end_2, np.stack([_pose(follow)[:2] for follow in scored]))
    follow_K = np.asarray([score_of[follow.name, plan] for follow in scored])
    first = score_of[job.name, plan]
    return {
        "scene": job.name,
        "plan": plan,
        "first": first,
        "second": float((follow_K * weight_K).sum() / weight_K.sum()),
        "two_stage": two_stage_score(first, follow_K, weight_K),
        "pair": None,
    }


def _pose(job: SceneJob) -> Any:
    return np.asarray(job.data["ego"]["pose"], dtype=np.float64)


def _with_pairs(rows: list[Row], jobs: dict[str, SceneJob]) -> list[Row]:
    """Add the mean of each scene and the previous one, if both have follow-ups; then the means of plans."""
    found = {(row["scene"], row["plan"]): row["two_stage"] for row in rows}
    for row in rows:
        before = found.get((str(jobs[row["scene"]].data.get("previous")), row["plan"]))
        row["pair"] = None if before is None else pair_score(row["two_stage"], before)
    means = []
    for plan in dict.fromkeys(row["plan"] for row in rows):
        own = [row for row in rows if row["plan"] == plan]
        mean: Row = {"scene": f"mean of {len(own)}", "plan": plan}
        for name in ("first", "second", "two_stage", "pair"):
            values = [row[name] for row in own if row[name] is not None]
            mean[name] = float(np.mean(values)) if values else None
        means.append(mean)
    return rows + means


def two_stage_markdown(rows: Sequence[Row]) -> str:
    """Write the table of both stages."""
    rounded = [{key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()} for row in rows]
    return markdown_table(rounded, _COLUMNS)
