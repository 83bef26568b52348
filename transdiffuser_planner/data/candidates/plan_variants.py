"""Plans made from other plans, to be scored with a model's own: its samples made worse, and the driven plan varied.

Letters: M joint futures, N = 1 + A road users with the ego first, V variants, T plan steps, P points of a path.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.data.candidates.scored_candidates import NUM_ALTERED

FloatArray = NDArray[np.float64]

STRETCHES: Final = (0.6, 0.8, 1.2, 1.4)
BENDS_M: Final = (-2.0, -1.0, 1.0, 2.0)
PACES: Final = (0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3)
"""Speeds of the driven plan's variants, as factors."""
SHIFTS_M: Final = (-1.0, -0.5, 0.5, 1.0)
BRAKES_MPS2: Final = (2.0, 4.0)
SLOW_AND_ASIDE: Final = ((0.8, -0.5), (0.8, 0.5))
"""Factor of speed and shift in meters of variants that have both."""
NUM_VARIANTS: Final = len(PACES) + len(SHIFTS_M) + len(BRAKES_MPS2) + len(SLOW_AND_ASIDE) + 1
_ASIDE_AFTER_S, _ASIDE_AFTER_M = 2.0, 8.0
"""A shift is complete after this time and this way; a stationary vehicle is not shifted."""


class PlanKind(IntEnum):
    """Origin of a scored plan."""

    OWN = 0
    """Sampled by the model."""
    ALTERED = 1
    """A sample made worse."""
    INSTRUCTED = 2
    """Sampled under action tokens of another maneuver."""
    PACED = 3
    """The driven plan, faster or slower."""
    SHIFTED = 4
    """The driven plan, to one side."""
    STOPPED = 5
    """The driven path, braked to a stop."""
    DRIVEN = 6
    """The driven plan."""
    INTENT = 7
    """Sampled under the action tokens of a meta-action, in place of an own sample."""


VARIANT_KINDS: Final = (
    *[PlanKind.PACED] * len(PACES),
    *[PlanKind.SHIFTED] * (len(SHIFTS_M) + len(SLOW_AND_ASIDE)),
    *[PlanKind.STOPPED] * len(BRAKES_MPS2),
    PlanKind.DRIVEN,
)
"""Kinds of the results of ``variants_of``, in order."""


def altered(joint_MNT3: FloatArray) -> FloatArray:
    """The first of M joint futures again, with the ego's plan made worse: longer, shorter, bent aside."""
    steps = joint_MNT3.shape[2]
    share_T = np.arange(1, steps + 1) / steps
    worse = []
    for number, factor in enumerate(STRETCHES):
        joint = joint_MNT3[number % len(joint_MNT3)].copy()
        joint[0, :, :2] *= factor
        worse.append(joint)
    for number, bend_m in enumerate(BENDS_M):
        joint = joint_MNT3[(number + len(STRETCHES)) % len(joint_MNT3)].copy()
        heading = joint[0, :, 2]
        offset = bend_m * share_T**2
        joint[0, :, 0] -= offset * np.sin(heading)
        joint[0, :, 1] += offset * np.cos(heading)
        traveled = max(float(np.hypot(*joint[0, -1, :2])), 1.0)
        joint[0, :, 2] += np.arctan2(2.0 * bend_m * share_T, traveled)
        worse.append(joint)
    assert len(worse) == NUM_ALTERED
    return np.stack(worse)


def variants_of(driven_T3: FloatArray, speed_mps: float, time_s_T: FloatArray) -> FloatArray:
    """Variants (V, T, 3) of the driven plan by the kinds of ``VARIANT_KINDS``; it is the last one itself.

    Args:
        driven_T3: The driven plan in base_link.
        speed_mps: Present speed.
        time_s_T: Times of the plan steps.
    """
    path = _Path(driven_T3)
    driven_m_T = path.along_P[1:]
    plans = [path.at(factor * driven_m_T) for factor in PACES]
    plans += [moved_aside(driven_T3, driven_m_T, shift_m, time_s_T) for shift_m in SHIFTS_M]
    for factor, shift_m in SLOW_AND_ASIDE:
        plans.append(moved_aside(path.at(factor * driven_m_T), factor * driven_m_T, shift_m, time_s_T))
    for brake_mps2 in BRAKES_MPS2:
        until_s = np.minimum(time_s_T, max(speed_mps, 0.0) / brake_mps2)
        plans.append(path.at(max(speed_mps, 0.0) * until_s - 0.5 * brake_mps2 * until_s**2))
    return np.stack([*plans, driven_T3])


class _Path:
    """The way of a plan (T, 3) from (0, 0, 0), straight on beyond its end; along_P: distances of its points from there."""

    def __init__(self, plan_T3: FloatArray) -> None:
        self._pose_P3 = np.concatenate([np.zeros((1, 3)), plan_T3])
        self.along_P = np.append(0.0, np.cumsum(np.hypot(*np.diff(self._pose_P3[:, :2], axis=0).T)))

    def at(self, distance_X: FloatArray) -> FloatArray:
        """Poses (X, 3) at distances from the start in meters."""
        pose = np.stack([np.interp(distance_X, self.along_P, column) for column in self._pose_P3.T], axis=-1)
        beyond = np.maximum(distance_X - self.along_P[-1], 0.0)
        end_rad = self._pose_P3[-1, 2]
        pose[:, 0] += beyond * np.cos(end_rad)
        pose[:, 1] += beyond * np.sin(end_rad)
        return pose


def moved_aside(plan_T3: FloatArray, driven_m_T: FloatArray, shift_m: float, time_s_T: FloatArray) -> FloatArray:
    """Move a plan (T, 3) to its left by up to shift_m, smoothly.

    Args:
        plan_T3: The plan in base_link.
        driven_m_T: Distances traveled at its steps, meters.
        shift_m: To the left.
        time_s_T: Times of its steps.
    """
    share_T = np.minimum(np.minimum(time_s_T / _ASIDE_AFTER_S, driven_m_T / _ASIDE_AFTER_M), 1.0)
    offset_T = shift_m * share_T**2 * (3.0 - 2.0 * share_T)
    step_m_T = np.diff(driven_m_T, prepend=0.0)
    slope_T = np.diff(offset_T, prepend=0.0) / np.maximum(step_m_T, 0.1)
    sin_T, cos_T = np.sin(plan_T3[:, 2]), np.cos(plan_T3[:, 2])
    return np.asarray(plan_T3 + np.stack([-offset_T * sin_T, offset_T * cos_T, np.arctan(slope_T)], axis=-1))
