"""Cameras and LiDAR of an Argoverse 2 log as a rig."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, CameraMount, LidarMount, Rig, place_of
from transdiffuser_planner.data.logs.arrow_tables import read_feather
from transdiffuser_planner.data.logs.data_sets import ARGOVERSE_2, vehicle_of
from transdiffuser_planner.data.logs.poses import transforms

GROUND_BELOW_EGO_M: Final = 0.33
"""The ego's frame has its origin at the rear axle's center, this far above the ground (measured in real logs)."""
VEHICLE: Final = vehicle_of(ARGOVERSE_2)
LIDAR: Final = "up_lidar"
LIDAR_XYZ_M: Final = (1.35, 0.0, 1.64 + GROUND_BELOW_EGO_M)
"""Usual place of the LiDARs in base_link, for logs without calibration."""
CAMERAS: Final = (
    "ring_rear_left",
    "ring_side_left",
    "ring_front_left",
    "ring_front_center",
    "ring_front_right",
    "ring_side_right",
    "ring_rear_right",
)
"""From left to right."""


def read_rig(folder: Path) -> tuple[Rig, list[str]]:
    """Read the calibration of a log.

    Images of the data set are rectified already; the distortion coefficients of its files describe the lenses.

    Args:
        folder: Folder of the log.

    Returns:
        The rig, without cameras where no calibration can be read, and one line for each part that is absent.
    """
    try:
        pose = read_feather(
            folder / "calibration" / "egovehicle_SE3_sensor.feather",
            ("sensor_name", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m"),
        )
        lens = read_feather(
            folder / "calibration" / "intrinsics.feather",
            ("sensor_name", "fx_px", "fy_px", "cx_px", "cy_px", "height_px", "width_px"),
        )
    except RecordingError as error:
        x_m, y_m, z_m = LIDAR_XYZ_M
        rig = Rig(cameras=(), lidar=LidarMount(x_m=x_m, y_m=y_m, z_m=z_m), vehicle=VEHICLE)
        return rig, [f"no calibration, so no cameras; the LiDAR is taken to be at its usual place ({error})"]
    matrix = transforms(
        np.column_stack([pose[name] for name in ("qw", "qx", "qy", "qz")]).astype(np.float64),
        np.column_stack([pose[name] for name in ("tx_m", "ty_m", "tz_m")]).astype(np.float64),
    )
    matrix[:, 2, 3] += GROUND_BELOW_EGO_M
    mounts = dict(zip(pose["sensor_name"].astype(str).tolist(), matrix, strict=True))
    rows = {name: row for row, name in enumerate(lens["sensor_name"].astype(str).tolist())}
    notes, cameras = [], []
    for name in CAMERAS:
        if name not in mounts or name not in rows:
            notes.append(f"camera {name}: no calibration")
            continue
        base_from_camera = mounts[name].copy()
        base_from_camera[:3, :3] = base_from_camera[:3, :3] @ OPTICAL_FROM_SENSOR
        row = rows[name]
        cameras.append(
            CameraMount(
                name=name,
                width=int(lens["width_px"][row]),
                height=int(lens["height_px"][row]),
                fx=float(lens["fx_px"][row]),
                fy=float(lens["fy_px"][row]),
                cx=float(lens["cx_px"][row]),
                cy=float(lens["cy_px"][row]),
                **place_of(base_from_camera),
            )
        )
    x_m, y_m, z_m = (float(value) for value in mounts[LIDAR][:3, 3]) if LIDAR in mounts else LIDAR_XYZ_M
    lidar = LidarMount(x_m=round(x_m, 4), y_m=round(y_m, 4), z_m=round(z_m, 4))
    return Rig(cameras=tuple(cameras), lidar=lidar, vehicle=VEHICLE), notes
