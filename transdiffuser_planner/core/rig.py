"""The rig: cameras and LiDAR of a vehicle, their mounts in base_link, and the vehicle's dimensions.

A rig is read from YAML (``params/rigs/*.yaml``). Intrinsics given here are defaults; a CameraInfo message
overrides them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel, stated_vehicle

BAG_RIG_NAME = "rig.yaml"
"""Rig file in a bag's folder: of the vehicle that recorded it."""
_KEYS = ("cameras", "lidar", "base_from_odometry_child_x_m", "odometry_clock_offset_s", "vehicle")
OPTICAL_FROM_SENSOR = np.asarray([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""Rotation of a frame with x ahead, y left, z up into the optical frame (right, down, ahead) of the same camera."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """Mount of a sensor: its x-forward, y-left, z-up frame in base_link.

    Attributes:
        x_m, y_m, z_m: Position in base_link.
        roll_rad, pitch_rad, yaw_rad: Rotation, applied as Rz(yaw) Ry(pitch) Rx(roll); pitch is positive nose down.
        clock_offset_s: Stamp minus the true time of measurement; subtracted from every stamp. Half a sweep, negative, for
            a LiDAR stamped at the start of its sweep.
        latency_s: Usual time from stamp to arrival, for the first messages; later it is measured.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0
    clock_offset_s: float = 0.0
    latency_s: float = 0.0

    def base_from_sensor(self) -> NDArray[np.float64]:
        """The 4x4 transform of points from the sensor's x-forward frame into base_link."""
        cr, sr = np.cos(self.roll_rad), np.sin(self.roll_rad)
        cp, sp = np.cos(self.pitch_rad), np.sin(self.pitch_rad)
        cy, sy = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        transform = np.eye(4)
        transform[:3, :3] = [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
        transform[:3, 3] = [self.x_m, self.y_m, self.z_m]
        return transform


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraMount(Mount):
    """A rectified pinhole camera; its optical axis is the mount's +x.

    Attributes:
        name: Topic part and segment name, for example "rgb_front".
        width, height: Pixels.
        fx, fy, cx, cy: Intrinsics in pixels.
    """

    name: str
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or self.fx <= 0 or self.fy <= 0:
            raise ConfigError(f"rig camera '{self.name}': width, height, fx and fy must be positive")


MAX_OWN_MARGIN_M = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LidarMount(Mount):
    """A LiDAR; its point clouds arrive in this frame (x forward, z up).

    Attributes:
        name: Topic part.
        own_margin_m: Points this far around the vehicle's box still count as its own: mirrors, roof bars, antennas.
            No nearer point counts as an obstacle.
    """

    name: str = "lidar"
    own_margin_m: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.own_margin_m <= MAX_OWN_MARGIN_M:
            raise ConfigError(
                f"rig lidar: own_margin_m must lie in 0 .. {MAX_OWN_MARGIN_M:g} m, got {self.own_margin_m}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """A vehicle and all its sensors.

    Attributes:
        cameras: From left to right.
        lidar: None if the vehicle has none.
        base_from_odometry_child_x_m: Position of the odometry's child frame in base_link, along x. 0 when odometry
            already describes the rear axle; CARLA's vehicle origin is ahead of the rear axle.
        odometry_clock_offset_s: Stamp of odometry minus the true time; subtracted from every stamp.
        vehicle: Dimensions and limits; the car of the shipped model unless the file gives others.
    """

    cameras: tuple[CameraMount, ...]
    lidar: LidarMount | None
    base_from_odometry_child_x_m: float = 0.0
    odometry_clock_offset_s: float = 0.0
    vehicle: VehicleModel = EGO_VEHICLE

    def __post_init__(self) -> None:
        names = [camera.name for camera in self.cameras]
        if len(set(names)) != len(names):
            raise ConfigError(f"rig: camera names must differ, got {names}")
        if not names and self.lidar is None:
            raise ConfigError("rig: needs at least one camera or a lidar")

    @staticmethod
    def load(path: str | Path) -> Rig:
        """Read a rig from YAML.

        Args:
            path: The rig file.

        Raises:
            ConfigError: The file is missing, is no YAML mapping, or a key is unknown, missing or of a wrong type.
        """
        path = Path(path)
        try:
            data = yaml.safe_load(read_text(path))
        except OSError as error:
            raise ConfigError(
                f"rig file {path}: cannot be read ({error.strerror}); give an existing YAML file"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"rig file {path}: not valid YAML ({str(error).splitlines()[0]})") from None
        if not isinstance(data, dict) or set(data) - set(_KEYS):
            raise ConfigError(f"rig file {path}: expected the keys {', '.join(_KEYS)}")
        cameras = tuple(_build(CameraMount, entry, f"rig file {path}: camera") for entry in data.get("cameras") or [])
        lidar = data.get("lidar")
        return Rig(
            cameras=cameras,
            lidar=None if lidar is None else _build(LidarMount, lidar, f"rig file {path}: lidar"),
            base_from_odometry_child_x_m=_number(data, "base_from_odometry_child_x_m", path),
            odometry_clock_offset_s=_number(data, "odometry_clock_offset_s", path),
            vehicle=_vehicle(data, path),
        )


def angles_rad(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Convert a rotation matrix to roll, pitch and yaw in the convention of the rig.

    Args:
        rotation: Rotation matrix (3, 3).
    """
    pitch = math.asin(max(-1.0, min(1.0, 0.0 - rotation[2, 0])))
    return math.atan2(rotation[2, 1], rotation[2, 2]), pitch, math.atan2(rotation[1, 0], rotation[0, 0])


def place_of(base_from_sensor: NDArray[np.float64]) -> dict[str, Any]:
    """Convert a transform to fields of a mount, rounded to 0.1 mm and 0.1 mrad.

    Args:
        base_from_sensor: 4x4 transform of points from the sensor's x-forward frame into base_link.
    """
    names = ("x_m", "y_m", "z_m", "roll_rad", "pitch_rad", "yaw_rad")
    values = (*base_from_sensor[:3, 3], *angles_rad(base_from_sensor[:3, :3]))
    return {name: round(float(value), 4) + 0.0 for name, value in zip(names, values, strict=True)}


def _number(data: dict[str, Any], key: str, path: Path) -> float:
    """Read a number of the file's top level, 0 by default.

    Raises:
        ConfigError: It is no number.
    """
    value = data.get(key, 0.0)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise ConfigError(f"rig file {path}: '{key}' must be a number, got {value!r}")
    return float(value)


def _vehicle(data: dict[str, Any], path: Path) -> VehicleModel:
    """Read the section ``vehicle``.

    Raises:
        ConfigError: The section is invalid; names the file.
    """
    try:
        return stated_vehicle(data)
    except ConfigError as error:
        raise ConfigError(f"rig file {path}: {error}") from None


def _build(kind: Any, entry: Any, where: str) -> Any:
    """Build a mount of the given kind from a mapping.

    Raises:
        ConfigError: A key is unknown, missing or of a wrong type.
    """
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: expected a mapping, got {type(entry).__name__}")
    types = {item.name: item.type for item in fields(kind)}
    unknown = sorted(set(entry) - set(types))
    if unknown:
        raise ConfigError(f"{where}: unknown keys {unknown}; known are {sorted(types)}")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        expected = types[key]
        right = (
            isinstance(value, str)
            if expected == "str"
            else isinstance(value, (int, float)) and not isinstance(value, bool)
        )
        if not right:
            raise ConfigError(f"{where}: '{key}' must be of type {expected}, got {value!r}")
        values[key] = value if expected == "str" else (int(value) if expected == "int" else float(value))
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {str(error).split('()', 1)[-1].strip()}") from None
