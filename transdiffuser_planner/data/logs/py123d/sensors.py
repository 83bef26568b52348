"""Cameras and LiDAR of a py123d log: calibration as a rig, and frames that are read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError, RecordingError
from transdiffuser_planner.core.lens import largest_shift
from transdiffuser_planner.core.rig import OPTICAL_FROM_SENSOR, CameraMount, LidarMount, Rig, place_of
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.data.logs.arrow_tables import read_feather, required
from transdiffuser_planner.data.logs.poses import transforms
from transdiffuser_planner.data.logs.py123d.ego import EgoTable
from transdiffuser_planner.data.logs.py123d.layout import SUFFIX, LogTable
from transdiffuser_planner.data.logs.sensor_frames import CloudFrame, ImageFrame, SensorFrame

FloatArray = NDArray[np.float64]

MAX_SHIFT: Final = 0.01
"""Images whose lens moves pixels farther than this share of the width are no pinhole images."""
DEFAULT_LIDAR_XYZ_M: Final = (1.2, 0.0, 1.9)
"""Place of the LiDAR in base_link where a log states none, as on the shipped model's rig."""
REMEDY: Final = "convert the log with camera_store_option=jpeg_binary lidar_store_option=binary lidar_codec=ipc_lz4"
_SENSOR_ROOTS: Final = {
    "av2-sensor": ("AV2_DATA_ROOT", "sensor"),
    "nuplan": ("NUPLAN_DATA_ROOT", "nuplan-v1.1/sensor_blobs"),
    "nuscenes": ("NUSCENES_DATA_ROOT", ""),
    "pandaset": ("PANDASET_DATA_ROOT", ""),
    "kitti360": ("KITTI360_DATA_ROOT", ""),
    "nureasoning": ("NUREASONING_DATA_ROOT", ""),
}
"""Data set -> environment variable of its folder, and the folder of its sensors in it; paths in a log are relative to that."""
_TOP_LIDAR = "2"
_IPC_START = b"\xff\xff\xff\xff"


def read_sensors(folder: Path, ego: EgoTable, data_set: str) -> tuple[Rig, list[SensorFrame], list[str]]:
    """Read calibration and list frames.

    Args:
        folder: Folder of the log.
        ego: The vehicle, with the place of the IMU.
        data_set: As the log names it.

    Returns:
        The rig, the frames in order of stamps, and one line for each sensor that cannot be used.
    """
    cameras: list[CameraMount] = []
    frames: list[SensorFrame] = []
    unusable: dict[str, list[str]] = {}
    root = _sensor_root(data_set)
    for path in sorted(folder.glob(f"camera.*{SUFFIX}")):
        name = path.name.removeprefix("camera.").removesuffix(SUFFIX)
        try:
            table = LogTable(path)
            cameras.append(_camera(name, table.metadata, ego.base_from_imu))
            frames += _images(name, table, root)
        except RecordingError as error:
            unusable.setdefault(str(error), []).append(name)
    notes = [f"camera {', '.join(names)}: {why}" for why, names in unusable.items()]
    lidar, cloud_frames, why = _lidar(folder, ego, root)
    frames += cloud_frames
    notes += [why] if why else []
    if not cameras and not notes:
        notes.append("no cameras")
    cameras.sort(key=lambda camera: -camera.yaw_rad)  # from left to right
    rig = Rig(cameras=tuple(cameras), lidar=lidar, vehicle=ego.vehicle)
    return rig, sorted(frames, key=lambda frame: frame.stamp_ns), notes


def _sensor_root(data_set: str) -> Path | None:
    variable, below = _SENSOR_ROOTS.get(data_set, ("", ""))
    value = os.environ.get(variable, "") if variable else ""
    return Path(value) / below if value else None


