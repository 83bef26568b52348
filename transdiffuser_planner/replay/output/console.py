"""Formats the summary of a replay for the console."""

from __future__ import annotations

from collections.abc import Iterator

from transdiffuser_planner.replay.checks.verdict import DriveVerdict
from transdiffuser_planner.replay.metrics.drive_metrics import ReplayMetrics
from transdiffuser_planner.replay.replay_result import ReplayResult

_GROUPS = (
    ("comfort", ("max_accel_mps2", "max_decel_mps2", "max_lateral_accel_mps2", "max_jerk_mps3", "comfortable")),
    ("deviation", ("plan_deviation_m", "plan_deviation_lateral_m", "plan_deviation_speed_mps")),
    ("agents", ("agent_recall", "agent_precision", "agent_position_m", "agent_ade_m", "agent_fde_m")),
    (
        "pdm",
        ("pdm_score", "pdm_no_collision", "pdm_drivable_area", "pdm_progress", "pdm_time_to_collision", "pdm_comfort"),
    ),
)


def drive_lines(verdict: DriveVerdict) -> Iterator[str]:
    """Format a drive: inputs, plans, skipped frames, metrics and checks.

    Args:
        verdict: The replayed drive.

    Yields:
        Human-readable lines.
    """
    result = verdict.result
    yield f"bag    {result.bag}"
    yield f"source {verdict.choice.name}: {verdict.choice.why}"
    yield from (f"note   {line}" for line in result.notes)
    yield from (f"damage {line}" for line in result.damages)
    if result.masked:
        yield f"masked {', '.join(result.masked)} (not in the bag)"
    for reason, count in result.refused.items():
        yield f"refused {count} x {reason}"
    for text, count in result.notices.items():
        yield f"notice {count} x {text}"
    for reason, count in result.not_copied.items():
        yield f"not copied {count} x {reason}"
    yield from _plan_lines(result)
    for reason, count in result.metrics.skipped.items():
        yield f"left out {count} x {reason}"
    yield from _error_lines(result.metrics)
    for name, group in _GROUPS:
        means = [(metric, result.metrics.statistic(metric, "mean")) for metric in group]
        listed = ", ".join(
            f"{metric.removeprefix('plan_').removeprefix(f'{name}_')} {mean:.2f}"
            for metric, mean in means
            if mean is not None
        )
        if listed:
            yield f"{name:<6} {listed} (means)"
    if not result.is_simulated:
        yield "note   the shipped models were trained in simulation only: on real drives these metrics do not measure driving skill"
    for check in verdict.checks:
        yield f"{'passed' if check.has_passed else 'FAILED'} {check.group} {check.name}: {check.message}"


def _plan_lines(result: ReplayResult) -> Iterator[str]:
    metrics = result.metrics
    total = int(metrics.totals["num_frames"])
    if not result.num_plans:
        yield f"plans  none from {total} frames"
        if result.fallbacks:
            yield f"       fallbacks: {_fallback_text(result)}"
        return
    latency = [metrics.statistic("latency_ms", name) for name in ("median", "p99", "max")]
    late = int(metrics.statistic("deadline_missed", "sum") or 0)
    factor = result.realtime_factor
    yield f"plans  {result.num_plans} from {total} frames, {factor:.1f} x real time; model {result.model_name}"
    yield f"       replayed {result.duration_s:.1f} s in {result.wall_s:.1f} s: {factor:.1f} times real time"
    yield (
        f"       latency median {latency[0]:.1f}, p99 {latency[1]:.1f}, max {latency[2]:.1f} ms; "
        f"{late} later than {result.drive.deadline_ms:.0f} ms"
    )
    gap_s, at_s = result.drive.longest_gap
    yield f"       longest time without a new plan {gap_s:.2f} s, from {at_s:.1f} s on"
    yield f"       fallbacks: {_fallback_text(result) or 'none'}; SHA-256 of all plans {result.plan_hash[:16]}"
    ages = [name for name in metrics.names() if name.startswith("age_")]
    worst = ", ".join(f"{name[4:-2]} {metrics.statistic(name, 'max'):.3f}" for name in ages)
    yield f"       oldest inputs (s): {worst or 'none'}"


def _fallback_text(result: ReplayResult) -> str:
    """Format fallbacks by level, as "12 comfortable stop"."""
    return ", ".join(
        f"{count} {fallback_level.name.lower().replace('_', ' ')}"
        for fallback_level, count in result.fallback_levels.items()
        if fallback_level
    )


def _error_lines(metrics: ReplayMetrics) -> Iterator[str]:
    rows = []
    for s in (1, 2, 3, 4):
        names = [f"{name}_{s}s_m" for name in ("ade", "fde", "lateral", "longitudinal")]
        means = [metrics.statistic(name, "mean") for name in names]
        if means[0] is not None:
            count = len(metrics.values(names[0]))
            rows.append(
                f"       {s} s   {means[0]:6.2f} {means[1]:6.2f} {means[2]:8.2f} {means[3]:12.2f}   {count:5d} plans"
            )
    if not rows:
        yield "no plan has a recorded future"
        return
    yield "against the recorded future (means in meters):"
    yield "             ADE    FDE  lateral longitudinal"
    yield from rows
    best, constant = metrics.statistic("min_ade_m", "mean"), metrics.statistic("constant_velocity_ade_m", "mean")
    if best is not None and constant is not None:
        yield f"       ADE of the candidate nearest to the recorded future: {best:.2f}; of constant velocity: {constant:.2f}"
