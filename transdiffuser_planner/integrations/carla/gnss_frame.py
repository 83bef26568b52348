"""GNSS positions in the frame of the route, whichever way the server projects them.

The leaderboard computes its plan by the projection of CARLA up to 0.9.15 with any server, while the GNSS of 0.9.16 is mirrored and
scaled (``geodesy``). A drive begins at the first point of its plan, which shows the projection; within a few meters of the
reference's latitude, where both agree, the first meters to the north or south show it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.integrations.carla.geodesy import LocalMap

_AGREEMENT_M = 6.0
"""Largest distance between the first position and the first point of the plan: noise, and the rear axle behind the origin."""
_MOVED_M = 8.0


class GnssFrame:
    """Frame of one drive. Not thread-safe.

    Args:
        local: Frame of the route.
        start_2: First point of the plan in that frame, m.
        is_at_reference: Whether the frame's origin is the reference of the map; otherwise mirrored positions are
            taken relative to the first, which keeps the noise of that one.
    """

    def __init__(self, local: LocalMap, start_2: NDArray[np.float64], *, is_at_reference: bool) -> None:
        self._local, self._start_2, self._is_at_reference = local, start_2, is_at_reference
        self.is_mirrored: bool | None = None
        """Whether positions are those of CARLA 0.9.16; None while it cannot be known, when they are taken as those of 0.9.15."""
        self._first: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def xy(self, latitude_deg: float, longitude_deg: float, moved_north_m: float) -> NDArray[np.float64]:
        """Return the position (2,) of a reading.

        Args:
            latitude_deg: Of the reading.
            longitude_deg: Of the reading.
            moved_north_m: Way to the north since the first reading, from speed and compass.
        """
        plain = self._local.xy(latitude_deg, longitude_deg)
        mirrored = self._local.xy_of_0_9_16(latitude_deg, longitude_deg)
        if self._first is None:
            self._first = (plain, mirrored)
            if abs(plain[1] - self._start_2[1]) > _AGREEMENT_M:
                self.is_mirrored = True
            elif abs(mirrored[1] - self._start_2[1]) > _AGREEMENT_M and self._is_at_reference:
                self.is_mirrored = False
        elif self.is_mirrored is None and abs(moved_north_m) > _MOVED_M:
            self.is_mirrored = bool((plain[1] - self._first[0][1]) * moved_north_m < 0.0)
        if not self.is_mirrored:
            return plain
        return mirrored if self._is_at_reference else mirrored - self._first[1] + self._start_2
