"""Whether a point cloud shows the surroundings: sensors that are covered, stuck or count in millimeters are whole as messages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.planning.observation.lidar_bev import GROUND_HEIGHT_M, MAX_HEIGHT_M, points_in_base

MIN_RETURNS = 50
_NEAR_M = 1.0
_SAME_M = 0.02
_FARTHEST_MEDIAN_M = 400.0
_THINNED = 4096
_STUCK_CLOUDS, _STUCK_M, _STUCK_OBSTACLE_POINTS = 5, 10.0, 20


def unusable(xyz_N3: NDArray[np.float32]) -> str:
    """Return why a cloud shows nothing of the surroundings, with a number, or "".

    Args:
        xyz_N3: Points in the LiDAR's frame, meters; no-returns are removed already.
    """
    thinned = _fault(xyz_N3[:: max(1, len(xyz_N3) // _THINNED)])
    return thinned and _fault(xyz_N3)


def _fault(xyz_N3: NDArray[np.float32]) -> str:
    range2_N = np.einsum("ij,ij->i", xyz_N3, xyz_N3)
    far = int(np.count_nonzero(range2_N > _NEAR_M**2))
    if far < MIN_RETURNS:
        return (
            f"lidar: {far} of {len(range2_N)} returns lie farther than {_NEAR_M:g} m, fewer than {MIN_RETURNS}; "
            "is the sensor covered?"
        )
    if float(np.ptp(xyz_N3, axis=0).max()) < _SAME_M:
        return f"lidar: all {len(range2_N)} returns are the same point, {float(np.sqrt(range2_N[0])):.2f} m away"
    median_m = float(np.sqrt(np.median(range2_N)))
    if median_m > _FARTHEST_MEDIAN_M:
        return f"lidar: half of the returns are farther than {median_m:.0f} m; are they in millimeters?"
    return ""


class StuckCheck:
    """Recognizes a LiDAR that repeats one cloud under new stamps while the vehicle drives past obstacles.

    An empty plain looks alike everywhere, and a simulator without noise may repeat it: only obstacles count.
    """

    def __init__(self, base_from_lidar_44: NDArray[np.float64]) -> None:
        """Start without a cloud.

        Args:
            base_from_lidar_44: Mount of the LiDAR.
        """
        self._base_from_lidar_44 = base_from_lidar_44
        self.reset()

    def reset(self) -> None:
        """Forget the last cloud."""
        self._last_N3: NDArray[np.float32] | None = None
        self._count = 0
        self._begin_2 = (0.0, 0.0)
        self._is_reported = False

    def update(self, xyz_N3: NDArray[np.float32], position_2: tuple[float, float]) -> str:
        """Take the next cloud.

        Args:
            xyz_N3: Points in the LiDAR's frame, meters.
            position_2: Of the vehicle, meters.

        Returns:
            A notice with the numbers, once for every stuck cloud, or "".
        """
        last, self._last_N3 = self._last_N3, xyz_N3
        if last is None or not np.array_equal(last, xyz_N3):
            self._count, self._begin_2, self._is_reported = 1, position_2, False
            return ""
        self._count += 1
        moved_m = float(np.hypot(position_2[0] - self._begin_2[0], position_2[1] - self._begin_2[1]))
        if self._is_reported or self._count < _STUCK_CLOUDS or moved_m < _STUCK_M or not self._shows_obstacles(xyz_N3):
            return ""
        self._is_reported = True
        return f"lidar: {self._count} clouds hold the same points while the vehicle moved {moved_m:.0f} m; the sensor is stuck"

    def _shows_obstacles(self, xyz_N3: NDArray[np.float32]) -> bool:
        height = points_in_base(xyz_N3, self._base_from_lidar_44)[:, 2]
        return int(np.count_nonzero((height > GROUND_HEIGHT_M) & (height < MAX_HEIGHT_M))) >= _STUCK_OBSTACLE_POINTS
