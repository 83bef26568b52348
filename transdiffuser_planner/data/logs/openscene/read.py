"""Reads a log of OpenScene into a DriveLog: odometry, acceleration, commands, agents, map, calibration and sensor frames.

NAVSIM gives agents a driving command and no route. A route along the driven path would show a model its answer, so there is
none here either, and neither signals nor speed limits.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.logs.data_sets import data_set_of, keeps_left
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_inputs import pass_on
from transdiffuser_planner.data.logs.openscene.boxes import read_boxes
from transdiffuser_planner.data.logs.openscene.ego import accelerations, ego_states
from transdiffuser_planner.data.logs.openscene.frames import read_frames
from transdiffuser_planner.data.logs.openscene.maps import map_file, read_city
from transdiffuser_planner.data.logs.openscene.sensors import read_sensors, sensor_folder
from transdiffuser_planner.data.logs.tracks import EgoTrack

_INPUTS: Final = frozenset({"odometry", "acceleration", "command"})


def read_openscene(request: LogRequest) -> DriveLog:
    """Read a log.

    Args:
        request: ``path`` is the pickle of one log, in ROOT/navsim_logs/SPLIT.

    Raises:
        RecordingError: It is no log of OpenScene, or has no poses.
    """
    path = request.path
    frames, notes = read_frames(path)
    log = DriveLog(path=path, data_set=data_set_of("openscene"), notes=notes, inputs=_INPUTS)
    log.drives_on_left = keeps_left(frames[0].place)
    origin_3 = np.round(frames[0].utm_from_axle_44[:3, 3])
    log.origin_xyz_m = (float(origin_3[0]), float(origin_3[1]), float(origin_3[2]))
    log.ego = EgoTrack(ego_states(frames, origin_3))
    log.acceleration = accelerations(frames)
    log.commands = [(frame.stamp_ns, frame.command) for frame in frames]
    log.frame_names = {frame.stamp_ns: frame.token for frame in frames}
    labeled = [(f.stamp_ns, f.utm_from_axle_44, f.annotations) for f in frames if f.annotations is not None]
    if labeled:
        log.agents, notes = read_boxes(labeled, origin_3)
        log.notes += notes
        log.inputs |= {"objects"}
    else:
        log.notes.append("no agents: the log has no annotations")
    _add_map(log, frames[0].place)
    log.rig, log.frames, notes = read_sensors(frames, sensor_folder(path))
    log.notes += notes
    return pass_on(log, request)


def _add_map(log: DriveLog, place: str) -> None:
    """Add the map around the drive, where nuPlan's maps are."""
    origin_2 = np.asarray(log.origin_xyz_m[:2])
    try:
        city = read_city(map_file(place))
    except RecordingError as error:
        log.notes.append(f"no map: {error}")
        return
    xy_N2 = np.asarray([(state.x_m, state.y_m) for state in log.ego.states]) + origin_2
    log.map_pieces = city.around(xy_N2.min(axis=0), xy_N2.max(axis=0), origin_2)
    log.map_name = place
    if city.num_bad:
        log.notes.append(f"map: {city.num_bad} elements of the city cannot be used and are left out")
    log.inputs |= {"map"} if log.map_pieces else set()