def _camera(name: str, metadata: dict[str, Any], base_from_imu: FloatArray) -> CameraMount:
    """A camera as a mount.

    Raises:
        RecordingError: It has no calibration, or its images are not those of a pinhole camera.
    """
    if metadata.get("camera_model") != "pinhole":
        raise RecordingError(f"its model is '{metadata.get('camera_model')}', not pinhole; its images are left out")
    try:
        fx, fy, cx, cy = (float(value) for value in metadata["intrinsics"][:4])
        width, height = int(metadata["width"]), int(metadata["height"])
        pose_7 = np.asarray(metadata["camera_to_imu_se3"], dtype=np.float64)
        lens = [float(value) for value in metadata.get("distortion") or ()]
        imu_from_camera = transforms(pose_7[None, 3:], pose_7[None, :3])[0]
    except (KeyError, TypeError, ValueError, IndexError):
        raise RecordingError("no calibration; its images are left out") from None
    if not np.isfinite([fx, fy, cx, cy, *pose_7]).all() or min(fx, fy, width, height) <= 0:
        raise RecordingError("no usable calibration; its images are left out")
    if not metadata.get("is_undistorted", False) and lens:
        known = CameraIntrinsics(
            width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy, distortion_model="plumb_bob", distortion=tuple(lens)
        )
        shift = largest_shift(known)
        if shift > MAX_SHIFT:
            raise RecordingError(
                f"its lens moves pixels by up to {100.0 * shift:.0f} % of the width; its images are left out, rectify them"
            )
    base_from_camera = base_from_imu @ imu_from_camera
    base_from_camera[:3, :3] = base_from_camera[:3, :3] @ OPTICAL_FROM_SENSOR
    intrinsics: dict[str, Any] = {"width": width, "height": height, "fx": fx, "fy": fy, "cx": cx, "cy": cy}
    return CameraMount(name=name, **intrinsics, **place_of(base_from_camera))


def _images(camera: str, table: LogTable, root: Path | None) -> list[SensorFrame]:
    """Frames of a camera.

    Raises:
        RecordingError: Its images are in a video, or in files that are not there.
    """
    stamps_us, data = table.integers("timestamp_us"), table.column("data")
    kind = str(data.type)
    if kind.startswith("int"):
        raise RecordingError(f"its images are in a video; {REMEDY}")
    if kind == "string":
        first = next((value for value in (data[row].as_py() for row in range(len(table))) if value), None)
        if first is not None and (root is None or not (root / first).is_file()):
            raise RecordingError(f"its images are files of the data set, which are not here; {REMEDY}")
    return [
        ImageFrame(stamp_ns=int(stamp) * 1000, camera=camera, read=_image_reader(camera, data, row, root))
        for row, stamp in enumerate(stamps_us.tolist())
    ]


def _image_reader(camera: str, data: Any, row: int, root: Path | None) -> Callable[[], bytes]:
    def read() -> bytes:
        value = data[row].as_py()
        if isinstance(value, str) and root is not None:
            try:
                value = _within(root, value).read_bytes()
            except OSError as error:
                raise InputError(f"camera '{camera}': an image cannot be read ({error.strerror})") from None
        if not isinstance(value, bytes):
            raise InputError(f"camera '{camera}': an image is missing")
        return value

    return read


def _within(root: Path, relative: str) -> Path:
    """A file below a folder.

    Raises:
        InputError: The path leads out of it.
    """
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise InputError(f"the path '{relative}' of a log leads out of the folder of its data set")
    return path


