"""Values of CARLA's sensors as the planner's: images as windows in RGB, clouds and inertial readings right-handed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import CameraImage, PointCloud
from transdiffuser_planner.integrations.carla import frames
from transdiffuser_planner.integrations.carla.sensor_setup import CarlaCamera

_NUM_IMU_VALUES = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class InertialReading:
    """Reading of CARLA's IMU in right-handed axes.

    Attributes:
        acceleration_3: Along x ahead, y left, z up, m/s2; gravity is in z.
        rate_3: About these axes, rad/s.
        heading_rad: Of the compass, counter-clockwise from +x of the map.
    """

    acceleration_3: NDArray[np.float64]
    rate_3: NDArray[np.float64]
    heading_rad: float


def image(camera: CarlaCamera, bgra: NDArray[np.uint8], stamp_ns: int) -> CameraImage:
    """Cut the rig's image out of CARLA's.

    Args:
        camera: Source of the image.
        bgra: uint8 with the pixels of CARLA's image in order blue, green, red, alpha; of any shape.
        stamp_ns: Of the tick.

    Raises:
        InputError: It is of another size.
    """
    expected = (camera.height, camera.width, 4)
    if bgra.size != camera.height * camera.width * 4:
        raise InputError(
            f"camera '{camera.name}': expected {camera.width}x{camera.height} pixels of four bytes, got {bgra.size} bytes"
        )
    rows = slice(camera.top, camera.top + camera.mount.height)
    columns = slice(camera.left, camera.left + camera.mount.width)
    window = bgra.reshape(expected)[rows, columns, 2::-1]
    return CameraImage(stamp_ns=stamp_ns, name=camera.name, rgb_HW3=np.ascontiguousarray(window))


def cloud(points: NDArray[np.float32], stamp_ns: int) -> PointCloud:
    """Convert the points of one tick, a part of a sweep or a whole one.

    Args:
        points: float32 x, y, z, intensity in the sensor's left-handed frame; of any shape.
        stamp_ns: Of the tick.

    Raises:
        InputError: The number of values is no multiple of four.
    """
    if points.size % 4:
        raise InputError(f"lidar: expected four values per point, got {points.size} in all")
    xyz_N3 = frames.points(points.reshape(-1, 4)[:, :3])
    is_finite = np.isfinite(xyz_N3).all(axis=1)
    return PointCloud(stamp_ns=stamp_ns, xyz_N3=xyz_N3 if is_finite.all() else xyz_N3[is_finite])


def inertial(values_7: ArrayLike) -> InertialReading:
    """Convert a reading of the IMU.

    Args:
        values_7: Accelerometer x, y, z (m/s2), gyroscope x, y, z (rad/s), compass (rad), left-handed.

    Raises:
        InputError: Another number of values, or one that is not finite.
    """
    values = np.asarray(values_7, dtype=np.float64).reshape(-1)
    if len(values) != _NUM_IMU_VALUES or not np.isfinite(values).all():
        raise InputError(f"imu: expected {_NUM_IMU_VALUES} finite numbers, got {values.tolist()}")
    return InertialReading(
        acceleration_3=frames.accelerations(values[:3]),
        rate_3=frames.rates(values[3:6]),
        heading_rad=frames.heading_of_compass(float(values[6])),
    )
