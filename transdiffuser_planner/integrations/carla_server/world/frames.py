"""CARLA's left-handed frames: x ahead or east, y right or south, z up; yaw clockwise, pitch nose up, degrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import wrapped
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError

FloatArray = NDArray[np.float64]
MAX_COORDINATE_M = 1e6


@dataclass(frozen=True, slots=True)
class Transform:
    """Place and rotation.

    Attributes:
        x, y, z: m.
        pitch, yaw, roll: Degrees.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0

    @property
    def six(self) -> tuple[float, float, float, float, float, float]:
        """All numbers in the order of the wire."""
        return self.x, self.y, self.z, self.pitch, self.yaw, self.roll

    @property
    def heading_rad(self) -> float:
        """Counter-clockwise from +x of the map frame, -pi .. pi."""
        return wrapped(-math.radians(self.yaw))

    def packed(self) -> list[list[float]]:
        """As LibCarla packs it: location, then rotation (pitch, yaw, roll)."""
        return [[self.x, self.y, self.z], [self.pitch, self.yaw, self.roll]]

    def rotation(self) -> FloatArray:
        """The 3x3 rotation of vectors from this frame into the parent's, both left-handed (``geom/Math.cpp``)."""
        cp, sp = math.cos(math.radians(self.pitch)), math.sin(math.radians(self.pitch))
        cy, sy = math.cos(math.radians(self.yaw)), math.sin(math.radians(self.yaw))
        cr, sr = math.cos(math.radians(self.roll)), math.sin(math.radians(self.roll))
        return np.asarray(
            [
                [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr],
                [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr],
                [sp, -cp * sr, cp * cr],
            ]
        )

    def compose(self, child: Transform) -> Transform:
        """Return the pose of a child in the parent of this frame.

        Args:
            child: In this frame.
        """
        turn = self.rotation()
        x, y, z = turn @ [child.x, child.y, child.z] + [self.x, self.y, self.z]
        return Transform(float(x), float(y), float(z), *_angles_deg(turn @ child.rotation()))


def _angles_deg(turn: FloatArray) -> tuple[float, float, float]:
    """Return pitch, yaw and roll of a rotation."""
    pitch = math.asin(max(-1.0, min(1.0, float(turn[2, 0]))))
    yaw = math.atan2(turn[1, 0], turn[0, 0])
    roll = math.atan2(-turn[2, 1], turn[2, 2])
    return math.degrees(pitch), math.degrees(yaw), math.degrees(roll)


def number(value: Any, what: str, low: float = -MAX_COORDINATE_M, high: float = MAX_COORDINATE_M) -> float:
    """Check a number that came over the network.

    Args:
        value: As unpacked.
        what: Name in the message.
        low: Smallest value.
        high: Largest value.

    Raises:
        CallError: It is no number or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise CallError(f"{what}: expected a number in {low:g} .. {high:g}")
    return float(value)


def vector(value: Any, what: str) -> tuple[float, float, float]:
    """Check a vector of three numbers.

    Args:
        value: As unpacked.
        what: Name in the message.

    Raises:
        CallError: It is none.
    """
    if not isinstance(value, list) or len(value) != 3:
        raise CallError(f"{what}: expected three numbers")
    x, y, z = (number(item, what) for item in value)
    return x, y, z


def transform(value: Any, what: str) -> Transform:
    """Check a transform.

    Args:
        value: As unpacked.
        what: Name in the message.

    Raises:
        CallError: It is none.
    """
    if not isinstance(value, list) or len(value) != 2:
        raise CallError(f"{what}: expected location and rotation")
    return Transform(*vector(value[0], what), *vector(value[1], what))
