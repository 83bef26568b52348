"""C and HC: limits of acceleration, jerk, yaw rate and yaw acceleration, smoothed by Savitzky-Golay filters.

PDMS fits one parabola to the rear axle's accelerations of the whole plan; EPDMS uses short windows and the box's center,
and includes the last 1.5 s. Yaw has the short window in both. M plans, S steps, H steps of the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.smoothing import savitzky_golay
from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons, gather
from transdiffuser_planner.metrics.pdm.geometry.boxes import PACIFICA
from transdiffuser_planner.metrics.pdm.lqr_simulation import Motion, wrap_rad
from transdiffuser_planner.metrics.pdm.scene import STEP_S, PastMotion

FloatArray = NDArray[np.float64]

DECIMALS = 8
ACCELERATION_WINDOW, JERK_WINDOW, YAW_WINDOW = 8, 15, 5
LIMITS: dict[str, tuple[float, float]] = {
    "forward acceleration": (-4.05, 2.40),
    "lateral acceleration": (-4.89, 4.89),
    "jerk": (-8.37, 8.37),
    "forward jerk": (-4.13, 4.13),
    "yaw acceleration": (-1.93, 1.93),
    "yaw rate": (-0.95, 0.95),
}
UNITS = ("m/s^2", "m/s^2", "m/s^3", "m/s^3", "rad/s^2", "rad/s")


@dataclass(frozen=True, kw_only=True, slots=True)
class RideMS:
    """Inputs of the comfort scores: accelerations (M, S) in m/s^2 and headings (M, S) in rad."""

    forward_MS: FloatArray
    lateral_MS: FloatArray
    magnitude_MS: FloatArray
    heading_MS: FloatArray


@lru_cache(maxsize=128)
def smoother(num_steps: int, window: int, order: int, derivative: int) -> FloatArray:
    """Savitzky-Golay filter as a matrix (S, S): values @ matrix are the smoothed values or their derivative."""
    found = savitzky_golay(np.eye(num_steps), min(window, num_steps), order, derivative=derivative, step=STEP_S)
    return np.ascontiguousarray(found.T)


def smooth(values_MS: FloatArray, window: int, order: int = 2, derivative: int = 0) -> FloatArray:
    """Smoothed values or their derivative, rounded as in the devkit."""
    return np.round(values_MS @ smoother(values_MS.shape[-1], window, order, derivative), DECIMALS)


def unwrapped(heading_MS: FloatArray) -> FloatArray:
    """Headings without jumps of whole turns."""
    turns = np.zeros_like(heading_MS)
    turns[..., 1:] = np.cumsum(np.round(np.diff(heading_MS, axis=-1) / (2.0 * np.pi)), axis=-1)
    return np.asarray(heading_MS - 2.0 * np.pi * turns)


def ride_of_rear_axle(motion: Motion) -> RideMS:
    """Accelerations at the rear axle."""
    forward, lateral = motion.acceleration_MS2[..., 0], motion.acceleration_MS2[..., 1]
    return RideMS(
        forward_MS=forward,
        lateral_MS=lateral,
        magnitude_MS=np.hypot(forward, lateral),
        heading_MS=motion.pose_MS3[..., 2],
    )


def ride_of_center(motion: Motion) -> RideMS:
    """Accelerations at the box's center as in the devkit; their magnitude remains that of the rear axle.

    The devkit adds the centripetal and the angular term to the forward component, though one points backward and the other
    sideways.
    """
    rear = ride_of_rear_axle(motion)
    offset = PACIFICA.center_offset_m
    return RideMS(
        forward_MS=rear.forward_MS + offset * (motion.yaw_rate_MS**2 + motion.yaw_acceleration_MS),
        lateral_MS=rear.lateral_MS,
        magnitude_MS=rear.magnitude_MS,
        heading_MS=rear.heading_MS,
    )


def _measures(ride: RideMS, windows: tuple[int, int, int, int]) -> FloatArray:
    """The limited quantities (6, M, S), in the order of LIMITS; windows of acceleration, jerk, yaw, inner acceleration."""
    acceleration, jerk, yaw, inner = windows
    heading = unwrapped(ride.heading_MS)
    return np.stack(
        [
            smooth(ride.forward_MS, acceleration),
            smooth(ride.lateral_MS, acceleration),
            smooth(smooth(ride.magnitude_MS, inner), jerk, derivative=1),
            smooth(smooth(ride.forward_MS, inner), jerk, derivative=1),
            smooth(heading, yaw, order=3, derivative=2),
            smooth(heading, yaw, derivative=1),
        ]
    )


def _check_limits(measures: FloatArray, metric: str, num_past: int) -> tuple[FloatArray, Reasons]:
    bounds = np.asarray(list(LIMITS.values()))
    broken = (measures <= bounds[:, 0, None, None]) | (measures >= bounds[:, 1, None, None])
    broken_M = np.asarray(broken.any(axis=(0, 2)))
    found = []
    for plan in np.flatnonzero(broken_M):
        for index, name in enumerate(LIMITS):
            if broken[index, plan].any():
                values = measures[index, plan]
                worst = values[np.abs(np.where(broken[index, plan], values, 0.0)).argmax()]
                step = int(broken[index, plan].argmax()) - num_past
                found.append((int(plan), Reason(metric=metric, step=step, detail=f"{name} {worst:.2f} {UNITS[index]}")))
    return np.where(broken_M, 0.0, 1.0), gather(len(broken_M), found)


def score_comfort(motion: Motion) -> tuple[FloatArray, Reasons]:
    """C of PDMS: 1 if all limits hold during the plan."""
    num_steps = motion.pose_MS3.shape[1]
    windows = (num_steps, num_steps, YAW_WINDOW, ACCELERATION_WINDOW)
    return _check_limits(_measures(ride_of_rear_axle(motion), windows), "comfort", 0)


def past_ride(past: PastMotion) -> tuple[FloatArray, FloatArray]:
    """Accelerations (H, 2) and headings (H,) of the past every 0.1 s; as in the devkit without the last step before time 0."""
    stamps = past.stamp_us_H
    at_us = np.arange(stamps[0], stamps[-1], round(STEP_S * 1e6), dtype=np.int64)[:-1]
    upper = np.clip(np.searchsorted(stamps, at_us), 1, len(stamps) - 1)
    share = (at_us - stamps[upper - 1]).astype(np.float64)
    span = (stamps[upper] - stamps[upper - 1]).astype(np.float64)

    def between(values: FloatArray) -> FloatArray:
        low, high = values[upper - 1], values[upper]
        axes = (slice(None),) + (None,) * (values.ndim - 1)
        return np.asarray((high - low) / span[axes] * share[axes] + low)

    return between(past.acceleration_H2), np.asarray(wrap_rad(between(np.unwrap(past.heading_H))))


def score_history_comfort(motion: Motion, past: PastMotion | None) -> tuple[FloatArray, Reasons]:
    """HC of EPDMS: 1 if all limits hold from the past on, or without a past."""
    num_plans = len(motion.pose_MS3)
    if past is None:
        return np.ones(num_plans), gather(num_plans, [])
    ride = ride_of_center(motion)
    acceleration_H2, heading_H = past_ride(past)

    def join(past_H: FloatArray, values_MS: FloatArray) -> FloatArray:
        return np.concatenate([np.broadcast_to(past_H, (num_plans, len(past_H))), values_MS], axis=1)

    whole = RideMS(
        forward_MS=join(acceleration_H2[:, 0], ride.forward_MS),
        lateral_MS=join(acceleration_H2[:, 1], ride.lateral_MS),
        magnitude_MS=join(np.hypot(acceleration_H2[:, 0], acceleration_H2[:, 1]), ride.magnitude_MS),
        heading_MS=join(heading_H, ride.heading_MS),
    )
    windows = (ACCELERATION_WINDOW, JERK_WINDOW, YAW_WINDOW, ACCELERATION_WINDOW)
    return _check_limits(_measures(whole, windows), "history_comfort", len(heading_H))
