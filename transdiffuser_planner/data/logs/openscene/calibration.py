"""Cameras and LiDAR of nuPlan's cars as a rig.

The logs call the pose of a camera sensor2lidar; it is relative to the rear axle, as are the point clouds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.lens_models import RadialLens
from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, CameraMount, LidarMount, Rig, place_of
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.data.logs.data_sets import data_set_of, vehicle_of
from transdiffuser_planner.data.logs.openscene.ego import GROUND_BELOW_AXLE_M

CAMERAS: Final = ("cam_l2", "cam_l1", "cam_l0", "cam_f0", "cam_r0", "cam_r1", "cam_r2", "cam_b0")
"""From left to right; the last looks back."""
FORWARD_CAMERAS: Final = ("cam_l0", "cam_f0", "cam_r0")
"""Cameras that look ahead."""
SIZE: Final = (1920, 1080)
LIDAR: Final = LidarMount(z_m=GROUND_BELOW_AXLE_M)
"""Point clouds are merged, as seen from the rear axle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraCalibration:
    """A camera.

    Attributes:
        mount: Its place, and the pinhole camera that its rectified images belong to.
        intrinsics: Of its recorded images, with their lens.
    """

    mount: CameraMount
    intrinsics: CameraIntrinsics


def camera_of(name: str, entry: Mapping[str, Any], size: tuple[int, int] = SIZE) -> CameraCalibration:
    """Return a camera by its calibration in a frame.

    Args:
        name: Of the camera, lower case.
        entry: sensor2lidar_rotation (3, 3), sensor2lidar_translation (3,) of the optical frame, cam_intrinsic (3, 3),
            distortion (k1, k2, p1, p2, k3).
        size: Columns and rows of its images.

    Raises:
        ValueError: A value is missing, of another shape or not finite.
    """
    try:
        rotation_33 = np.asarray(entry["sensor2lidar_rotation"], dtype=np.float64).reshape(3, 3)
        place_3 = np.asarray(entry["sensor2lidar_translation"], dtype=np.float64).reshape(3)
        camera_33 = np.asarray(entry["cam_intrinsic"], dtype=np.float64).reshape(3, 3)
        lens_5 = np.asarray(entry["distortion"], dtype=np.float64).reshape(-1)
    except (KeyError, TypeError):
        raise ValueError(f"camera {name}: no calibration") from None
    if not all(np.isfinite(part).all() for part in (rotation_33, place_3, camera_33, lens_5)):
        raise ValueError(f"camera {name}: its calibration is not finite")
    base_from_camera = np.eye(4)
    base_from_camera[:3, :3] = rotation_33 @ OPTICAL_FROM_SENSOR
    base_from_camera[:3, 3] = place_3 + np.asarray([0.0, 0.0, GROUND_BELOW_AXLE_M])
    width, height = size
    fx, fy, cx, cy = (float(camera_33[index]) for index in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if min(fx, fy) <= 0.0:
        raise ValueError(f"camera {name}: its focal lengths are not positive")
    lens = None
    if lens_5.any():
        k1, k2, p1, p2, k3 = (*lens_5.tolist(), *(0.0,) * 5)[:5]
        lens = RadialLens(fx=fx, fy=fy, cx=cx, cy=cy, radial=(k1, k2, k3), tangential=(p1, p2))
    return CameraCalibration(
        mount=CameraMount(
            name=name, width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy, **place_of(base_from_camera)
        ),
        intrinsics=CameraIntrinsics(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy, lens=lens),
    )


def rig_of(cameras: Mapping[str, CameraCalibration]) -> Rig:
    """Return the rig of nuPlan's car with these cameras.

    Args:
        cameras: By name.
    """
    mounts = tuple(cameras[name].mount for name in CAMERAS if name in cameras)
    return Rig(cameras=mounts, lidar=LIDAR, vehicle=vehicle_of(data_set_of("openscene")))