def _lidar(folder: Path, ego: EgoTable, root: Path | None) -> tuple[LidarMount, list[SensorFrame], str]:
    """The LiDAR with its frames, and why it has none."""
    x_m, y_m, z_m = DEFAULT_LIDAR_XYZ_M
    mount = LidarMount(x_m=x_m, y_m=y_m, z_m=z_m)
    files = sorted(
        folder.glob(f"lidar.*{SUFFIX}"), key=lambda path: ("merged" not in path.name, "top" not in path.name)
    )
    if not files:
        return mount, [], "no LiDAR sweeps"
    try:
        table = LogTable(files[0])
        mount = _lidar_mount(table.metadata, ego.base_from_imu, mount)
        stamps_us, data = table.integers("timestamp_us"), table.column("data")
    except RecordingError as error:
        return mount, [], f"no LiDAR sweeps: {error}"
    first = next((value for value in (data[row].as_py() for row in range(len(table))) if value), None)
    if isinstance(first, bytes) and not first.startswith(_IPC_START):
        return mount, [], f"no LiDAR sweeps: they are packed as {'LAZ' if first[:4] == b'LASF' else 'Draco'}; {REMEDY}"
    if isinstance(first, str) and (root is None or not first.endswith(".feather") or not (root / first).is_file()):
        return mount, [], f"no LiDAR sweeps: they are files of the data set, which are not here; {REMEDY}"
    frames: list[SensorFrame] = [
        CloudFrame(stamp_ns=int(stamp) * 1000, read=_cloud_reader(data, row, root, _lidar_from_imu(mount, ego)))
        for row, stamp in enumerate(stamps_us.tolist())
    ]
    return mount, frames, ""


def _lidar_mount(metadata: dict[str, Any], base_from_imu: FloatArray, fallback: LidarMount) -> LidarMount:
    """Place of the upper LiDAR; merged sweeps of several are given as if seen from there."""
    entries = metadata if all(isinstance(value, dict) for value in metadata.values()) and metadata else {"": metadata}
    entry = entries.get(_TOP_LIDAR) or next(iter(entries.values()))
    try:
        pose_7 = np.asarray(entry["lidar_to_imu_se3"], dtype=np.float64)
        place_3 = (base_from_imu @ np.append(pose_7[:3], 1.0))[:3]
    except (KeyError, TypeError, ValueError):
        return fallback
    if not np.isfinite(place_3).all() or not place_3[2] > 0.5:  # unknown extrinsics are written as zeros
        return fallback
    return LidarMount(x_m=round(float(place_3[0]), 4), y_m=round(float(place_3[1]), 4), z_m=round(float(place_3[2]), 4))


def _lidar_from_imu(mount: LidarMount, ego: EgoTable) -> FloatArray:
    return np.asarray(np.linalg.inv(mount.base_from_sensor()) @ ego.base_from_imu)


def _cloud_reader(
    data: Any, row: int, root: Path | None, lidar_from_imu: FloatArray
) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        value = data[row].as_py()
        try:
            if isinstance(value, str) and root is not None:
                columns = read_feather(_within(root, value), ("x", "y", "z", "intensity"))
            else:
                columns = _unpacked(value)
            xyz_N3 = np.column_stack([columns[name] for name in ("x", "y", "z")]).astype(np.float64)
        except (RecordingError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"lidar: a sweep cannot be read ({error})") from None
        points_N4 = np.zeros((len(xyz_N3), 4), dtype=np.float32)
        points_N4[:, :3] = xyz_N3 @ lidar_from_imu[:3, :3].T + lidar_from_imu[:3, 3]
        points_N4[:, 3] = columns.get("intensity", 0.0)
        return points_N4

    return read


def _unpacked(value: Any) -> dict[str, NDArray[Any]]:
    """Columns of a sweep that is packed as a stream of Arrow.

    Raises:
        ValueError: It is damaged, empty or packed in another way.
    """
    arrow = required("pyarrow", "the py123d layout")
    if not isinstance(value, bytes) or not value.startswith(_IPC_START):
        raise ValueError("it is missing, or not packed as Arrow IPC")
    try:
        batch = arrow.ipc.open_stream(arrow.py_buffer(value)).read_next_batch()
        batch.validate(full=True)
        return {name: batch.column(name).to_numpy(zero_copy_only=False) for name in batch.schema.names}
    except Exception as error:  # pyarrow's errors are of many kinds
        raise ValueError((str(error).splitlines() or ["damaged"])[0]) from None
