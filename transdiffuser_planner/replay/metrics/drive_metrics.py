"""Metrics of a replayed drive: per cycle, statistics over the drive, and skipped frames and plans by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack
from transdiffuser_planner.replay.cycle_records import CycleRecord, DriveRecord
from transdiffuser_planner.replay.metrics.agent_metrics import agent_metrics
from transdiffuser_planner.replay.metrics.pdm_metrics import PdmScorer, RecordedMap
from transdiffuser_planner.replay.metrics.trajectory_metrics import (
    comfort_metrics,
    displacement_metrics,
    plan_deviation_metrics,
    state_metrics,
)

STATISTICS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": lambda values: float(values.mean()),
    "median": lambda values: float(np.median(values)),
    "p95": lambda values: float(np.percentile(values, 95)),
    "p99": lambda values: float(np.percentile(values, 99)),
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
    "sum": lambda values: float(values.sum()),
    "count": lambda values: float(len(values)),
}
NO_FUTURE = "plan not evaluated: the recording ends or breaks within the next second"
JUMPING_FUTURE = "plan not evaluated: the odometry jumps within the next second"
SHORT_FUTURE = "plan evaluated in part: the recording ends or breaks within the next 4 s"
PASSED_BY = (
    "frame without a plan: it came sooner than planning_rate_hz allows, was never complete, or was planned from already"
)
BUSY = "frame without a plan: the planner was busy"


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleMetrics:
    """Metrics of one cycle.

    Attributes:
        time_s: Seconds since the start of the drive.
        stamp_ns: Stamp of the frame, or of the fallback.
        values: Metric name -> value; empty without a plan of the model.
        reason: Why there is no plan of the model, or "".
        fallback: Fallback level that the node would publish instead.
    """

    time_s: float
    stamp_ns: int
    values: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    fallback: FallbackLevel = FallbackLevel.NONE


@dataclass(kw_only=True, slots=True)
class ReplayMetrics:
    """Metrics of a drive.

    Attributes:
        cycles: In order of time.
        totals: Metrics of the whole drive.
        skipped: Number of frames, cycles and plans that do not count, by reason.
    """

    cycles: list[CycleMetrics]
    totals: dict[str, float]
    skipped: Counter[str]

    def values(self, metric: str, from_s: float = -np.inf, to_s: float = np.inf) -> np.ndarray:
        """Return all values of a metric within a time window.

        Args:
            metric: Name of the metric.
            from_s: Begin of the window in seconds since the start, inclusive.
            to_s: End of the window, inclusive.
        """
        found = [c.values[metric] for c in self.cycles if metric in c.values and from_s <= c.time_s <= to_s]
        return np.asarray(found, dtype=np.float64)

    def statistic(self, metric: str, name: str, from_s: float = -np.inf, to_s: float = np.inf) -> float | None:
        """Compute one statistic of a metric.

        Args:
            metric: Name of the metric.
            name: Key of ``STATISTICS``.
            from_s: Begin of the window in seconds since the start, inclusive.
            to_s: End of the window, inclusive.

        Returns:
            The statistic; None when there is no value.
        """
        values = self.values(metric, from_s, to_s)
        if name == "count":
            return float(len(values))
        return STATISTICS[name](values) if len(values) else None

    def names(self) -> list[str]:
        """Return the metrics that have a value, in order of first appearance."""
        return list(dict.fromkeys(name for cycle in self.cycles for name in cycle.values))

    def summary(self) -> dict[str, dict[str, float]]:
        """Return all statistics: metric -> statistic -> value."""
        found = {}
        for name in self.names():
            values = self.values(name)
            found[name] = {
                statistic: compute(values) for statistic, compute in STATISTICS.items() if statistic != "sum"
            }
        return found


def no_plan_text(cycle: CycleRecord) -> str:
    """Describe a cycle without a plan in one line: the published fallback, if any, and the reason.

    Args:
        cycle: A cycle whose plan is None.
    """
    if cycle.fallback == FallbackLevel.NONE:
        return f"no plan: {cycle.reason}"
    return f"no plan, {cycle.fallback.name.lower().replace('_', ' ')} published: {cycle.reason}"


def compute_replay_metrics(
    drive: DriveRecord, tracks: AgentTracks, road: RecordedMap, num_refused: int, num_lost: int = 0
) -> ReplayMetrics:
    """Compute all metrics of a drive after its end.

    Args:
        drive: Cycles with their plans.
        tracks: Recorded agents.
        road: Recorded map and routes.
        num_refused: Number of refused messages.
        num_lost: Number of messages of the planner's inputs that could not be read.

    Returns:
        Metrics per cycle and of the drive.
    """
    recorded, before = EgoTrack(drive.ego), None
    pdm = PdmScorer(road, tracks, recorded)
    cycles, skipped = [], Counter[str]()
    num_evaluated = 0
    for cycle in drive.cycles:
        time_s, plan = drive.time_s(cycle.stamp_ns), cycle.plan
        if plan is None:
            skipped[no_plan_text(cycle)] += 1
            cycles.append(
                CycleMetrics(time_s=time_s, stamp_ns=cycle.stamp_ns, reason=cycle.reason, fallback=cycle.fallback)
            )
            before = None
            continue
        values = displacement_metrics(plan, recorded)
        if "ade_1s_m" not in values:
            skipped[JUMPING_FUTURE if recorded.jumps_within(plan.ego.stamp_ns, 1.0) else NO_FUTURE] += 1
        elif "ade_4s_m" not in values:
            skipped[SHORT_FUTURE] += 1
        num_evaluated += "ade_1s_m" in values
        values |= agent_metrics(plan, tracks)
        values |= pdm(plan)
        values |= comfort_metrics(plan.trajectory) | plan_deviation_metrics(plan, before)
        values |= state_metrics(plan, drive.deadline_ms)
        cycles.append(CycleMetrics(time_s=time_s, stamp_ns=cycle.stamp_ns, values=values))
        before = plan
    skipped += pdm.skipped
    passed_by = drive.num_frames - sum(cycle.has_frame for cycle in drive.cycles) - drive.num_skipped_busy
    skipped += Counter({PASSED_BY: max(passed_by, 0), BUSY: drive.num_skipped_busy})
    num_plans = sum(cycle.plan is not None for cycle in drive.cycles)
    num_fallbacks = sum(cycle.fallback != FallbackLevel.NONE for cycle in drive.cycles)
    totals = {
        "num_frames": float(drive.num_frames),
        "num_plans": float(num_plans),
        "num_evaluated": float(num_evaluated),
        "num_fallbacks": float(num_fallbacks),
        "num_not_ready": float(len(drive.cycles) - num_plans),
        "num_refused": float(num_refused),
        "num_lost": float(num_lost),
        "longest_gap_s": drive.longest_gap[0],
        "planned_share": num_plans / len(drive.cycles) if drive.cycles else 0.0,
    }
    return ReplayMetrics(cycles=cycles, totals=totals, skipped=+skipped)
