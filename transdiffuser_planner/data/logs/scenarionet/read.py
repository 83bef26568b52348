"""Reads a scenario of ScenarioNet into a DriveLog: nuScenes, nuPlan, Waymo motion and others that it converts.

Layout: ScenarioNet's scenario description. Times in seconds, positions in meters, headings counter-clockwise from +x.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.geometry import wrap_angle
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.logs.data_sets import data_set_of, keeps_left, vehicle_of
from transdiffuser_planner.data.logs.drive_inputs import derive_inputs
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_inputs import pass_on
from transdiffuser_planner.data.logs.plain_pickle import load_plain_pickle
from transdiffuser_planner.data.logs.poses import ego_states, heading_of
from transdiffuser_planner.data.logs.scenarionet.lanes import read_features
from transdiffuser_planner.data.logs.scenarionet.objects import read_objects
from transdiffuser_planner.data.logs.scenarionet.signals import read_signals
from transdiffuser_planner.data.logs.tracks import EgoTrack
from transdiffuser_planner.params import RIGS

MAP_FRAME: Final = "map"
BEGIN_NS: Final = 1_000_000_000
"""Scenarios begin at 0 s; as a stamp that would mean that none was given."""
SPEED_WINDOW_S: Final = 0.5
JUMP_RAD: Final = 0.3
JUMP_MPS: Final = 3.0
"""A step this fast in a direction so far from the heading is no motion of a car."""
COORDINATES: Final = ("right-handed", "waymo")
REAR_AXLE_SETS: Final = ("nuScenes",)
"""Data sets whose ego positions are those of the rear axle; others give the center of the box."""
_PICKLE = b"\x80"


def is_scenario(path: Path) -> bool:
    """Whether a path is a pickle, as scenarios are.

    Args:
        path: Any path.
    """
    if not path.is_file() or path.suffix != ".pkl":
        return False
    with path.open("rb") as file:
        return file.read(1) == _PICKLE


def read_scenario(request: LogRequest) -> DriveLog:
    """Read a scenario: odometry of base_link, agents, lanes and signals; it has no sensors.

    Args:
        request: ``path`` is the .pkl file of one scenario.

    Raises:
        RecordingError: The file is no scenario, or its coordinates or its ego are not as expected.
    """
    path = request.path
    scenario = _checked(path, load_plain_pickle(path))
    metadata, tracks = scenario["metadata"], scenario["tracks"]
    log = DriveLog(path=path, data_set=data_set_of(str(metadata.get("dataset", ""))))
    log.drives_on_left = keeps_left(str(metadata.get("map", metadata.get("location", ""))))
    assert log.data_set is not None
    vehicle = vehicle_of(log.data_set)
    log.rig = _rig(log)
    name = _line(metadata.get("sdc_id", ""))
    ego = next((track for key, track in tracks.items() if str(key) == name), None)
    if ego is None:
        raise RecordingError(f"{path}: expected the track '{name}' of the recording vehicle, got none of that name")
    stamp_ns_T = _stamps(path, scenario)
    try:
        valid_T, pose_T44 = _ego_poses(ego, stamp_ns_T, vehicle.center_offset_m, log.data_set.name)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RecordingError(
            f"{path}: the track of the recording vehicle cannot be used ({_line(repr(error))})"
        ) from None
    if valid_T.sum() < 2:
        raise RecordingError(f"{path}: the recording vehicle has {int(valid_T.sum())} valid poses; two are needed")
    origin_3 = np.round(pose_T44[valid_T][0, :3, 3])
    log.origin_xyz_m = (float(origin_3[0]), float(origin_3[1]), float(origin_3[2]))
    pose_T44[:, :3, 3] -= origin_3
    log.ego = _ego_track(stamp_ns_T[valid_T], pose_T44[valid_T], log.notes)
    inputs = {"odometry"}
    others = {str(key): track for key, track in tracks.items() if track is not ego}
    log.agents, left_out, num_bad = read_objects(others, stamp_ns_T, origin_3[:2], MAP_FRAME)
    inputs |= {"objects"}
    log.notes += _notes(left_out, num_bad)
    _add_map(log, scenario, origin_3[:2])
    inputs |= {"map"} if log.map_pieces else set()
    log.inputs = frozenset(inputs)
    return pass_on(derive_inputs(log), request)


def _checked(path: Path, content: Any) -> Mapping[str, Any]:
    """A scenario's content.

    Raises:
        RecordingError: It is no scenario, or its axes are not right-handed.
    """
    parts = ("metadata", "tracks", "length")
    if not isinstance(content, Mapping) or any(part not in content for part in parts):
        raise RecordingError(
            f"{path}: expected a scenario of ScenarioNet with {', '.join(parts)}; got another pickle, "
            "give the file of one scenario, not a summary"
        )
    metadata = content["metadata"]
    has_length = isinstance(content["length"], (int, np.integer))
    if not isinstance(metadata, Mapping) or not isinstance(content["tracks"], Mapping) or not has_length:
        raise RecordingError(f"{path}: expected metadata, tracks and length of a scenario, got values of other types")
    axes = _line(metadata.get("coordinate", "right-handed"))
    if axes not in COORDINATES or metadata.get("metadrive_processed"):
        raise RecordingError(
            f"{path}: its coordinates are '{axes}', processed for MetaDrive: {bool(metadata.get('metadrive_processed'))}; "
            f"expected {' or '.join(COORDINATES)} as ScenarioNet's converters write them"
        )
    return content


def _line(value: Any) -> str:
    """A value of a file in one short line."""
    return " ".join(str(value).split())[:60]


def _stamps(path: Path, scenario: Mapping[str, Any]) -> NDArray[np.int64]:
    """Stamps (T,) of all steps.

    Raises:
        RecordingError: They are not as many as the steps, or do not increase.
    """
    metadata, length = scenario["metadata"], int(scenario["length"])
    times_s = metadata.get("ts", metadata.get("timestep"))
    if times_s is None:
        step_s = metadata.get("sample_rate", 0.1)
        times_s = np.arange(length) * float(step_s)
    time_s_T = np.asarray(times_s, dtype=np.float64)[:length]
    if time_s_T.shape != (length,) or not (np.diff(time_s_T) > 0.0).all() or not np.isfinite(time_s_T).all():
        raise RecordingError(f"{path}: expected {length} increasing times, got {time_s_T.shape}")
    return np.asarray(np.round((time_s_T - time_s_T[0]) * 1e9), dtype=np.int64) + BEGIN_NS


def _ego_poses(
    track: Mapping[str, Any], stamp_ns_T: NDArray[np.int64], center_offset_m: float, data_set: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which steps are valid (T,), and poses of base_link (T, 4, 4) in the scenario's frame."""
    state, count = track["state"], len(stamp_ns_T)
    position_T3 = np.asarray(state["position"], dtype=np.float64)[:count]
    heading_T = np.asarray(state["heading"], dtype=np.float64).reshape(-1)[:count]
    valid_T = np.asarray(state["valid"]).reshape(-1)[:count].astype(bool)
    valid_T &= np.isfinite(position_T3).all(axis=1) & np.isfinite(heading_T)
    pose_T44 = np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    cos_T, sin_T = np.cos(heading_T), np.sin(heading_T)
    pose_T44[:, 0, 0], pose_T44[:, 0, 1] = cos_T, -sin_T
    pose_T44[:, 1, 0], pose_T44[:, 1, 1] = sin_T, cos_T
    pose_T44[:, :3, 3] = position_T3[:, :3] if position_T3.shape[1] > 2 else np.pad(position_T3, ((0, 0), (0, 1)))
    if data_set not in REAR_AXLE_SETS:
        pose_T44[:, :2, 3] -= center_offset_m * np.stack([cos_T, sin_T], axis=-1)
        if pose_T44[valid_T, 2, 3].any():  # zero means that the converter has discarded heights
            pose_T44[:, 2, 3] -= np.asarray(state["height"], dtype=np.float64).reshape(-1)[:count] / 2.0
    return valid_T, pose_T44


