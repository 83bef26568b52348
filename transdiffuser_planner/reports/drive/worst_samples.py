"""Worst samples of a drive: collisions, emergency stops, and plans far from the logged trajectory."""

from __future__ import annotations

import numpy as np

from transdiffuser_planner.core.types import FallbackLevel, Trajectory
from transdiffuser_planner.reports.drive.recorded_drive import Drive
from transdiffuser_planner.reports.drive.summary import Event, events

MAX_MOMENTS = 6
HORIZON_S, MIN_HORIZON_S = 4.0, 1.0
APART_S = 1.0
NOTABLE_M = 0.5
MAX_GAP_S = 0.5


def worst_samples(drive: Drive) -> list[Event]:
    """Worst first: collisions, then emergency stops, then the largest distances of plans from the driven path."""
    known = events(drive)
    found = [event for event in known if event.kind == "collision"]
    found += sorted(_emergencies(drive), key=lambda event: event.time_s - event.end_s)
    found += _far_plans(drive)
    kept: list[Event] = []
    for event in found:
        if len(kept) < MAX_MOMENTS and all(abs(event.time_s - other.time_s) >= APART_S for other in kept):
            kept.append(event)
    return kept


def _emergencies(drive: Drive) -> list[Event]:
    stops = {
        round((status.stamp_ns - int(drive.stamp_ns_F[0])) * 1e-9, 6)
        for status in drive.statuses()
        if status.ready and status.fallback_level is FallbackLevel.EMERGENCY_STOP
    }
    return [event for event in events(drive) if event.kind == "fallback" and round(event.time_s, 6) in stops]


def _far_plans(drive: Drive) -> list[Event]:
    """Plans by their distance from the driven path at the end of what was driven of them, at most 4 s ahead."""
    start_ns, rows = int(drive.stamp_ns_F[0]), []
    for stamp, cycle in drive.plans():
        assert cycle.trajectory is not None
        end_s = min(HORIZON_S, (int(drive.stamp_ns_F[-1]) - stamp) * 1e-9, float(cycle.trajectory.time_s_T[-1]))
        if end_s < MIN_HORIZON_S or not _is_whole(drive, stamp, end_s):
            continue
        distance_m = _distance_m(drive, cycle.trajectory, stamp, end_s)
        if distance_m >= NOTABLE_M:
            rows.append((distance_m, (stamp - start_ns) * 1e-9, end_s))
    rows.sort(reverse=True)
    return [
        Event(
            time_s=time_s,
            end_s=time_s,
            kind="error",
            text=f"Plan {distance_m:.1f} m from the drive after {end_s:.1f} s",
        )
        for distance_m, time_s, end_s in rows
    ]


def _distance_m(drive: Drive, plan: Trajectory, stamp_ns: int, after_s: float) -> float:
    x_m, y_m, _ = drive.pose_at(stamp_ns + round(after_s * 1e9))
    planned = [np.interp(after_s, plan.time_s_T, column) for column in (plan.x_m_T, plan.y_m_T)]
    return float(np.hypot(planned[0] - x_m, planned[1] - y_m))


def _is_whole(drive: Drive, stamp_ns: int, length_s: float) -> bool:
    """Whether odometry has no hole and no jump within a plan's time."""
    first = max(int(np.searchsorted(drive.stamp_ns_F, stamp_ns, side="right")) - 1, 0)
    last = int(np.searchsorted(drive.stamp_ns_F, stamp_ns + round(length_s * 1e9))) + 1
    step_s = np.diff(drive.stamp_ns_F[first:last]) * 1e-9
    step_m = np.hypot(*np.diff(drive.pose_F3[first:last, :2], axis=0).T)
    fastest = np.maximum(drive.speed_F[first:last][1:], drive.speed_F[first:last][:-1])
    return bool((step_s <= MAX_GAP_S).all() and (step_m <= 1.0 + 1.5 * fastest * step_s).all())
