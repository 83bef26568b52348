"""Payloads of sensors in CARLA's left-handed frames (x ahead, y right, z up).

Formats: ``LibCarla/source/carla/sensor/s11n`` of 0.9.16.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray


def image(rgb_HW3: NDArray[np.uint8], fov_deg: float) -> bytes:
    """Return the payload of a camera.

    Args:
        rgb_HW3: Pixels, uint8.
        fov_deg: Horizontal field of view.
    """
    height, width = rgb_HW3.shape[:2]
    bgra = np.empty((height, width, 4), dtype=np.uint8)
    bgra[..., :3] = rgb_HW3[..., ::-1]
    bgra[..., 3] = 255
    return struct.pack("<2If", width, height, fov_deg) + bgra.tobytes()


def lidar(points_N4: NDArray[np.float32], counts_C: NDArray[np.intp], angle_rad: float) -> bytes:
    """Return the payload of a ray-cast LiDAR.

    Args:
        points_N4: x, y, z in m and intensity 0..1, sensor frame, left-handed, one channel after another.
        counts_C: Points of each channel.
        angle_rad: Of the last column.
    """
    header = struct.pack("<fI", angle_rad, len(counts_C)) + counts_C.astype("<u4").tobytes()
    return header + points_N4.astype("<f4").tobytes()


def radar(detections_N4: NDArray[np.float32]) -> bytes:
    """Return the payload of a radar.

    Args:
        detections_N4: Radial velocity (m/s, positive away from the sensor), azimuth, altitude (rad), depth (m).
    """
    return bytes(detections_N4.astype("<f4").tobytes())


def gnss(latitude_deg: float, longitude_deg: float, altitude_m: float) -> bytes:
    """Return the payload of a GNSS receiver.

    Args:
        latitude_deg: North.
        longitude_deg: East.
        altitude_m: Above the reference.
    """
    return bytes(msgpack.packb([latitude_deg, longitude_deg, altitude_m]))


def imu(acceleration_mps2: Any, rate_radps: Any, compass_rad: float) -> bytes:
    """Return the payload of an inertial measurement unit.

    Args:
        acceleration_mps2: Proper acceleration, x, y, z.
        rate_radps: Turn rates about x, y, z.
        compass_rad: Clockwise from north.
    """
    values = [[float(v) for v in acceleration_mps2], [float(v) for v in rate_radps], float(compass_rad)]
    return bytes(msgpack.packb(values))


def collision(own: Any, other: Any, impulse_Ns: Any) -> bytes:
    """Return the payload of a collision.

    Args:
        own: The vehicle's description as ``Actor.packed`` returns it.
        other: That of what it hit.
        impulse_Ns: Normal impulse, world frame.
    """
    return bytes(msgpack.packb([own, other, [float(v) for v in impulse_Ns]], use_bin_type=True))
