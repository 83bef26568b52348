"""Comfort of a whole drive: nuPlan's limits at every step. K steps of 0.1 s."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.subscores.comfort import (
    ACCELERATION_WINDOW,
    JERK_WINDOW,
    LIMITS,
    YAW_WINDOW,
    smooth,
    unwrapped,
)
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]


def violated_limits(poses: list[EgoPose]) -> dict[str, NDArray[np.bool_]]:
    """Return the steps (K,) that violate each limit of ``comfort.LIMITS``; filters as in EPDMS, at the rear axle.

    Args:
        poses: Ego states of the drive, at least two.
    """
    speed_K = np.asarray([pose.speed_mps for pose in poses])
    forward_K = np.asarray([pose.acceleration_mps2 for pose in poses])
    lateral_K = speed_K**2 * np.asarray([pose.curvature_per_m for pose in poses])
    heading_K = unwrapped(np.asarray([pose.heading_rad for pose in poses]))
    magnitude_K = np.hypot(forward_K, lateral_K)
    measured = (
        smooth(forward_K, ACCELERATION_WINDOW),
        smooth(lateral_K, ACCELERATION_WINDOW),
        smooth(smooth(magnitude_K, ACCELERATION_WINDOW), JERK_WINDOW, derivative=1),
        smooth(smooth(forward_K, ACCELERATION_WINDOW), JERK_WINDOW, derivative=1),
        smooth(heading_K, YAW_WINDOW, order=3, derivative=2),
        smooth(heading_K, YAW_WINDOW, derivative=1),
    )
    return {
        name: (values_K <= low) | (values_K >= high)
        for (name, (low, high)), values_K in zip(LIMITS.items(), measured, strict=True)
    }
