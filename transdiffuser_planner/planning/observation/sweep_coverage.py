"""Point clouds that cover only a part of the circle, another part each time, and how such parts are joined.

A simulator that ticks twice per rotation and drivers that publish packets instead of sweeps send halves in turn: in every
other frame the planner would be blind ahead. S sectors of equal width around the LiDAR's vertical axis.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import local_from_global

NUM_SECTORS = 36
_JOIN_SECTORS = 180
_CLOUDS_KEPT = 8
_MIN_CHANGES = 3
_SHARE_OF_CHANGES = 0.8
_LOST_SECTORS = 5
_WHOLE_SHARE = 0.95
_MAX_POINTS = 16_384
_PRIMES = (1, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
"""Every n-th point of a large cloud suffices; a prime n meets every column of an organized cloud."""

Pose = tuple[float, float, float]
"""base_link in the odometry's frame: x (m), y (m), heading (rad)."""


def covered_sectors(xyz_N3: NDArray[np.float32], num_sectors: int = NUM_SECTORS) -> NDArray[np.bool_]:
    """Return which sectors (S,) around the LiDAR have a return, counter-clockwise from straight behind.

    Args:
        xyz_N3: Points in the LiDAR's frame, meters.
        num_sectors: S.
    """
    thin = xyz_N3[:: _stride(len(xyz_N3))]
    covered = np.zeros(num_sectors, dtype=np.bool_)
    covered[_sector_of(thin, num_sectors)] = True
    return covered


def _stride(num_points: int) -> int:
    wanted = num_points / _MAX_POINTS
    return next((prime for prime in _PRIMES if prime >= wanted), _PRIMES[-1])


def _sector_of(xyz_N3: NDArray[np.float32], num_sectors: int) -> NDArray[np.intp]:
    turn = (np.arctan2(xyz_N3[:, 1], xyz_N3[:, 0]) + np.float32(np.pi)) * np.float32(num_sectors / (2.0 * np.pi))
    return np.asarray(np.minimum(turn.astype(np.intp), num_sectors - 1))


class SweepCoverage:
    """Recognizes sweeps that arrive in parts from the sectors of the last clouds. Deterministic; not thread-safe."""

    def __init__(self) -> None:
        self._recent: deque[NDArray[np.bool_]] = deque(maxlen=_CLOUDS_KEPT)
        self.num_parts = 1
        """Consecutive clouds that together cover what the LiDAR sees: 1 for whole sweeps, 2 for halves in turn."""

    def reset(self) -> None:
        """Forget all clouds."""
        self._recent.clear()
        self.num_parts = 1

    def update(self, xyz_N3: NDArray[np.float32]) -> None:
        """Take the next cloud.

        Args:
            xyz_N3: Points in the LiDAR's frame, meters.
        """
        self._recent.append(covered_sectors(xyz_N3))
        self.num_parts = _num_parts(self._recent)

    @property
    def share(self) -> float:
        """Median share of the circle that one cloud covers, 0 to 1; 0 without a cloud."""
        return float(np.median([covered.mean() for covered in self._recent])) if self._recent else 0.0


def _num_parts(recent: Sequence[NDArray[np.bool_]]) -> int:
    """Number of clouds per turn: 1 unless most of them miss a wide sector that the cloud before them covered."""
    changes = len(recent) - 1
    if changes < _MIN_CHANGES:
        return 1
    lost = sum(_longest_run(recent[i] & ~recent[i + 1]) >= _LOST_SECTORS for i in range(changes))
    if lost < _SHARE_OF_CHANGES * changes:
        return 1
    clouds = np.stack(recent)
    seen = np.count_nonzero(clouds.any(axis=0))
    for parts in range(2, len(recent)):
        unions = [np.count_nonzero(clouds[i : i + parts].any(axis=0)) for i in range(len(recent) - parts + 1)]
        if np.median(unions) >= _WHOLE_SHARE * seen:
            return parts
    return len(recent)


def _longest_run(is_set_S: NDArray[np.bool_]) -> int:
    """Longest run of set sectors around the circle."""
    if is_set_S.all():
        return len(is_set_S)
    first = int(np.argmin(is_set_S))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.roll(is_set_S, -first), [False]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def moved(
    xyz_N3: NDArray[np.float32], base_from_lidar_44: NDArray[np.float64], pose_then: Pose, pose_now: Pose
) -> NDArray[np.float32]:
    """Express points that were seen from one pose of the vehicle as the LiDAR would see them from another.

    Args:
        xyz_N3: Points in the LiDAR's frame at ``pose_then``, meters.
        base_from_lidar_44: Mount of the LiDAR.
        pose_then: base_link at the stamp of the points.
        pose_now: base_link at the stamp of the result.

    Returns:
        Points (N, 3) in the LiDAR's frame at ``pose_now``, float32.
    """
    x_m, y_m, turn = map(float, local_from_global(np.asarray(pose_now), pose_then))
    now_from_then = np.eye(4)
    now_from_then[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    now_from_then[:2, 3] = [x_m, y_m]
    transform = np.linalg.inv(base_from_lidar_44) @ now_from_then @ base_from_lidar_44
    rotation, shift = transform[:3, :3].astype(np.float32), transform[:3, 3].astype(np.float32)
    return np.asarray(xyz_N3 @ rotation.T + shift)


def join(
    previous_N3: NDArray[np.float32],
    current_N3: NDArray[np.float32],
    base_from_lidar_44: NDArray[np.float64],
    pose_then: Pose,
    pose_now: Pose,
) -> NDArray[np.float32]:
    """Complete a cloud by the one before, whose points count only where the newer cloud has none.

    A turn of more than two parts is joined from the newest part back to the oldest, each with the pose of its stamp.

    Args:
        previous_N3: Points in the LiDAR's frame at the stamp of the cloud before, meters.
        current_N3: Points in the LiDAR's frame at the stamp of the current cloud.
        base_from_lidar_44: Mount of the LiDAR.
        pose_then: base_link at the stamp of the cloud before.
        pose_now: base_link at the stamp of the current cloud.

    Returns:
        All points (N, 3) in the LiDAR's frame at ``pose_now``, the current cloud's first.
    """
    before = moved(previous_N3, base_from_lidar_44, pose_then, pose_now)
    covered = covered_sectors(current_N3, _JOIN_SECTORS)
    return np.concatenate([current_N3, before[~covered[_sector_of(before, _JOIN_SECTORS)]]])
