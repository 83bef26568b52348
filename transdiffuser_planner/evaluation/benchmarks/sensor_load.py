"""The sensors of a load test: what a user states on the command line, and made-up data of these sizes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from transdiffuser_planner.core.errors import EvaluationError

ENCODINGS = ("jpeg", "png", "raw")
DEFAULT = ("camera=6x1920x1080@30,jpeg", "lidar=200000@10", "odometry=100", "route=20000@1")
SYNTAX = "camera=NUMBERxWIDTHxHEIGHT@HZ[,jpeg|png|raw], lidar=POINTS@HZ, odometry=HZ, route=POSES@HZ"
_NUMBER = r"(\d+)"
_HZ = r"(\d+(?:\.\d+)?)"
_ITEMS = {
    "camera": re.compile(rf"{_NUMBER}x{_NUMBER}x{_NUMBER}@{_HZ}(?:,({'|'.join(ENCODINGS)}))?"),
    "lidar": re.compile(rf"{_NUMBER}@{_HZ}"),
    "odometry": re.compile(_HZ),
    "route": re.compile(rf"{_NUMBER}@{_HZ}"),
}
_BEAMS = 128
_LIDAR_HEIGHT_M = 1.9
_WALL_M = 18.0
_JPEG_QUALITY = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorLoad:
    """Sensors and their rates; a rate of 0 stands for none.

    Attributes:
        num_cameras: Around the vehicle at equal angles, the first ahead.
        width, height: Of each image, in pixels.
        encoding: "jpeg", "png", or "raw" for rgb8.
        num_points: Of each LiDAR sweep.
        num_poses: Of the route, 0.1 m apart.
        camera_hz, lidar_hz, odometry_hz, route_hz: Messages per second, of each camera.
    """

    num_cameras: int = 0
    width: int = 0
    height: int = 0
    camera_hz: float = 0.0
    encoding: str = "jpeg"
    num_points: int = 0
    lidar_hz: float = 0.0
    odometry_hz: float = 100.0
    num_poses: int = 0
    route_hz: float = 0.0

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras in the rig."""
        return tuple(f"camera{index}" for index in range(self.num_cameras))

    @property
    def rates_hz(self) -> dict[str, float]:
        """Name of each sensor -> its messages per second."""
        rates = {"odometry": self.odometry_hz, **dict.fromkeys(self.camera_names, self.camera_hz)}
        rates |= {"lidar": self.lidar_hz, "route": self.route_hz}
        return {name: hz for name, hz in rates.items() if hz}


def parse_load(words: Sequence[str]) -> SensorLoad:
    """Read the sensors of a load test.

    Args:
        words: Items of ``SYNTAX``; several may be in one word, separated by spaces. No word stands for ``DEFAULT``.

    Raises:
        EvaluationError: An item is unknown or malformed, or there is neither a camera nor a LiDAR.
    """
    load = SensorLoad()
    for item in " ".join(words or DEFAULT).split():
        name, _, text = item.partition("=")
        found = _ITEMS[name].fullmatch(text) if name in _ITEMS else None
        if found is None:
            raise EvaluationError(f"--sensors: expected items as {SYNTAX}; got '{item}'")
        load = _with(load, name, found.groups())
    if not load.num_cameras and not load.lidar_hz:
        raise EvaluationError("--sensors: expected a camera or a lidar, as a planner needs one of them")
    return load


def _with(load: SensorLoad, name: str, parts: tuple[str, ...]) -> SensorLoad:
    if name == "odometry":
        return replace(load, odometry_hz=float(parts[0]))
    if name == "lidar":
        return replace(load, num_points=int(parts[0]), lidar_hz=float(parts[1]))
    if name == "route":
        return replace(load, num_poses=int(parts[0]), route_hz=float(parts[1]))
    number, width, height = (int(part) for part in parts[:3])
    if min(width, height) < 8:
        raise EvaluationError(f"--sensors: images of {width}x{height} are too small, expected 8x8 or more")
    encoding = parts[4] or "jpeg"
    return replace(load, num_cameras=number, width=width, height=height, camera_hz=float(parts[3]), encoding=encoding)


def rig_text(load: SensorLoad) -> str:
    """Return a rig file (YAML) with these sensors."""
    focal_px = load.width / 1.92  # 88 degrees
    cameras = [
        {
            "name": name,
            "width": load.width,
            "height": load.height,
            "fx": focal_px,
            "fy": focal_px,
            "cx": load.width / 2.0,
            "cy": 0.55 * load.height,
            "x_m": 1.9,
            "z_m": 1.6,
            "yaw_rad": float(np.remainder(2.0 * np.pi * index / load.num_cameras + np.pi, 2.0 * np.pi) - np.pi),
        }
        for index, name in enumerate(load.camera_names)
    ]
    lidar = {"lidar": {"x_m": 1.2, "z_m": _LIDAR_HEIGHT_M}} if load.lidar_hz else {}
    return yaml.safe_dump({"cameras": cameras, **lidar})


def street_image(load: SensorLoad) -> tuple[NDArray[np.uint8], bytes]:
    """Return an image (H, W, 3) with about the detail of a street, and its file; no file for raw images."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(40, 215, (load.height // 8 + 1, load.width // 8 + 1, 3), dtype=np.uint8)
    soft = Image.fromarray(coarse).resize((load.width, load.height), Image.Resampling.BICUBIC)
    noisy = np.asarray(soft, dtype=np.float32) + rng.normal(0.0, 3.0, (load.height, load.width, 1)).astype(np.float32)
    rgb_HW3 = np.clip(noisy, 0.0, 255.0).astype(np.uint8)
    buffer = io.BytesIO()
    if load.encoding == "jpeg":
        Image.fromarray(rgb_HW3).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    elif load.encoding == "png":
        Image.fromarray(rgb_HW3).save(buffer, "PNG", compress_level=1)
    return rgb_HW3, buffer.getvalue()


def sweep(num_points: int) -> NDArray[np.float32]:
    """Return a LiDAR sweep (N, 4) in the sensor's frame: a plain street between two long walls, seen by 128 beams."""
    azimuths = -(-num_points // _BEAMS)
    elevation, azimuth = np.meshgrid(
        np.linspace(np.radians(-25.0), np.radians(15.0), _BEAMS), np.linspace(-np.pi, np.pi, azimuths, endpoint=False)
    )
    ray = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    ).reshape(-1, 3)[:num_points]
    with np.errstate(divide="ignore"):
        to_ground = np.where(ray[:, 2] < 0.0, -_LIDAR_HEIGHT_M / ray[:, 2], np.inf)
        distance = np.minimum(np.minimum(to_ground, _WALL_M / np.abs(ray[:, 1])), 100.0)
    points = np.zeros((len(ray), 4), dtype=np.float32)
    points[:, :3] = ray * distance[:, None]
    return points
