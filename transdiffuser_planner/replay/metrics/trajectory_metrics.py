"""Metrics of one plan: against the logged trajectory, against the previous plan, and by itself. T plan steps, F fine steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import global_from_local, wrap_angle
from transdiffuser_planner.core.types import EgoState, FallbackLevel, Trajectory
from transdiffuser_planner.data.logs.tracks import EgoTrack
from transdiffuser_planner.metrics.displacement import (
    average_displacement_m,
    constant_velocity_plan,
    final_displacement_m,
)
from transdiffuser_planner.metrics.pdm.subscores.comfort import LIMITS
from transdiffuser_planner.replay.cycle_records import PlanRecord

FloatArray = NDArray[np.float64]

HORIZONS_S = (1.0, 2.0, 3.0, 4.0)
DEVIATION_HORIZON_S = 2.0
MAX_DEVIATION_GAP_S = 1.0


def displacement_metrics(plan: PlanRecord, drive: EgoTrack) -> dict[str, float]:
    """Compute displacement errors at each horizon that the recording covers.

    Args:
        plan: Plan and the ego state it started from.
        drive: Recorded ego states.

    Returns:
        Metric name -> value in meters or radians.
    """
    times = plan.time_s_T
    found: dict[str, float] = {}
    path = sampled(plan.trajectory, times)
    whole = drive.future(plan.ego.stamp_ns, times)
    for horizon_s in HORIZONS_S:
        count = int((times <= horizon_s + 1e-6).sum())
        if count == 0 or times[count - 1] < horizon_s - 1e-6:
            continue
        truth = drive.future(plan.ego.stamp_ns, times[:count]) if whole is None else whole[:count]
        if truth is None:
            break
        name = f"{horizon_s:.0f}s"
        found[f"ade_{name}_m"] = float(average_displacement_m(path[:count], truth))
        found[f"fde_{name}_m"] = float(final_displacement_m(path[:count], truth))
        along, across = _along_and_across(path[count - 1] - truth[-1], float(truth[-1, 2]))
        found[f"longitudinal_{name}_m"], found[f"lateral_{name}_m"] = abs(along), abs(across)
        found[f"longitudinal_error_signed_{name}_m"] = along
        found[f"heading_{name}_rad"] = abs(float(wrap_angle(path[count - 1, 2] - truth[-1, 2])))
        if count == len(times):
            found |= _full_horizon_metrics(plan, truth, times)
    return found


def _full_horizon_metrics(plan: PlanRecord, truth: FloatArray, times: FloatArray) -> dict[str, float]:
    """Compute errors of the candidate nearest to the recorded future, if any, and of constant speed and yaw rate."""
    constant = _constant_velocity(plan.ego, times)
    found = {
        "constant_velocity_ade_m": float(average_displacement_m(constant, truth)),
        "constant_velocity_fde_m": float(final_displacement_m(constant, truth)),
    }
    if len(plan.candidate_MT2):
        errors_M = average_displacement_m(plan.candidate_MT2, truth)
        best = plan.candidate_MT2[int(errors_M.argmin())]
        found |= {"min_ade_m": float(errors_M.min()), "min_fde_m": float(final_displacement_m(best, truth))}
    return found


def comfort_metrics(trajectory: Trajectory) -> dict[str, float]:
    """Compute the largest accelerations and jerk of a plan, and whether it is within nuPlan's limits.

    Args:
        trajectory: A published plan.

    Returns:
        Metric name -> value.
    """
    forward = trajectory.accel_mps2_T
    lateral = trajectory.speed_mps_T**2 * trajectory.curvature_per_m_T
    jerk = np.diff(forward) / np.diff(trajectory.time_s_T)
    low, high = LIMITS["forward acceleration"]
    is_within = forward.min() > low and forward.max() < high
    is_within = is_within and np.abs(lateral).max() < LIMITS["lateral acceleration"][1]
    is_within = is_within and np.abs(jerk).max() < LIMITS["forward jerk"][1]
    return {
        "max_accel_mps2": float(max(forward.max(), 0.0)),
        "max_decel_mps2": float(max(-forward.min(), 0.0)),
        "max_lateral_accel_mps2": float(np.abs(lateral).max()),
        "max_jerk_mps3": float(np.abs(jerk).max()),
        "comfortable": float(is_within),
    }


def plan_deviation_metrics(plan: PlanRecord, before: PlanRecord | None) -> dict[str, float]:
    """Compute the distance between a plan and the previous one at the same times, over two seconds.

    Args:
        plan: The plan.
        before: The previous plan, or None.

    Returns:
        Metric name -> value; empty without a previous plan of the last second in the same frame.
    """
    if before is None or before.trajectory.frame_id != plan.trajectory.frame_id:
        return {}
    gap_s = (plan.ego.stamp_ns - before.ego.stamp_ns) * 1e-9
    if not 0.0 < gap_s <= MAX_DEVIATION_GAP_S:
        return {}
    times = plan.time_s_T[plan.time_s_T <= DEVIATION_HORIZON_S + 1e-6]
    last_s = float(before.trajectory.time_s_T[-1])
    times = times[times + gap_s <= last_s]
    if not len(times):
        return {}
    now, then = sampled(plan.trajectory, times), sampled(before.trajectory, times + gap_s)
    offset = now[:, :2] - then[:, :2]
    across = -np.sin(then[:, 2]) * offset[:, 0] + np.cos(then[:, 2]) * offset[:, 1]
    return {
        "plan_deviation_m": float(np.hypot(offset[:, 0], offset[:, 1]).mean()),
        "plan_deviation_lateral_m": float(np.abs(across).mean()),
        "plan_deviation_speed_mps": float(
            np.abs(
                np.interp(times, plan.trajectory.time_s_T, plan.trajectory.speed_mps_T)
                - np.interp(times + gap_s, before.trajectory.time_s_T, before.trajectory.speed_mps_T)
            ).mean()
        ),
    }


def state_metrics(plan: PlanRecord, deadline_ms: float) -> dict[str, float]:
    """Return latency, deadline, fallback, violations and ages of inputs.

    Args:
        plan: The plan.
        deadline_ms: Latency above which the deadline is missed.

    Returns:
        Metric name -> value.
    """
    found = {
        "latency_ms": plan.latency_ms,
        "deadline_missed": float(plan.latency_ms > deadline_ms),
        "fallback": float(plan.fallback_level != FallbackLevel.NONE),
        "fallback_level": float(plan.fallback_level),
        "violations": float(len(plan.faults)),
    }
    return found | {f"age_{name}_s": age_s for name, age_s in plan.ages_s.items()}


def sampled(trajectory: Trajectory, times: FloatArray) -> FloatArray:
    """Interpolate poses at given times.

    Args:
        trajectory: The trajectory.
        times: Seconds after its stamp (T,).

    Returns:
        x and y in meters and heading in radians (T, 3), in the frame of the trajectory.
    """
    heading = np.unwrap(trajectory.heading_rad_T)
    columns = (trajectory.x_m_T, trajectory.y_m_T, heading)
    return np.stack([np.interp(times, trajectory.time_s_T, column) for column in columns], axis=-1)


def _along_and_across(offset: FloatArray, heading_rad: float) -> tuple[float, float]:
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return float(cos * offset[0] + sin * offset[1]), float(-sin * offset[0] + cos * offset[1])


def _constant_velocity(ego: EgoState, time_s_T: FloatArray) -> FloatArray:
    local = constant_velocity_plan(np.asarray([ego.vx_mps]), np.asarray([ego.yaw_rate_radps]), time_s_T)[0]
    return global_from_local(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), local)[:, :2]
