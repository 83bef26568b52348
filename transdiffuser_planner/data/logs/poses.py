"""Poses of data sets as motion in the plane. N times, quaternions in the order w, x, y, z."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.smoothing import savitzky_golay
from transdiffuser_planner.core.types import EgoState

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_GAP_S: Final = 0.5
STEP_S: Final = 0.01
WINDOW_S: Final = 0.2
"""Width of the parabola that is fitted to positions for their derivative."""


def rotations(wxyz_N4: FloatArray) -> FloatArray:
    """Return rotation matrices (N, 3, 3) of quaternions of any length but zero.

    Args:
        wxyz_N4: Quaternions.
    """
    w, x, y, z = (wxyz_N4 / np.linalg.norm(wxyz_N4, axis=-1, keepdims=True)).T
    rows = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
    return np.asarray(np.moveaxis(np.asarray(rows), -1, 0))


def transforms(wxyz_N4: FloatArray, xyz_N3: FloatArray) -> FloatArray:
    """Return 4x4 transforms (N, 4, 4) of rotation and position.

    Args:
        wxyz_N4: Quaternions.
        xyz_N3: Positions, m.
    """
    found = np.broadcast_to(np.eye(4), (len(xyz_N3), 4, 4)).copy()
    found[:, :3, :3], found[:, :3, 3] = rotations(wxyz_N4), xyz_N3
    return np.asarray(found)


def heading_of(rotation_N33: FloatArray) -> FloatArray:
    """Return the direction (N,) of the x axis in the plane, rad.

    Args:
        rotation_N33: Rotation matrices.
    """
    return np.asarray(np.arctan2(rotation_N33[..., 1, 0], rotation_N33[..., 0, 0]))


def derivative(stamp_ns_N: IntArray, value_ND: FloatArray, window_s: float = WINDOW_S) -> FloatArray:
    """Return the rate of change (N, D) per second by local parabolas; stretches between gaps are separate.

    Args:
        stamp_ns_N: Increasing stamps, not necessarily evenly spaced.
        value_ND: Values without jumps.
        window_s: Width of the parabolas, s.
    """
    found = np.zeros_like(value_ND)
    borders = np.flatnonzero(np.diff(stamp_ns_N) > MAX_GAP_S * 1e9) + 1
    for part in np.split(np.arange(len(stamp_ns_N)), borders):
        time_s = (stamp_ns_N[part] - stamp_ns_N[part[0]]) * 1e-9
        if len(part) < 2:
            continue
        even_s = np.linspace(0.0, time_s[-1], max(2, round(float(time_s[-1]) / STEP_S) + 1))
        step_s = even_s[1] - even_s[0]
        even = np.stack([np.interp(even_s, time_s, column) for column in value_ND[part].T], axis=-1)
        width = max(3, 2 * round(window_s / step_s / 2.0) + 1)
        if width > len(even):
            rate = np.gradient(even, step_s, axis=0)
        else:
            rate = savitzky_golay(even, width, 2, derivative=1, step=float(step_s))
        found[part] = np.stack([np.interp(time_s, even_s, column) for column in rate.T], axis=-1)
    return found


def ego_states(
    stamp_ns_N: IntArray, map_from_base_N44: FloatArray, frame_id: str, window_s: float = WINDOW_S
) -> list[EgoState]:
    """Return odometry of poses; velocities are their derivatives.

    Args:
        stamp_ns_N: Increasing stamps.
        map_from_base_N44: Poses of base_link.
        frame_id: Their frame.
        window_s: Width of the parabolas that velocities are fitted with, s.
    """
    xyz_N3, rotation_N33 = map_from_base_N44[:, :3, 3], map_from_base_N44[:, :3, :3]
    heading_N = np.unwrap(heading_of(rotation_N33))
    rate_N4 = derivative(stamp_ns_N, np.column_stack([xyz_N3, heading_N]), window_s)
    cos_N, sin_N = np.cos(heading_N), np.sin(heading_N)
    forward_N = cos_N * rate_N4[:, 0] + sin_N * rate_N4[:, 1]
    left_N = cos_N * rate_N4[:, 1] - sin_N * rate_N4[:, 0]
    columns = (*xyz_N3.T, heading_of(rotation_N33), forward_N, left_N, rate_N4[:, 3])
    return [
        EgoState(
            stamp_ns=int(stamp),
            frame_id=frame_id,
            x_m=x,
            y_m=y,
            z_m=z,
            heading_rad=heading,
            vx_mps=forward,
            vy_mps=left,
            yaw_rate_radps=yaw_rate,
        )
        for stamp, (x, y, z, heading, forward, left, yaw_rate) in zip(
            stamp_ns_N.tolist(), np.column_stack(columns).tolist(), strict=True
        )
    ]