def _ego_track(stamp_ns_T: NDArray[np.int64], pose_T44: NDArray[np.float64], notes: list[str]) -> EgoTrack:
    """Odometry; where the path jumps, as between the two sources of poses of a converted nuScenes scene, a new part begins."""
    step_T2 = np.diff(pose_T44[:, :2, 3], axis=0)
    speed_T = np.hypot(*step_T2.T) / (np.diff(stamp_ns_T) * 1e-9)
    away_T = wrap_angle(np.arctan2(step_T2[:, 1], step_T2[:, 0]) - heading_of(pose_T44[1:, :3, :3]))
    jumps = np.flatnonzero((np.abs(away_T) > JUMP_RAD) & (speed_T > JUMP_MPS)) + 1
    states = []
    for part in np.split(np.arange(len(stamp_ns_T)), jumps):
        states += ego_states(stamp_ns_T[part], pose_T44[part], MAP_FRAME, SPEED_WINDOW_S)
    if len(jumps):
        at = ", ".join(f"{(stamp_ns_T[jump] - stamp_ns_T[0]) * 1e-9:.1f} s" for jump in jumps)
        notes.append(f"the path of the recording vehicle jumps at {at}; its history starts over there")
    return EgoTrack(states)


def _rig(log: DriveLog) -> Rig:
    """Sensors of the shipped model on the data set's car, for worlds that are made of the scenario."""
    assert log.data_set is not None
    shipped = Rig.load(RIGS / "carla.yaml")
    log.notes.append("no sensors: scenarios hold none; the rig is that of the shipped model on the car of the data set")
    return Rig(cameras=shipped.cameras, lidar=shipped.lidar, vehicle=vehicle_of(log.data_set))


def _notes(left_out: Counter[str], num_bad: int) -> list[str]:
    notes = []
    if left_out:
        listed = ", ".join(f"{count} x {kind}" for kind, count in sorted(left_out.items()))
        notes.append(f"tracks that are no agents are left out: {listed}")
    if num_bad:
        notes.append(f"{num_bad} tracks cannot be used and are left out")
    return notes


def _add_map(log: DriveLog, scenario: Mapping[str, Any], origin_2: NDArray[np.float64]) -> None:
    """Add lanes, pieces and signals."""
    features, signals = scenario.get("map_features"), scenario.get("dynamic_map_states")
    if not isinstance(features, Mapping) or not features:
        log.notes.append("no map: the scenario has no map_features")
        return
    assert log.data_set is not None
    is_nuscenes = log.data_set.name == "nuScenes"
    found = read_features(features, origin_2, limits_are_real=not is_nuscenes)
    log.lanes, log.map_pieces, numbers, num_bad = found
    log.map_name = str(scenario["metadata"].get("map", log.path.stem))
    if num_bad:
        log.notes.append(f"map: {num_bad} features cannot be used and are left out")
    if isinstance(signals, Mapping) and signals:
        stamps = _stamps(log.path, scenario)
        log.lights, log.light_states = read_signals(signals, numbers, log.lanes, stamps, origin_2)
