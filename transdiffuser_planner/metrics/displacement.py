"""Displacement errors of plans against the logged trajectory. B samples, M candidates, T plan steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError

FloatArray = NDArray[np.float64]


def average_displacement_m(plan_XT2: FloatArray, truth_XT2: FloatArray) -> FloatArray:
    """ADE: mean distance over the plan steps; leading axes broadcast.

    Args:
        plan_XT2: Planned positions (..., T, 2 or more), meters.
        truth_XT2: Logged positions in the same frame.
    """
    return np.asarray(np.linalg.norm(plan_XT2[..., :2] - truth_XT2[..., :2], axis=-1).mean(axis=-1))


def final_displacement_m(plan_XT2: FloatArray, truth_XT2: FloatArray) -> FloatArray:
    """FDE: distance at the last plan step; arguments as for ``average_displacement_m``."""
    return np.asarray(np.linalg.norm(plan_XT2[..., -1, :2] - truth_XT2[..., -1, :2], axis=-1))


def constant_velocity_plan(speed_B: FloatArray, yaw_rate_B: FloatArray, time_s_T: FloatArray) -> FloatArray:
    """Poses (B, T, 3) in base_link at constant speed (m/s) and yaw rate (rad/s)."""
    heading = yaw_rate_B[:, None] * time_s_T
    small = np.abs(heading) < 1e-6
    safe = np.where(small, 1.0, heading)
    along = np.where(small, 1.0, np.sin(safe) / safe)
    across = np.where(small, 0.5 * heading, (1.0 - np.cos(safe)) / safe)
    distance = speed_B[:, None] * time_s_T
    return np.stack([distance * along, distance * across, heading], axis=-1)


def final_displacement_at_m(
    plan_XT2: FloatArray, truth_XT2: FloatArray, time_s_T: FloatArray, at_s: float
) -> FloatArray:
    """Distance at one plan step; leading axes broadcast.

    Args:
        plan_XT2: Planned positions (..., T, 2 or more), meters.
        truth_XT2: Logged positions in the same frame.
        time_s_T: Time of each step.
        at_s: Time of the step.

    Raises:
        EvaluationError: The plan has no step at that time.
    """
    step = _step_at(time_s_T, at_s)
    return np.asarray(np.linalg.norm(plan_XT2[..., step, :2] - truth_XT2[..., step, :2], axis=-1))


def average_displacement_until_m(
    plan_XT2: FloatArray, truth_XT2: FloatArray, time_s_T: FloatArray, until_s: float
) -> FloatArray:
    """Mean distance over the steps up to a time; arguments as for ``final_displacement_at_m``."""
    steps = slice(0, _step_at(time_s_T, until_s) + 1)
    return average_displacement_m(plan_XT2[..., steps, :], truth_XT2[..., steps, :])


def miss_rate(
    plan_BMT2: FloatArray,
    truth_BT2: FloatArray,
    time_s_T: FloatArray,
    at_s: float,
    *,
    miss_m: float = 2.0,
    valid_B: NDArray[np.bool_] | None = None,
) -> float:
    """Share of samples whose best candidate is further than miss_m from the truth at one plan step.

    Args:
        plan_BMT2: M candidates of each of B samples; an agent of a scene counts as a sample.
        truth_BT2: Logged positions.
        time_s_T: Time of each step.
        at_s: Time of the evaluated step.
        miss_m: Distance above which a sample is missed.
        valid_B: Samples whose truth is known at that step; all if None.

    Raises:
        EvaluationError: The plan has no step at that time, or no sample is valid.
    """
    error_B = final_displacement_at_m(plan_BMT2, truth_BT2[:, None], time_s_T, at_s).min(axis=1)
    valid_B = np.ones(len(error_B), dtype=bool) if valid_B is None else valid_B
    if not valid_B.any():
        raise EvaluationError("miss rate: expected at least one sample with a known truth, got none")
    return float((error_B[valid_B] > miss_m).mean())


def _step_at(time_s_T: FloatArray, at_s: float) -> int:
    step = int(np.abs(time_s_T - at_s).argmin())
    if abs(float(time_s_T[step]) - at_s) > 1e-6:
        raise EvaluationError(
            f"displacement: expected a step at {at_s} s, got steps at {np.round(time_s_T, 3).tolist()} s"
        )
    return step


@dataclass(frozen=True, kw_only=True, slots=True)
class DisplacementRow:
    """Errors up to one time.

    Attributes:
        at_s: The time.
        ade_m: Smallest ADE over the candidates, mean over samples.
        fde_m: Smallest FDE over the candidates, chosen independently of ade_m, mean over samples.
        miss_rate: Share of samples without a candidate within 2 m.
        num_samples: Samples with a known truth.
    """

    at_s: float
    ade_m: float
    fde_m: float
    miss_rate: float
    num_samples: int


def displacement_table(
    plan_BMT2: FloatArray,
    truth_BT2: FloatArray,
    valid_BT: NDArray[np.bool_],
    time_s_T: FloatArray,
    times_s: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0),
) -> tuple[DisplacementRow, ...]:
    """ADE, FDE and miss rate at several times; samples count where their truth is known until then.

    Args:
        plan_BMT2: M candidates of each of B samples, ego or agents.
        truth_BT2: Logged positions.
        valid_BT: Steps at which they are known.
        time_s_T: Time of each step.
        times_s: Times to evaluate.
    """
    rows = []
    for at_s in times_s:
        valid_B = valid_BT[:, : _step_at(time_s_T, at_s) + 1].all(axis=1)
        if not valid_B.any():
            continue
        plans, truth = plan_BMT2[valid_B], truth_BT2[valid_B]
        final_BM = final_displacement_at_m(plans, truth[:, None], time_s_T, at_s)
        average_BM = average_displacement_until_m(plans, truth[:, None], time_s_T, at_s)
        rows.append(
            DisplacementRow(
                at_s=at_s,
                ade_m=float(average_BM.min(axis=1).mean()),
                fde_m=float(final_BM.min(axis=1).mean()),
                miss_rate=miss_rate(plans, truth, time_s_T, at_s),
                num_samples=int(valid_B.sum()),
            )
        )
    return tuple(rows)
