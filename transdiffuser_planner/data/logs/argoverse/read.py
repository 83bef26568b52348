"""Reads a sensor log of Argoverse 2 into a DriveLog.

Columns and frames: the data set's user guide and the package av2. Stamps are nanoseconds, positions meters in a city frame.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError, RecordingError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.logs.argoverse.annotations import FILE as ANNOTATIONS
from transdiffuser_planner.data.logs.argoverse.annotations import read_annotations
from transdiffuser_planner.data.logs.argoverse.calibration import GROUND_BELOW_EGO_M, read_rig
from transdiffuser_planner.data.logs.argoverse.vector_map import read_vector_map
from transdiffuser_planner.data.logs.arrow_tables import read_feather
from transdiffuser_planner.data.logs.data_sets import ARGOVERSE_2
from transdiffuser_planner.data.logs.drive_inputs import derive_inputs
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_inputs import pass_on
from transdiffuser_planner.data.logs.poses import ego_states, transforms
from transdiffuser_planner.data.logs.sensor_frames import CloudFrame, ImageFrame, SensorFrame
from transdiffuser_planner.data.logs.tracks import EgoTrack

MAP_FRAME: Final = "map"
POSES: Final = "city_SE3_egovehicle.feather"
MIN_STEP_NS: Final = 1_000_000
"""Poses closer together than this are the same measurement, stored twice."""
_POSE = ("timestamp_ns", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")


def is_argoverse(path: Path) -> bool:
    """Whether a path is a log folder of Argoverse 2.

    Args:
        path: Any path.
    """
    return (path / POSES).is_file()


def read_argoverse(request: LogRequest) -> DriveLog:
    """Read a log: odometry of base_link, agents, map, calibration; sensor frames are listed.

    Args:
        request: ``path`` is the folder of one log.

    Raises:
        ConfigError: pyarrow is not installed.
        RecordingError: There are no poses of the vehicle.
    """
    folder = request.path
    if not is_argoverse(folder):
        raise RecordingError(
            f"{folder}: expected a log of Argoverse 2, a folder with {POSES}; give the folder of one log"
        )
    stamp_ns_N, city_from_ego_N44 = _poses(folder / POSES)
    origin_3 = np.round(city_from_ego_N44[0, :3, 3])
    city_from_ego_N44[:, :3, 3] -= origin_3
    log = DriveLog(path=folder, data_set=ARGOVERSE_2, drives_on_left=False)
    log.origin_xyz_m = (float(origin_3[0]), float(origin_3[1]), float(origin_3[2]))
    map_from_base_N44 = city_from_ego_N44.copy()
    map_from_base_N44[:, :3, 3] -= GROUND_BELOW_EGO_M * city_from_ego_N44[:, :3, 2]
    is_new_N = np.concatenate([[True], np.diff(stamp_ns_N) >= MIN_STEP_NS])
    log.ego = EgoTrack(ego_states(stamp_ns_N[is_new_N], map_from_base_N44[is_new_N], MAP_FRAME))
    inputs = {"odometry"}
    log.rig, notes = read_rig(folder)
    log.notes += notes
    if (folder / ANNOTATIONS).is_file():
        log.agents, notes = read_annotations(folder / ANNOTATIONS, stamp_ns_N, city_from_ego_N44, MAP_FRAME)
        log.notes += notes
        inputs.add("objects")
    else:
        log.notes.append(f"no agents: {ANNOTATIONS} is absent")
    if _read_map(log, origin_3[:2]):
        inputs.add("map")
    log.frames = _frames(folder, log.rig, log.notes)
    log.inputs = frozenset(inputs)
    return pass_on(derive_inputs(log), request)


def _poses(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Stamps (N,), increasing, and poses of the ego's origin (N, 4, 4) in the city frame.

    Raises:
        RecordingError: There are fewer than two usable poses.
    """
    table = read_feather(path, _POSE)
    stamp_ns_N, first_N = np.unique(table["timestamp_ns"].astype(np.int64), return_index=True)
    values = np.column_stack([table[name] for name in _POSE[1:]]).astype(np.float64)[first_N]
    usable_N = np.isfinite(values).all(axis=1) & (np.abs(np.linalg.norm(values[:, :4], axis=1) - 1.0) < 0.1)
    if usable_N.sum() < 2:
        raise RecordingError(f"{path}: expected at least two poses, got {int(usable_N.sum())}; fetch the file again")
    values = values[usable_N]
    return stamp_ns_N[usable_N], transforms(values[:, :4], values[:, 4:])


def _read_map(log: DriveLog, origin_2: NDArray[np.float64]) -> bool:
    """Read lanes and pieces of the map; returns whether there are any."""
    files = sorted((log.path / "map").glob("log_map_archive_*.json"))
    if not files:
        log.notes.append("no map: map/log_map_archive_*.json is absent")
        return False
    try:
        log.lanes, log.map_pieces, num_bad = read_vector_map(files[0], origin_2)
    except RecordingError as error:
        log.notes.append(f"no map: {error}")
        return False
    log.map_name = files[0].stem
    if num_bad:
        log.notes.append(f"map: {num_bad} elements are no lanes, areas or crossings and are left out")
    return bool(log.map_pieces)


def _frames(folder: Path, rig: Rig, notes: list[str]) -> list[SensorFrame]:
    """List images and sweeps in order of stamps."""
    frames: list[SensorFrame] = []
    without: list[str] = []
    for camera in rig.cameras:
        files = _stamped(folder / "sensors" / "cameras" / camera.name, ".jpg")
        if not files:
            without.append(camera.name)
        frames += [ImageFrame(stamp_ns=stamp, camera=camera.name, read=_image_reader(path)) for stamp, path in files]
    if without:
        notes.append(f"no images of {', '.join(without)}")
    sweeps = _stamped(folder / "sensors" / "lidar", ".feather")
    if not sweeps:
        notes.append("no LiDAR sweeps")
    assert rig.lidar is not None
    ego_from_lidar_3 = np.asarray([rig.lidar.x_m, rig.lidar.y_m, rig.lidar.z_m - GROUND_BELOW_EGO_M])
    frames += [CloudFrame(stamp_ns=stamp, read=_cloud_reader(path, ego_from_lidar_3)) for stamp, path in sweeps]
    return sorted(frames, key=lambda frame: frame.stamp_ns)


def _stamped(folder: Path, suffix: str) -> list[tuple[int, Path]]:
    """Files whose names are stamps in ns."""
    found = [(path.stem, path) for path in folder.glob(f"*{suffix}")] if folder.is_dir() else []
    return sorted((int(stem), path) for stem, path in found if stem.isdecimal())


def _image_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"camera '{path.parent.name}': an image cannot be read ({error.strerror})") from None

    return read


def _cloud_reader(path: Path, ego_from_lidar_3: NDArray[np.float64]) -> Callable[[], NDArray[np.float32]]:
    """The data set stores sweeps in the ego's frame; they are moved to the LiDAR's place, without turning."""

    def read() -> NDArray[np.float32]:
        try:
            table = read_feather(path, ("x", "y", "z", "intensity"))
        except RecordingError as error:
            raise InputError(f"lidar: {error}") from None
        points_N4 = np.column_stack([table[name] for name in ("x", "y", "z", "intensity")]).astype(np.float32)
        points_N4[:, :3] -= ego_from_lidar_3.astype(np.float32)
        return points_N4

    return read
