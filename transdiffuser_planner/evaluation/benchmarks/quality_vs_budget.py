"""Quality of plans against the time budget: recorded drives, planned repeatedly with less and less of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import FallbackLevel, PlanResult
from transdiffuser_planner.data.bags.bag_reader import BagMessage
from transdiffuser_planner.messages.topic_matching import Choice
from transdiffuser_planner.replay.bag_planner import Cycle
from transdiffuser_planner.replay.replay_result import ReplayResult
from transdiffuser_planner.replay.runner import ReplayJob, replay
from transdiffuser_planner.reports.figures import new_figure, save_figure
from transdiffuser_planner.runtime.planner import Planner

BUDGETS_MS = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
WORK = ((8, 1), (8, 2), (8, 3), (8, 5), (8, 10), (30, 1), (30, 2), (30, 3), (30, 5), (30, 10))
"""Pairs (candidates, denoise steps) that are measured without a clock."""

_QUALITY = (
    "pdm_score",
    "pdm_no_collision",
    "pdm_drivable_area",
    "pdm_progress",
    "ade_4s_m",
    "min_ade_m",
    "plan_deviation_m",
)


@dataclass(kw_only=True, slots=True)
class _Work:
    """Collects provenance and latency of every plan."""

    results: list[PlanResult] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)

    def message(self, item: BagMessage) -> None:
        """Ignore messages."""

    def cycle(self, cycle: Cycle) -> None:
        """Store a plan and its latency."""
        if isinstance(cycle.outcome, PlanResult):
            self.results.append(cycle.outcome)
            self.latency_ms.append(cycle.latency_ms)


def by_budget(
    drives: Sequence[tuple[Path, Choice]], planner: Planner, budgets_ms: Sequence[float]
) -> Iterator[dict[str, Any]]:
    """Plan the same drives with each budget on this machine.

    Args:
        drives: Bags with their topics and rigs.
        planner: The planner.
        budgets_ms: Budgets of a cycle.

    Yields:
        One row per budget.
    """
    for budget_ms in budgets_ms:
        yield {"budget_ms": budget_ms, **_row(drives, planner, budget_ms)}


def by_work(
    drives: Sequence[tuple[Path, Choice]], planner: Planner, work: Sequence[tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """Plan the same drives with each amount of work, without a clock: the same result on every machine.

    Args:
        drives: Bags with their topics and rigs.
        planner: The planner.
        work: Pairs (candidates, denoise steps).

    Yields:
        One row per pair.
    """
    config: PlannerConfig = planner.config
    for candidates, steps in work:
        planner.config = replace(config, num_candidates=candidates, num_denoise_steps=steps)
        yield {"candidates": candidates, "steps": steps, **_row(drives, planner, None)}
    planner.config = config


def _row(drives: Sequence[tuple[Path, Choice]], planner: Planner, budget_ms: float | None) -> dict[str, Any]:
    """Measure quality and work over all drives.

    Raises:
        EvaluationError: No drive has a recorded future.
    """
    results, work = [], _Work()
    for bag, choice in drives:
        job = ReplayJob(bag=bag, topics=choice.topics, rig=choice.rig, budget_ms=budget_ms)
        results.append(replay(job, planner, work))
    values = {name: _mean(results, name) for name in _QUALITY}
    if values["ade_4s_m"] is None:
        raise EvaluationError("the bags contain no recorded future; give bags of at least 5 s with odometry")
    sampled = [r.provenance for r in work.results if r.provenance.num_denoise_steps]
    return {
        "plans": len(work.results),
        "model_plans_share": round(float(np.mean([r.fallback_level == FallbackLevel.NONE for r in work.results])), 4),
        "sampled_share": round(len(sampled) / max(len(work.results), 1), 4),
        "steps_mean": round(float(np.mean([p.num_denoise_steps for p in sampled] or [0])), 2),
        "candidates_mean": round(float(np.mean([p.num_candidates for p in sampled] or [0])), 1),
        "latency_median_ms": round(float(np.median(work.latency_ms)), 1),
        "latency_p99_ms": round(float(np.percentile(work.latency_ms, 99)), 1),
        **{name: None if value is None else round(value, 4) for name, value in values.items()},
    }


def _mean(results: Sequence[ReplayResult], metric: str) -> float | None:
    """Return the mean of a metric over all plans of all drives; None if no drive has it."""
    values = np.concatenate([result.metrics.values(metric) for result in results])
    return float(values.mean()) if len(values) else None


def plot(path: Path, budgets: Sequence[dict[str, Any]], work: Sequence[dict[str, Any]], title: str) -> None:
    """Plot both tables into one image.

    Args:
        path: File to write.
        budgets: Rows of ``by_budget``.
        work: Rows of ``by_work``.
        title: Title of the plot.

    Raises:
        EvaluationError: matplotlib is not installed.
    """
    figure = new_figure(10.0, 4.0)
    left, right = figure.subplots(1, 2)
    left.plot(*_line(budgets, "budget_ms", "pdm_score"), marker="o", label="PDM score")
    left.plot(
        *_line(budgets, "budget_ms", "model_plans_share"), marker=".", ls="--", label="share of the model's plans"
    )
    left.set(xlabel="budget of a cycle [ms]", ylim=(0.0, 1.05), title="by time")
    errors = left.twinx()
    errors.plot(*_line(budgets, "budget_ms", "ade_4s_m"), marker="s", color="tab:red", label="ADE over 4 s [m]")
    errors.set_ylabel("ADE [m]", color="tab:red")
    left.legend(loc="lower right")
    for count in sorted({row["candidates"] for row in work}):
        rows = [row for row in work if row["candidates"] == count]
        right.plot(*_line(rows, "steps", "pdm_score"), marker="o", label=f"{count} candidates")
    right.set(xlabel="denoise steps", ylabel="PDM score", title="by work")
    right.legend(loc="lower right")
    figure.suptitle(title, fontsize=9)
    save_figure(figure, path)


def _line(rows: Sequence[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    known = [row for row in rows if row[y] is not None]
    return [row[x] for row in known], [row[y] for row in known]
