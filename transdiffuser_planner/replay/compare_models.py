"""Compares two models on one drive: every metric side by side, and the frames with the largest differences of plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transdiffuser_planner.replay.checks.verdict import DriveVerdict
from transdiffuser_planner.replay.metrics.metric_definitions import METRICS, metric
from transdiffuser_planner.replay.metrics.trajectory_metrics import sampled

NUM_DIFFERENCES = 5
MIN_SPACING_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricPair:
    """One metric of both models.

    Attributes:
        name, unit: The metric.
        a, b: Mean over the drive of each model.
        word: "better" or "worse" for b compared with a; "" when unchanged or undefined.
    """

    name: str
    unit: str
    a: float
    b: float
    word: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferingFrame:
    """A frame in which plans differ.

    Attributes:
        time_s: Seconds since the start of the drive.
        distance_m: Mean distance over the plan.
        fallback_levels: "a became b" where the fallback levels differ, else "".
    """

    time_s: float
    distance_m: float
    fallback_levels: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Model b compared with model a.

    Attributes:
        name_a, name_b: The models.
        metrics: Metrics that both models have.
        differences: Frames with the largest differences of plans, largest first, at least a second apart.
        num_common, num_identical: Frames with a plan of both models, and those with bit-identical plans.
        num_only_a, num_only_b: Frames with a plan of one model only.
    """

    name_a: str
    name_b: str
    metrics: tuple[MetricPair, ...]
    differences: tuple[DifferingFrame, ...]
    num_common: int
    num_identical: int
    num_only_a: int
    num_only_b: int


def compare(a: DriveVerdict, b: DriveVerdict) -> Comparison:
    """Compare two replays of one drive.

    Args:
        a: Replay of the first model.
        b: Replay of the second model.

    Returns:
        Metrics and differing frames.
    """
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
        differences=tuple(_largest(found)),
        num_common=len(common),
        num_identical=num_identical,
        num_only_a=len(plans_a) - len(common),
        num_only_b=len(plans_b) - len(common),
    )


def _pairs(a: DriveVerdict, b: DriveVerdict) -> Iterator[MetricPair]:
    known = [name for name in METRICS if not METRICS[name].is_total]
    names = [*known, *(name for name in a.metrics.names() if name not in METRICS)]
    for name in names:
        first, second = a.metrics.statistic(name, "mean"), b.metrics.statistic(name, "mean")
        if first is None or second is None:
            continue
        facts, change = metric(name, "comparison"), second - first
        worse = {"lower": change, "higher": -change}.get(facts.better, 0.0)
        is_same = abs(change) <= max(1e-3 * max(abs(first), abs(second)), 1e-9)
        word = "" if is_same or facts.is_machine or not facts.better else "worse" if worse > 0.0 else "better"
        yield MetricPair(name=name, unit=facts.unit, a=first, b=second, word=word)


def _largest(frames: list[DifferingFrame]) -> Iterator[DifferingFrame]:
    """Yield the largest differences, each at least a second from the others."""
    taken: list[float] = []
    for frame in sorted(frames, key=lambda item: -item.distance_m):
        if len(taken) == NUM_DIFFERENCES or frame.distance_m < 1e-6:
            return
        if all(abs(frame.time_s - other) >= MIN_SPACING_S for other in taken):
            taken.append(frame.time_s)
            yield frame


def comparison_lines(found: Comparison) -> Iterator[str]:
    """Format a comparison.

    Args:
        found: Result of ``compare``.

    Yields:
        Human-readable lines.
    """
    yield f"compared A = {found.name_a} with B = {found.name_b} on {found.num_common} frames"
    if found.num_only_a or found.num_only_b:
        yield f"       planned by A alone {found.num_only_a}, by B alone {found.num_only_b}"
    yield f"       {found.num_identical} plans are identical"
    yield f"       {'mean of':<24} {'A':>10} {'B':>10} {'B - A':>10}"
    for pair in found.metrics:
        numbers = f"{pair.a:>10.3f} {pair.b:>10.3f} {pair.b - pair.a:>+10.3f}"
        yield f"       {pair.name:<24} {numbers} {pair.unit:<6} {pair.word}".rstrip()
    for frame in found.differences:
        fallback_levels = f" ({frame.fallback_levels})" if frame.fallback_levels else ""
        yield f"differ {frame.distance_m:.2f} m on average at {frame.time_s:.1f} s{fallback_levels}"
