"""Oriented boxes: corners and contact of pairs. Corner order: front left, rear left, rear right, front right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.exact_predicates import convex_touch

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CORNER_NAMES: Final = ("front left", "rear left", "rear right", "front right")
FRONT_LEFT, FRONT_RIGHT = 0, 3

UNSURE_M = 1e-6
"""Gaps smaller than this are decided by exact arithmetic on the corners."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredVehicle:
    """Vehicle of NAVSIM's scores, a Chrysler Pacifica, with its origin at the rear axle's center."""

    width_m: float = 1.1485 * 2.0
    front_m: float = 4.049
    rear_m: float = 1.127
    wheelbase_m: float = 3.089

    @property
    def length_m(self) -> float:
        """Length from bumper to bumper."""
        return self.front_m + self.rear_m

    @property
    def center_offset_m(self) -> float:
        """Distance from the rear axle forward to the center of the box."""
        return self.length_m / 2.0 - self.rear_m


PACIFICA: Final = ScoredVehicle()


def box_corners(center_X2: FloatArray, heading_X: FloatArray, half_X2: FloatArray) -> FloatArray:
    """Corners (..., 4, 2) of boxes given by center (..., 2), heading (...) and half length and width (..., 2)."""
    cos, sin = np.cos(heading_X), np.sin(heading_X)
    across_cos, across_sin = np.cos(heading_X + np.pi / 2.0), np.sin(heading_X + np.pi / 2.0)
    corners = np.empty((*center_X2.shape[:-1], 4, 2))
    for index, (along, aside) in enumerate(((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))):
        lon, lat = along * half_X2[..., 0], aside * half_X2[..., 1]
        corners[..., index, 0] = center_X2[..., 0] + (lat * across_cos + lon * cos)
        corners[..., index, 1] = center_X2[..., 1] + (lat * across_sin + lon * sin)
    return corners


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """Boxes over any leading axes X.

    Attributes:
        center_X2: Centers, meters.
        heading_X: Headings.
        axis_X2: Headings as unit vectors.
        half_X2: Half length and half width, meters: (2,) if all are of one size, else broadcasts.
    """

    center_X2: FloatArray
    heading_X: FloatArray
    axis_X2: FloatArray
    half_X2: FloatArray

    def at(self, *index: Any) -> Boxes:
        """Select boxes by any NumPy indices of the leading axes."""
        one_size = self.half_X2.ndim == 1
        return Boxes(
            center_X2=self.center_X2[index],
            heading_X=self.heading_X[index],
            axis_X2=self.axis_X2[index],
            half_X2=self.half_X2 if one_size else np.broadcast_to(self.half_X2, self.center_X2.shape)[index],
        )

    def corners(self) -> FloatArray:
        """Corners (..., 4, 2) of all boxes."""
        return box_corners(self.center_X2, self.heading_X, self.half_X2)


def make_boxes(center_X2: FloatArray, heading_X: FloatArray, half_X2: FloatArray) -> Boxes:
    """Boxes from center (..., 2), heading (...) and half length and width (..., 2)."""
    axis_X2 = np.stack([np.cos(heading_X), np.sin(heading_X)], axis=-1)
    return Boxes(center_X2=center_X2, heading_X=heading_X, axis_X2=axis_X2, half_X2=half_X2)


def ego_boxes(pose_X3: FloatArray, vehicle: ScoredVehicle = PACIFICA) -> Boxes:
    """Boxes of the ego from poses of its rear axle (..., 3)."""
    heading_X = pose_X3[..., 2]
    offset_X2 = vehicle.center_offset_m * np.stack([np.cos(heading_X), np.sin(heading_X)], axis=-1)
    half_2 = np.asarray([vehicle.length_m / 2.0, vehicle.width_m / 2.0])
    return make_boxes(pose_X3[..., :2] + offset_X2, heading_X, half_2)


def gap_m(
    between_K2: FloatArray,
    axis_K2: FloatArray,
    half_K2: FloatArray,
    other_axis_K2: FloatArray,
    other_half_K2: FloatArray,
) -> FloatArray:
    """Largest gap (K,) along the four box axes; boxes overlap where it is negative. `between` joins the centers."""
    cos = np.abs((axis_K2 * other_axis_K2).sum(axis=-1))
    sin = np.abs(axis_K2[:, 0] * other_axis_K2[:, 1] - axis_K2[:, 1] * other_axis_K2[:, 0])
    length, width = half_K2[..., 0], half_K2[..., 1]
    other_length, other_width = other_half_K2[..., 0], other_half_K2[..., 1]

    def along(axis: FloatArray) -> FloatArray:
        return np.asarray(np.abs((between_K2 * axis).sum(axis=-1)))

    def across(axis: FloatArray) -> FloatArray:
        return np.asarray(np.abs(between_K2[:, 0] * axis[:, 1] - between_K2[:, 1] * axis[:, 0]))

    gaps = (
        along(axis_K2) - length - (other_length * cos + other_width * sin),
        across(axis_K2) - width - (other_length * sin + other_width * cos),
        along(other_axis_K2) - other_length - (length * cos + width * sin),
        across(other_axis_K2) - other_width - (length * sin + width * cos),
    )
    return np.asarray(np.maximum(np.maximum(gaps[0], gaps[1]), np.maximum(gaps[2], gaps[3])))


def settle(gap_K: FloatArray, corners: Callable[[int], tuple[FloatArray, FloatArray]]) -> BoolArray:
    """Decide which of K pairs touch: by the sign of a clear gap, else by exact arithmetic.

    Args:
        gap_K: Gap of each pair, meters.
        corners: Index of a pair -> corners (4, 2) of both boxes.
    """
    touch_K: BoolArray = gap_K < 0.0
    for k in np.flatnonzero(np.abs(gap_K) < UNSURE_M):
        one_42, other_42 = corners(int(k))
        touch_K[k] = convex_touch(one_42.tolist(), other_42.tolist())
    return touch_K
