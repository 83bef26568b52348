"""Joins LiDAR sweeps that arrive in parts, as from a simulator with two ticks per rotation, into whole ones."""

from __future__ import annotations

from collections.abc import Sequence

from transdiffuser_planner.core.rig import LidarMount
from transdiffuser_planner.core.types import EgoState, PointCloud
from transdiffuser_planner.planning.observation.ego_history import interpolate
from transdiffuser_planner.planning.observation.sweep_coverage import Pose, SweepCoverage, join


class SweepJoiner:
    """Recognizes parts of sweeps and joins them. Not thread-safe.

    Args:
        mount: The LiDAR.
    """

    def __init__(self, mount: LidarMount) -> None:
        self._base_from_lidar_44 = mount.base_from_sensor()
        self._coverage = SweepCoverage()

    @property
    def num_parts(self) -> int:
        """Consecutive clouds that make a whole sweep; 1 for whole ones."""
        return self._coverage.num_parts

    def reset(self) -> None:
        """Forget all clouds."""
        self._coverage.reset()

    def update(self, cloud: PointCloud) -> str:
        """Take the next cloud; returns a notice when sweeps begin to arrive in parts, else the empty string."""
        before = self.num_parts
        self._coverage.update(cloud.xyz_N3)
        if self.num_parts == 1 or before > 1:
            return ""
        share = round(100.0 * self._coverage.share)
        return f"lidar: each cloud covers {share} % of the circle, another part in turn; {self.num_parts} are joined"

    def joined(self, clouds: Sequence[PointCloud], states: Sequence[EgoState]) -> PointCloud | None:
        """Join parts into a sweep at the stamp of the newest.

        Args:
            clouds: The last ``num_parts`` clouds, newest first.
            states: Odometry around their stamps.

        Returns:
            The sweep; None when parts or the vehicle's motion between them are unknown.
        """
        if len(clouds) < self.num_parts:
            return None
        poses = [_pose(states, cloud.stamp_ns) for cloud in clouds]
        points, now = clouds[0].xyz_N3, poses[0]
        if now is None:
            return None
        for cloud, then in zip(clouds[1:], poses[1:], strict=True):
            if then is None:
                return None
            points = join(cloud.xyz_N3, points, self._base_from_lidar_44, then, now)
        return PointCloud(stamp_ns=clouds[0].stamp_ns, xyz_N3=points)


def _pose(states: Sequence[EgoState], stamp_ns: int) -> Pose | None:
    state = interpolate(states, stamp_ns)
    return None if state is None else (state.x_m, state.y_m, state.heading_rad)
