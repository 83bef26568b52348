"""Sensors of a rig as CARLA has them: attributes, mounts in the vehicle's left-handed frame, and the window of each image.

A camera of CARLA has square pixels and its principal point in the middle of the image. A rig's camera with another principal
point is the window of a larger image of CARLA; the larger image is rendered and cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import CameraMount, Mount, Rig

MAX_PIXEL_STRETCH = 0.01
"""Relative difference of fx and fy up to which pixels count as square."""
_LIDAR_BEAMS, _LIDAR_COLUMNS = 32, 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Mount in the vehicle's left-handed frame: x ahead, y right, z up of its origin in m; angles in degrees."""

    x: float
    y: float
    z: float
    roll: float
    pitch: float
    yaw: float

    def to_dict(self) -> dict[str, float]:
        """All fields by name, as the leaderboard's sensor descriptions have them."""
        return {name: getattr(self, name) for name in ("x", "y", "z", "roll", "pitch", "yaw")}


@dataclass(frozen=True, kw_only=True, slots=True)
class CarlaCamera:
    """One camera.

    Attributes:
        name: Of the rig.
        width, height: Of CARLA's image, pixels.
        fov_deg: Horizontal, of CARLA's image.
        left, top: First column and row of the rig's image in CARLA's.
        mount: The rig's camera; its principal point is that of the window, whole pixels from CARLA's.
        placement: On the vehicle.
    """

    name: str
    width: int
    height: int
    fov_deg: float
    left: int
    top: int
    mount: CameraMount
    placement: Placement


def placement_of(mount: Mount, origin_ahead_m: float) -> Placement:
    """Convert a mount in base_link to one on CARLA's vehicle.

    Args:
        mount: In base_link, right-handed.
        origin_ahead_m: Distance of the vehicle's origin ahead of base_link.
    """
    return Placement(
        x=mount.x_m - origin_ahead_m,
        y=0.0 - mount.y_m,
        z=mount.z_m,
        roll=math.degrees(mount.roll_rad),
        pitch=0.0 - math.degrees(mount.pitch_rad),
        yaw=0.0 - math.degrees(mount.yaw_rad),
    )


def camera_of(mount: CameraMount, origin_ahead_m: float) -> CarlaCamera:
    """Find the smallest image of CARLA that contains a rig camera's.

    Args:
        mount: The rig's camera.
        origin_ahead_m: Distance of the vehicle's origin ahead of base_link.

    Raises:
        ConfigError: The camera's pixels are not square.
    """
    if abs(mount.fx / mount.fy - 1.0) > MAX_PIXEL_STRETCH:
        raise ConfigError(
            f"rig camera '{mount.name}': fx {mount.fx:g} and fy {mount.fy:g} differ; CARLA's cameras have square pixels, "
            "give both the same focal length"
        )
    width = 2 * math.ceil(max(mount.cx, mount.width - mount.cx))
    height = 2 * math.ceil(max(mount.cy, mount.height - mount.cy))
    left, top = round(width / 2.0 - mount.cx), round(height / 2.0 - mount.cy)
    left, top = min(left, width - mount.width), min(top, height - mount.height)
    window = replace(mount, fy=mount.fx, cx=width / 2.0 - left, cy=height / 2.0 - top)
    return CarlaCamera(
        name=mount.name,
        width=width,
        height=height,
        fov_deg=math.degrees(2.0 * math.atan(width / 2.0 / mount.fx)),
        left=left,
        top=top,
        mount=window,
        placement=placement_of(mount, origin_ahead_m),
    )


def cameras_of(rig: Rig, origin_ahead_m: float) -> tuple[CarlaCamera, ...]:
    """Return all cameras of a rig as CARLA has them.

    Args:
        rig: The vehicle and its sensors.
        origin_ahead_m: Distance of the vehicle's origin ahead of base_link.

    Raises:
        ConfigError: A camera's pixels are not square.
    """
    return tuple(camera_of(mount, origin_ahead_m) for mount in rig.cameras)


def rig_in_carla(rig: Rig, cameras: tuple[CarlaCamera, ...]) -> Rig:
    """Return the rig with the principal points that its cameras have in CARLA; odometry is that of base_link.

    Args:
        rig: As read from its file.
        cameras: Result of ``cameras_of``.
    """
    mounts = tuple(camera.mount for camera in cameras)
    return replace(rig, cameras=mounts, base_from_odometry_child_x_m=0.0)


def lidar_attributes(rotation_hz: float) -> dict[str, str]:
    """Return the attributes of the blueprint ``sensor.lidar.ray_cast`` for beams like those that the shipped model has learned.

    Args:
        rotation_hz: Turns per second; half the rate of ticks makes half sweeps.
    """
    return {
        "range": "60",
        "channels": str(_LIDAR_BEAMS),
        "upper_fov": "10",
        "lower_fov": "-25",
        "points_per_second": str(round(_LIDAR_BEAMS * _LIDAR_COLUMNS * rotation_hz)),
        "rotation_frequency": f"{rotation_hz:g}",
    }
