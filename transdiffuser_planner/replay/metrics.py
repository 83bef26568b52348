"""Plans against what the driver did, beside a car that keeps its speed and turn. T plan steps, M candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import global_from_local
from transdiffuser_planner.core.types import Candidates, EgoState, Trajectory
from transdiffuser_planner.pipeline.ego_history import interpolate, is_discontinuity
from transdiffuser_planner.scoring.displacement import (
    average_displacement_m,
    constant_velocity_plan,
    final_displacement_m,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class DisplacementErrors:
    """Mean errors in metres over the cycles that have a recorded future of the whole horizon.

    Attributes:
        num_cycles: How many those are; with 0 all errors are None.
        plan_ade_m, plan_fde_m: Of the published trajectory.
        best_ade_m, best_fde_m: Of each cycle's nearest candidate (by ADE): what the samples contain.
        constant_ade_m, constant_fde_m: With speed and yaw rate kept.
    """

    num_cycles: int
    plan_ade_m: float | None = None
    plan_fde_m: float | None = None
    best_ade_m: float | None = None
    best_fde_m: float | None = None
    constant_ade_m: float | None = None
    constant_fde_m: float | None = None


class RecordedDrive:
    """The whole recorded odometry in base_link, cut where no car can have driven on."""

    def __init__(self, states: Sequence[EgoState]) -> None:
        self._states = list(states)
        self._stamps = np.asarray([state.stamp_ns for state in states], dtype=np.int64)
        self._breaks = [i + 1 for i in range(len(states) - 1) if is_discontinuity(states[i], states[i + 1])]

    def future(self, stamp_ns: int, time_s_T: FloatArray) -> FloatArray | None:
        """Positions (T, 2) at times after a stamp, or None when the recording ends or breaks before."""
        start = int(np.searchsorted(self._stamps, stamp_ns, side="right")) - 1
        stop = next((i for i in self._breaks if i > start), len(self._states))
        end_ns = stamp_ns + round(float(time_s_T[-1]) * 1e9)
        last = min(int(np.searchsorted(self._stamps, end_ns)) + 1, stop)
        segment = self._states[max(start, 0) : last]
        poses = []
        for time_s in time_s_T:
            state = interpolate(segment, stamp_ns + round(float(time_s) * 1e9))
            if state is None:
                return None
            poses.append([state.x_m, state.y_m])
        return np.asarray(poses)


class DisplacementScore:
    """Collects cycles; ``errors`` compares them with the drive once all of it is known."""

    def __init__(self) -> None:
        self._cycles: list[tuple[EgoState, FloatArray, FloatArray, FloatArray]] = []

    def add(self, ego: EgoState, trajectory: Trajectory, candidates: Candidates) -> None:
        """Take in one cycle's plan."""
        times = candidates.time_s_T
        plan = [np.interp(times, trajectory.time_s_T, column) for column in (trajectory.x_m_T, trajectory.y_m_T)]
        self._cycles.append((ego, np.stack(plan, axis=-1), candidates.pose_MT3[..., :2], times))

    def errors(self, drive: RecordedDrive) -> DisplacementErrors:
        """Mean errors over all cycles with a future."""
        rows = []
        for ego, plan_T2, candidate_MT2, times in self._cycles:
            truth = drive.future(ego.stamp_ns, times)
            if truth is None:
                continue
            constant = _constant_velocity(ego, times)
            best = candidate_MT2[average_displacement_m(candidate_MT2, truth).argmin()]
            rows.append(
                [
                    error(path, truth)
                    for path in (plan_T2, best, constant)
                    for error in (average_displacement_m, final_displacement_m)
                ]
            )
        if not rows:
            return DisplacementErrors(num_cycles=0)
        mean = [float(value) for value in np.mean(rows, axis=0)]
        return DisplacementErrors(
            num_cycles=len(rows),
            plan_ade_m=mean[0],
            plan_fde_m=mean[1],
            best_ade_m=mean[2],
            best_fde_m=mean[3],
            constant_ade_m=mean[4],
            constant_fde_m=mean[5],
        )


def _constant_velocity(ego: EgoState, time_s_T: FloatArray) -> FloatArray:
    local = constant_velocity_plan(np.asarray([ego.vx_mps]), np.asarray([ego.yaw_rate_radps]), time_s_T)[0]
    return global_from_local(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), local)[:, :2]
