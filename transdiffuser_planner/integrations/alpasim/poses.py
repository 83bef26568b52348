"""Poses of AlpaSim's messages: position and quaternion w, x, y, z of a frame in another; active transforms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.geometry import wrapped

FloatArray = NDArray[np.float64]
_LEAST_NORM = 1e-3


@dataclass(frozen=True, slots=True)
class RigPose:
    """The rig in the local frame, or a camera in the rig.

    Attributes:
        xyz: Position, m.
        wxyz: Unit quaternion.
    """

    xyz: tuple[float, float, float]
    wxyz: tuple[float, float, float, float]

    @staticmethod
    def read(message: Any, where: str) -> RigPose:
        """Read a message.

        Args:
            message: common.Pose.
            where: Begin of the error text.

        Raises:
            InputError: A number is not finite, or the quaternion is none.
        """
        vec, quat = message.vec, message.quat
        xyz, wxyz = (vec.x, vec.y, vec.z), (quat.w, quat.x, quat.y, quat.z)
        norm = math.sqrt(sum(part * part for part in wxyz))
        if not all(map(math.isfinite, xyz)) or not math.isfinite(norm):
            raise InputError(f"{where}: the pose holds NaN or infinite numbers")
        if norm < _LEAST_NORM:
            raise InputError(f"{where}: the quaternion is zero; w, x, y, z of a rotation is expected")
        w, x, y, z = (part / norm for part in wxyz)
        return RigPose(xyz, (w, x, y, z))

    @property
    def heading_rad(self) -> float:
        """Direction of the x axis in the plane."""
        w, x, y, z = self.wxyz
        return math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))

    def rotation(self) -> FloatArray:
        """Return the rotation matrix (3, 3)."""
        w, x, y, z = self.wxyz
        return np.asarray(
            [
                [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
                [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
                [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
            ]
        )

    def matrix(self) -> FloatArray:
        """Return the transform (4, 4) of points."""
        transform = np.eye(4)
        transform[:3, :3], transform[:3, 3] = self.rotation(), self.xyz
        return transform

    def between(self, other: RigPose, share: float) -> RigPose:
        """Return the pose on the way to another one: position and heading linear, tilt of the nearer.

        Args:
            other: At share 1.
            share: 0 to 1.
        """
        nearer = self if share < 0.5 else other
        ahead_rad = self.heading_rad + share * wrapped(other.heading_rad - self.heading_rad)
        turn = 0.5 * wrapped(ahead_rad - nearer.heading_rad)
        xyz = tuple(a + share * (b - a) for a, b in zip(self.xyz, other.xyz, strict=True))
        return RigPose((xyz[0], xyz[1], xyz[2]), _turned_left((math.cos(turn), math.sin(turn)), nearer.wxyz))

    def plan(self, pose_X3: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Move poses on the rig's ground plane into the local frame.

        Args:
            pose_X3: x, y, heading (..., 3) in the rig.

        Returns:
            Positions (..., 3), m, and quaternions (..., 4).
        """
        w, x, y, z = self.wxyz
        c, s = np.cos(0.5 * pose_X3[..., 2]), np.sin(0.5 * pose_X3[..., 2])
        return pose_X3[..., :2] @ self.rotation()[:, :2].T + self.xyz, np.stack(
            [w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s], axis=-1
        )


def _turned_left(
    turn: tuple[float, float], wxyz: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Product of a rotation about the local frame's z axis (cosine, sine of half the angle) and a quaternion."""
    c, s = turn
    w, x, y, z = wxyz
    return (c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w)
