"""Two models on one drive: every metric side by side, and where their plans differ most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transdiffuser_planner.replay.checks.verdict import DriveVerdict
from transdiffuser_planner.replay.metrics.metric_definitions import METRICS, metric
from transdiffuser_planner.replay.metrics.trajectory_metrics import sampled

NUM_MOMENTS = 5
APART_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricPair:
    """One metric of both; means, or totals of the drive. ``word`` says what b is beside a."""

    name: str
    unit: str
    a: float
    b: float
    word: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferingFrame:
    """When plans differ: seconds since the start, mean distance over the plan, and the rungs where they are not the same."""

    time_s: float
    distance_m: float
    fallback_levels: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Model b beside model a.

    Attributes:
        name_a, name_b: The models.
        metrics: All that both have.
        moments: The largest differences of plans, largest first, at least a second apart.
        num_common, num_identical: Frames that both planned from, and those with the same plan bit for bit.
        num_only_a, num_only_b: Frames that only one planned from.
    """

    name_a: str
    name_b: str
    metrics: tuple[MetricPair, ...]
    moments: tuple[DifferingFrame, ...]
    num_common: int
    num_identical: int
    num_only_a: int
    num_only_b: int


def compare(a: DriveVerdict, b: DriveVerdict) -> Comparison:
    """Compare two replays of one drive."""
    plans_a, plans_b = (
        {cycle.stamp_ns: cycle.plan for cycle in verdict.result.drive.cycles if cycle.plan is not None}
        for verdict in (a, b)
    )
    found, num_identical = [], 0
    common = sorted(plans_a.keys() & plans_b.keys())
    for stamp in common:
        first, second = plans_a[stamp], plans_b[stamp]
        xy_a, xy_b = (sampled(plan.trajectory, first.time_s_T)[:, :2] for plan in (first, second))
        distance_m = float(np.linalg.norm(xy_a - xy_b, axis=-1).mean())
        num_identical += first.fallback_level == second.fallback_level and np.array_equal(xy_a, xy_b)
        fallback_levels = (
            ""
            if first.fallback_level == second.fallback_level
            else f"{first.fallback_level.name} became {second.fallback_level.name}".lower()
        )
        found.append(
            DifferingFrame(
                time_s=a.result.drive.time_s(stamp),
                distance_m=distance_m,
                fallback_levels=fallback_levels.replace("_", " "),
            )
        )
    return Comparison(
        name_a=a.result.model_name,
        name_b=b.result.model_name,
        metrics=tuple(_pairs(a, b)),
        moments=tuple(_largest(found)),
        num_common=len(common),
        num_identical=num_identical,
        num_only_a=len(plans_a) - len(common),
        num_only_b=len(plans_b) - len(common),
    )


def _pairs(a: DriveVerdict, b: DriveVerdict) -> Iterator[MetricPair]:
    known = [name for name in METRICS if not METRICS[name].is_total]
    names = [*known, *(name for name in a.figures.names() if name not in METRICS)]
    for name in names:
        first, second = a.figures.statistic(name, "mean"), b.figures.statistic(name, "mean")
        if first is None or second is None:
            continue
        facts, change = metric(name, "comparison"), second - first
        worse = {"lower": change, "higher": -change}.get(facts.better, 0.0)
        is_same = abs(change) <= max(1e-3 * max(abs(first), abs(second)), 1e-9)
        word = "" if is_same or facts.is_machine or not facts.better else "worse" if worse > 0.0 else "better"
        yield MetricPair(name=name, unit=facts.unit, a=first, b=second, word=word)


def _largest(moments: list[DifferingFrame]) -> Iterator[DifferingFrame]:
    """The largest differences, each at least a second from the others."""
    taken: list[float] = []
    for moment in sorted(moments, key=lambda item: -item.distance_m):
        if len(taken) == NUM_MOMENTS or moment.distance_m < 1e-6:
            return
        if all(abs(moment.time_s - other) >= APART_S for other in taken):
            taken.append(moment.time_s)
            yield moment


def comparison_lines(found: Comparison) -> Iterator[str]:
    """A comparison as lines for people."""
    yield f"compared A = {found.name_a} with B = {found.name_b} on {found.num_common} frames"
    if found.num_only_a or found.num_only_b:
        yield f"       planned by A alone {found.num_only_a}, by B alone {found.num_only_b}"
    yield f"       {found.num_identical} plans are identical"
    yield f"       {'mean of':<24} {'A':>10} {'B':>10} {'B - A':>10}"
    for pair in found.metrics:
        numbers = f"{pair.a:>10.3f} {pair.b:>10.3f} {pair.b - pair.a:>+10.3f}"
        yield f"       {pair.name:<24} {numbers} {pair.unit:<6} {pair.word}".rstrip()
    for moment in found.moments:
        fallback_levels = f" ({moment.fallback_levels})" if moment.fallback_levels else ""
        yield f"differ {moment.distance_m:.2f} m on average at {moment.time_s:.1f} s{fallback_levels}"
