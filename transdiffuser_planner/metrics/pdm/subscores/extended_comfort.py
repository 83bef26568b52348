"""EC, extended comfort: 1 if the plan and that of the previous frame agree in their dynamics where they overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather
from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion
from transdiffuser_planner.metrics.pdm.scene import STEP_S, EgoState
from transdiffuser_planner.metrics.pdm.subscores.comfort import (
    ACCELERATION_WINDOW,
    JERK_WINDOW,
    YAW_WINDOW,
    ride_of_rear_axle,
    smooth,
    unwrapped,
)

FloatArray = NDArray[np.float64]

METRIC = "extended_comfort"
LIMITS: dict[str, float] = {"acceleration": 0.7, "jerk": 0.5, "yaw rate": 0.1, "yaw acceleration": 0.1}
LONGEST_S = 0.55
"""Longest time between two consecutive frames."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviousFrame:
    """Plan of the previous frame.

    Attributes:
        ego: The ego in that frame.
        plan_T3: The selected plan of that frame, relative to its ego.
        interval_s: Time between the plan's poses.
        elapsed_s: Time from that frame to the present one.
    """

    ego: EgoState
    plan_T3: FloatArray
    interval_s: float = 0.5
    elapsed_s: float = 0.5


def _features(motion: Motion, steps: slice) -> FloatArray:
    """Acceleration, jerk, yaw rate, yaw acceleration (4, M, S) of some steps."""
    ride = ride_of_rear_axle(motion)
    acceleration = smooth(ride.magnitude_MS[:, steps], ACCELERATION_WINDOW)
    heading = unwrapped(ride.heading_MS[:, steps])
    return np.stack(
        [
            acceleration,
            smooth(acceleration, JERK_WINDOW, derivative=1),
            smooth(heading, YAW_WINDOW, derivative=1),
            smooth(heading, YAW_WINDOW, derivative=2),
        ]
    )


def score_extended_comfort(now: Motion, before: Motion, elapsed_s: float) -> tuple[FloatArray, Reasons]:
    """Score M simulated plans against one or M of the previous frame.

    Args:
        now: The simulated plans.
        before: Simulated plans of the previous frame.
        elapsed_s: Time between both frames.

    Raises:
        EvaluationError: The frames are not between 0.05 and 0.55 s apart.
    """
    shift = round(elapsed_s / STEP_S)
    if not (0.0 < elapsed_s < LONGEST_S and shift > 0):
        raise EvaluationError(f"previous frame: elapsed_s: expected 0.1 to 0.5 s, got {elapsed_s} s")
    difference = _features(now, slice(None, -shift)) - _features(before, slice(shift, None))
    rms = np.sqrt((difference**2).mean(axis=-1))
    limits = np.asarray(list(LIMITS.values()))
    fine = rms <= limits[:, None]
    found = [
        (int(plan), Reason(metric=METRIC, step=0, detail=f"{name} differs by {rms[index, plan]:.2f}"))
        for index, name in enumerate(LIMITS)
        for plan in np.flatnonzero(~fine[index])
    ]
    return fine.all(axis=0).astype(np.float64), gather(fine.shape[1], found)
