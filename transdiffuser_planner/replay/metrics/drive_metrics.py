"""A replayed drive in numbers: each cycle's figures, what they come to, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack
from transdiffuser_planner.replay.cycle_records import CycleRecord, DriveRecord
from transdiffuser_planner.replay.metrics.agent_metrics import agent_metrics
from transdiffuser_planner.replay.metrics.pdm_metrics import MapTruth, PdmScorer
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
SHORT_FUTURE = "plan evaluated in part: the recording ends or breaks within the next 4 s"
PASSED_BY = (
    "frame not planned from: it came sooner than planning_rate_hz allows, was never complete, or was answered already"
)
BUSY = "frame not planned from: the planner was still at work"


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleMetrics:
    """One cycle: its time since the start, and its numbers.

    Without a plan of the model values is empty, reason says why, and fallback is what the node would publish instead.
    """

    time_s: float
    stamp_ns: int
    values: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    fallback: FallbackLevel = FallbackLevel.NONE


@dataclass(kw_only=True, slots=True)
class DriveMetricsTable:
    """A drive.

    Attributes:
        cycles: In order.
        totals: Numbers of the whole drive.
        left_out: Frames, cycles and plans that do not count, by reason.
    """

    cycles: list[CycleMetrics]
    totals: dict[str, float]
    left_out: Counter[str]

    def values(self, metric: str, from_s: float = -np.inf, to_s: float = np.inf) -> np.ndarray:
        """All values of a metric within a time window."""
        found = [c.values[metric] for c in self.cycles if metric in c.values and from_s <= c.time_s <= to_s]
        return np.asarray(found, dtype=np.float64)

    def statistic(self, metric: str, name: str, from_s: float = -np.inf, to_s: float = np.inf) -> float | None:
        """One number of a metric; None when there is no value."""
        values = self.values(metric, from_s, to_s)
        if name == "count":
            return float(len(values))
        return STATISTICS[name](values) if len(values) else None

    def names(self) -> list[str]:
        """Metrics that have a value, in the order in which they first came."""
        return list(dict.fromkeys(name for cycle in self.cycles for name in cycle.values))

    def summary(self) -> dict[str, dict[str, float]]:
        """Metric -> statistic -> value."""
        found = {}
        for name in self.names():
            values = self.values(name)
            found[name] = {
                statistic: compute(values) for statistic, compute in STATISTICS.items() if statistic != "sum"
            }
        return found


def no_plan_text(cycle: CycleRecord) -> str:
    """A cycle without a plan in one line: what the node would publish, and why."""
    if cycle.fallback == FallbackLevel.NONE:
        return f"no plan: {cycle.reason}"
    return f"no plan, {cycle.fallback.name.lower().replace('_', ' ')} published: {cycle.reason}"


def drive_metrics_table(
    drive: DriveRecord, tracks: AgentTracks, road: MapTruth, num_refused: int
) -> DriveMetricsTable:
    """All numbers of a drive, once all of it is known.

    Args:
        drive: What was planned.
        tracks, road: What was recorded.
        num_refused: Messages that could not be used.
    """
    recorded, before = EgoTrack(drive.ego), None
    pdm = PdmScorer(road, tracks, recorded)
    cycles, left_out = [], Counter[str]()
    num_evaluated = 0
    for cycle in drive.cycles:
        time_s, plan = drive.time_s(cycle.stamp_ns), cycle.plan
        if plan is None:
            left_out[no_plan_text(cycle)] += 1
            cycles.append(
                CycleMetrics(time_s=time_s, stamp_ns=cycle.stamp_ns, reason=cycle.reason, fallback=cycle.fallback)
            )
            before = None
            continue
        values = displacement_metrics(plan, recorded)
        if "ade_1s_m" not in values:
            left_out[NO_FUTURE] += 1
        elif "ade_4s_m" not in values:
            left_out[SHORT_FUTURE] += 1
        num_evaluated += "ade_1s_m" in values
        values |= agent_metrics(plan, tracks)
        values |= pdm(plan)
        values |= comfort_metrics(plan.trajectory) | plan_deviation_metrics(plan, before)
        values |= state_metrics(plan, drive.deadline_ms)
        cycles.append(CycleMetrics(time_s=time_s, stamp_ns=cycle.stamp_ns, values=values))
        before = plan
    left_out += pdm.left_out
    passed_by = drive.num_frames - sum(cycle.has_frame for cycle in drive.cycles) - drive.num_skipped_busy
    left_out += Counter({PASSED_BY: max(passed_by, 0), BUSY: drive.num_skipped_busy})
    num_plans = sum(cycle.plan is not None for cycle in drive.cycles)
    num_fallbacks = sum(cycle.fallback != FallbackLevel.NONE for cycle in drive.cycles)
    totals = {
        "num_frames": float(drive.num_frames),
        "num_plans": float(num_plans),
        "num_evaluated": float(num_evaluated),
        "num_fallbacks": float(num_fallbacks),
        "num_not_ready": float(len(drive.cycles) - num_plans),
        "num_refused": float(num_refused),
        "longest_gap_s": drive.longest_gap[0],
        "planned_share": num_plans / len(drive.cycles) if drive.cycles else 0.0,
    }
    return DriveMetricsTable(cycles=cycles, totals=totals, left_out=+left_out)
