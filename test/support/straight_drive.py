"""Snapshots of a straight drive over a flat, empty plain, without a simulator."""

import numpy as np

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraImage, CameraIntrinsics, EgoState, PointCloud, SensorSnapshot
from transdiffuser_planner.params import RIGS

RIG = Rig.load(RIGS / "carla.yaml")
TICK_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000


def ego(index: int, speed_mps: float = 6.0) -> EgoState:
    """The state in frame number ``index``."""
    x_m = speed_mps * index * TICK_NS * 1e-9
    return EgoState(
        stamp_ns=START_NS + index * TICK_NS, frame_id="map", x_m=x_m, y_m=0.0, heading_rad=0.0, vx_mps=speed_mps
    )


def ground() -> np.ndarray:
    """LiDAR returns (N, 3) of the plain, in the LiDAR's frame."""
    x, y = np.meshgrid(np.linspace(4.0, 30.0, 60), np.linspace(-12.0, 12.0, 40))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, -1.9)], axis=-1).astype(np.float32)


def wall(ahead_m: float) -> np.ndarray:
    """LiDAR returns (N, 3) of a wall across the path, ``ahead_m`` ahead of base_link, in the LiDAR's frame."""
    y, z = np.meshgrid(np.linspace(-8.0, 8.0, 80), np.linspace(-1.4, 0.4, 10))
    mounted_m = RIG.lidar.x_m if RIG.lidar is not None else 0.0
    return np.stack([np.full(y.size, ahead_m - mounted_m), y.ravel(), z.ravel()], axis=-1).astype(np.float32)


def snapshot(index: int, *, speed_mps: float = 6.0, points_N3: np.ndarray | None = None) -> SensorSnapshot:
    """Frame number ``index`` with every sensor of the rig."""
    state = ego(index, speed_mps)
    images = {}
    for camera in RIG.cameras:
        rgb = np.full((camera.height, camera.width, 3), 110, dtype=np.uint8)
        rgb[: int(camera.cy)] = (150, 190, 230)
        images[camera.name] = CameraImage(stamp_ns=state.stamp_ns, name=camera.name, rgb_HW3=rgb)
    intrinsics = {
        c.name: CameraIntrinsics(width=c.width, height=c.height, fx=c.fx, fy=c.fy, cx=c.cx, cy=c.cy)
        for c in RIG.cameras
    }
    points = ground() if points_N3 is None else np.concatenate([ground(), points_N3])
    return SensorSnapshot(
        stamp_ns=state.stamp_ns,
        ego=state,
        history=tuple(ego(i, speed_mps) for i in range(max(0, index - 20), index + 1)),
        images=images,
        intrinsics=intrinsics,
        cloud=PointCloud(stamp_ns=state.stamp_ns, xyz_N3=points),
    )
