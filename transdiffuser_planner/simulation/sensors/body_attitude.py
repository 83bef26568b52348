"""Height, roll and pitch of the ego's body: on hills, in turns, when it brakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyAttitude:
    """Attitude of base_link.

    Attributes:
        z_m: Height above the map's zero.
        roll_rad: Positive with the left side up.
        pitch_rad: Positive with the nose down.
    """

    z_m: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0

    @property
    def is_upright(self) -> bool:
        """Whether base_link's z axis is vertical."""
        return self.roll_rad == 0.0 and self.pitch_rad == 0.0

    @property
    def slack_rad(self) -> float:
        """Angle by which directions may differ from those of an upright body."""
        return abs(self.roll_rad) + abs(self.pitch_rad)

    def turn(self, heading_rad: float) -> NDArray[np.float64]:
        """Return the rotation (3, 3) from base_link to the map, Rz(heading) Ry(pitch) Rx(roll).

        Args:
            heading_rad: Counter-clockwise from +x.
        """
        cos, sin = np.cos(heading_rad), np.sin(heading_rad)
        turn = np.asarray([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        if self.is_upright:
            return turn
        cp, sp, cr, sr = np.cos(self.pitch_rad), np.sin(self.pitch_rad), np.cos(self.roll_rad), np.sin(self.roll_rad)
        tilt = np.asarray([[cp, sp * sr, sp * cr], [0.0, cr, -sr], [-sp, cp * sr, cp * cr]])
        return np.asarray(turn @ tilt)


LEVEL = BodyAttitude()
