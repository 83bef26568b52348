"""Reads a log of py123d's Arrow layout into a DriveLog.

Layout and frames: the package's documentation. Stamps are microseconds; poses are those of the IMU, quaternions w, x, y, z;
point clouds are in the IMU's frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.types import Acceleration, SignalState
from transdiffuser_planner.data.logs.data_sets import data_set_of, keeps_left
from transdiffuser_planner.data.logs.drive_inputs import derive_inputs
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest, TrafficLight
from transdiffuser_planner.data.logs.log_inputs import pass_on
from transdiffuser_planner.data.logs.py123d.boxes import read_boxes
from transdiffuser_planner.data.logs.py123d.ego import EgoTable, read_ego
from transdiffuser_planner.data.logs.py123d.layout import BOXES, EGO, LIGHTS, SUFFIX, SYNC, LogTable, checked_version
from transdiffuser_planner.data.logs.py123d.map_layers import read_map
from transdiffuser_planner.data.logs.py123d.sensors import read_sensors
from transdiffuser_planner.data.logs.tracks import EgoTrack

FloatArray = NDArray[np.float64]

MAP_FRAME: Final = "map"
_STATES: Final = {0: SignalState.GREEN, 1: SignalState.AMBER, 2: SignalState.RED}


def is_py123d(path: Path) -> bool:
    """Whether a path is the folder of a log in this layout.

    Args:
        path: Any path.
    """
    return (path / f"{SYNC}{SUFFIX}").is_file() or (path / f"{EGO}{SUFFIX}").is_file()


def read_py123d(request: LogRequest) -> DriveLog:
    """Read a log: odometry of base_link, acceleration, agents, map, signals, calibration; sensor frames are listed.

    Args:
        request: ``path`` is the folder of one log.

    Raises:
        ConfigError: pyarrow or msgpack is not installed.
        RecordingError: The layout is of another version, or there are no poses of the vehicle.
    """
    folder = request.path
    if not is_py123d(folder):
        raise RecordingError(
            f"{folder}: expected a log of py123d, a folder with {SYNC}{SUFFIX}; give the folder of one log"
        )
    metadata = checked_version(folder)
    log = DriveLog(path=folder, data_set=data_set_of(str(metadata.get("dataset", ""))))
    log.drives_on_left = keeps_left(str(metadata.get("location") or ""))
    ego = read_ego(folder / f"{EGO}{SUFFIX}", str(metadata.get("dataset", "")))
    log.origin_xyz_m = (float(ego.origin_3[0]), float(ego.origin_3[1]), float(ego.origin_3[2]))
    log.ego = EgoTrack(ego.states)
    log.acceleration = [
        Acceleration(stamp_ns=int(stamp), ax_mps2=ax, ay_mps2=ay)
        for stamp, (ax, ay) in zip(ego.stamp_ns_N.tolist(), ego.acceleration_N2.tolist(), strict=True)
        if np.isfinite([ax, ay]).all()
    ]
    inputs = {"odometry"} | ({"acceleration"} if log.acceleration else set())
    try:
        log.agents, notes = read_boxes(folder / f"{BOXES}{SUFFIX}", ego.origin_3[:2], MAP_FRAME)
        log.notes += notes
        inputs.add("objects")
    except RecordingError as error:
        log.notes.append(f"no agents: {error}")
    if _add_map(log, metadata, ego):
        inputs.add("map")
    _add_lights(log)
    log.rig, log.frames, notes = read_sensors(folder, ego, str(metadata.get("dataset", "")))
    log.notes += notes
    log.inputs = frozenset(inputs)
    return pass_on(derive_inputs(log), request)


def _add_map(log: DriveLog, metadata: dict[str, Any], ego: EgoTable) -> bool:
    """Read the map of the log or of its city; returns whether there is any."""
    path = _map_file(log.path, metadata)
    if path is None:
        log.notes.append(f"no map: neither map{SUFFIX} nor one of {metadata.get('location')} below maps/ is there")
        return False
    xy = np.asarray([(state.x_m, state.y_m) for state in ego.states]) + ego.origin_3[:2]
    try:
        log.lanes, log.map_pieces, num_bad = read_map(path, ego.origin_3[:2], xy.min(axis=0), xy.max(axis=0))
    except RecordingError as error:
        log.notes.append(f"no map: {error}")
        return False
    log.map_name = str(metadata.get("location") or path.stem)
    if num_bad:
        log.notes.append(f"map: {num_bad} elements cannot be used and are left out")
    return bool(log.map_pieces)


def _map_file(folder: Path, metadata: dict[str, Any]) -> Path | None:
    """The log's own map, else the city's: <root>/maps/<data set>/<data set>_<location>.arrow, logs in <root>/logs/<split>."""
    name, place = metadata.get("dataset"), metadata.get("location")
    root = folder.resolve().parents[2] if len(folder.resolve().parents) > 2 else folder
    candidates = (folder / f"map{SUFFIX}", root / "maps" / str(name) / f"{name}_{place}{SUFFIX}")
    return next((path for path in candidates if path.is_file()), None)


def _add_lights(log: DriveLog) -> None:
    """Read the states of the lanes' lights; a light stands where its lane begins."""
    path = log.path / f"{LIGHTS}{SUFFIX}"
    if not path.is_file():
        return
    try:
        table = LogTable(path)
        stamps_us = table.integers("timestamp_us")
        lane_ids, states = table.column("lane_id").to_pylist(), table.column("status").to_pylist()
    except RecordingError as error:
        log.notes.append(f"no signals: {error}")
        return
    by_number = {lane.number: lane for lane in log.lanes}
    numbers: dict[int, int] = {}
    for stamp_us, ids, values in zip(stamps_us.tolist(), lane_ids, states, strict=True):
        found: dict[int, SignalState] = {}
        for lane_id, value in zip(ids or (), values or (), strict=False):
            lane = by_number.get(int(lane_id))
            if lane is None:
                continue
            if lane.number not in numbers:
                numbers[lane.number] = len(numbers)
                begin_2, away_2 = lane.center_K2[0], lane.center_K2[0] - lane.center_K2[1]
                log.lights.append(
                    TrafficLight(
                        number=numbers[lane.number],
                        x_m=float(begin_2[0]),
                        y_m=float(begin_2[1]),
                        facing_rad=float(np.arctan2(away_2[1], away_2[0])),
                        lane=lane.number,
                    )
                )
            found[numbers[lane.number]] = _STATES.get(int(value), SignalState.UNKNOWN)
        log.light_states.append((stamp_us * 1000, found))
