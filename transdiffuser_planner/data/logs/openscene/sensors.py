"""Sensor files of an OpenScene log: images and point clouds, read when they are needed."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from transdiffuser_planner.core.camera_image import ArrayPixels, Pixels
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.logs.openscene.calibration import CAMERAS, CameraCalibration, camera_of, rig_of
from transdiffuser_planner.data.logs.openscene.frames import OpenSceneFrame
from transdiffuser_planner.data.logs.openscene.point_cloud import read_pcd
from transdiffuser_planner.data.logs.openscene.rectified_image import rectified
from transdiffuser_planner.data.logs.sensor_frames import CloudFrame, ImageFrame, SensorFrame

ROOT_VARIABLE: Final = "OPENSCENE_DATA_ROOT"
BLOBS: Final = "sensor_blobs"
_JPEG_QUALITY: Final = 95


class ImageFilePixels:
    """Pixels of an image file that is decoded whole, as NAVSIM decodes it, and then reduced.

    Args:
        path: The file.

    Raises:
        InputError: It is missing or no image.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.width, self.height = image_size(path)

    def unpack(self, reduction: int) -> NDArray[np.uint8]:
        """Decode the file.

        Args:
            reduction: See ``core.camera_image.Pixels``.

        Raises:
            InputError: It is damaged.
        """
        try:
            with PillowImage.open(self._path) as image:
                rgb_HW3 = np.asarray(image.convert("RGB"))
        except Exception:  # the exceptions of Pillow's decoders are no closed list
            raise InputError(f"image {self._path.name}: is damaged or cut off, it cannot be decoded") from None
        return ArrayPixels(rgb_HW3).unpack(reduction)


def image_size(path: Path) -> tuple[int, int]:
    """Return columns and rows of an image file.

    Args:
        path: The file.

    Raises:
        InputError: It is missing or no image.
    """
    try:
        with PillowImage.open(path) as image:
            return int(image.width), int(image.height)
    except Exception:  # the exceptions of Pillow's decoders are no closed list
        raise InputError(f"image {path.name}: is missing or cannot be decoded") from None


def sensor_folder(log: Path) -> Path | None:
    """Return the folder that the paths of a log are relative to.

    Args:
        log: The pickle in ROOT/navsim_logs/SPLIT; its sensors lie in ROOT/sensor_blobs/SPLIT, with ROOT found from its path or in
            the environment variable OPENSCENE_DATA_ROOT.
    """
    split, folder = log.resolve().parent.name, log.resolve().parent
    roots = [folder.parent.parent, *([Path(os.environ[ROOT_VARIABLE])] if os.environ.get(ROOT_VARIABLE) else [])]
    return next((root / BLOBS / split for root in roots if (root / BLOBS / split).is_dir()), None)


def read_sensors(frames: Sequence[OpenSceneFrame], folder: Path | None) -> tuple[Rig, list[SensorFrame], list[str]]:
    """Read the calibration and list the sensor frames.

    Args:
        frames: Of the log, in order of time.
        folder: Folder of the sensor files; None without one.

    Returns:
        The rig, the frames in order of stamps, and one line for each kind that is missing.
    """
    cameras, notes = _cameras(frames, folder)
    found: list[SensorFrame] = []
    if folder is None:
        notes.append(f"no images and point clouds: {BLOBS}/SPLIT is not next to navsim_logs, nor below {ROOT_VARIABLE}")
        return rig_of(cameras), found, notes
    num_absent = 0
    for frame in frames:
        entries = {str(name).lower(): entry for name, entry in frame.cameras.items()}
        for name, camera in cameras.items():
            path = _below(folder, entries.get(name, {}).get("data_path"))
            if path is None:
                num_absent += 1
                continue
            found.append(_image(frame.stamp_ns, path, camera))
        path = _below(folder, frame.cloud)
        if path is None:
            num_absent += 1
        else:
            found.append(CloudFrame(stamp_ns=frame.stamp_ns, read=_cloud_reader(path)))
    if num_absent:
        notes.append(f"{num_absent} images and point clouds are missing")
    return rig_of(cameras), found, notes


def _cameras(frames: Sequence[OpenSceneFrame], folder: Path | None) -> tuple[dict[str, CameraCalibration], list[str]]:
    """Cameras by name in the order of ``CAMERAS``; all frames of a log are of one car."""
    first: Mapping[str, Any] = {}
    for frame in frames:
        first = {str(name).lower(): entry for name, entry in frame.cameras.items()} | dict(first)
    found, notes = {}, []
    for name in CAMERAS:
        entry = first.get(name)
        if not isinstance(entry, Mapping) or not entry:
            continue
        try:
            path = None if folder is None else _below(folder, entry.get("data_path"))
            found[name] = camera_of(name, entry, *([] if path is None else [image_size(path)]))
        except (ValueError, InputError) as error:
            notes.append(f"camera {name}: left out ({error})")
    if not first:
        notes.append("no cameras")
    return found, notes


def _below(folder: Path, relative: Any) -> Path | None:
    """A file of the data set; None without one, and where a path leads out of the folder."""
    if not isinstance(relative, (str, Path)) or not str(relative):
        return None
    path = Path(os.path.normpath(folder / relative))
    return path if path.is_relative_to(os.path.normpath(folder)) and path.is_file() else None


def _image(stamp_ns: int, path: Path, camera: CameraCalibration) -> ImageFrame:
    def pixels() -> Pixels:
        return ImageFilePixels(path)

    def read() -> bytes:
        if camera.intrinsics.lens is None:
            try:
                return path.read_bytes()
            except OSError as error:
                raise InputError(f"image {path.name}: cannot be read ({error.strerror})") from None
        out = io.BytesIO()
        rgb_HW3 = rectified(pixels().unpack(1), camera.intrinsics)
        PillowImage.fromarray(rgb_HW3).save(out, "JPEG", quality=_JPEG_QUALITY)
        return out.getvalue()

    name, intrinsics = camera.mount.name, camera.intrinsics
    return ImageFrame(stamp_ns=stamp_ns, camera=name, read=read, pixels=pixels, intrinsics=intrinsics)


def _cloud_reader(path: Path) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"lidar: {path.name} cannot be read ({error.strerror})") from None
        return read_pcd(data)

    return read
