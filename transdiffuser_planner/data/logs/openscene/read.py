"""Reads a log of OpenScene into a DriveLog: odometry, acceleration, driving commands, agents, calibration and sensor frames.

NAVSIM gives agents a driving command and no route. A route along the driven path would show a model its answer, so there is
none here either, and neither signals nor speed limits.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from transdiffuser_planner.data.logs.data_sets import data_set_of, keeps_left
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_inputs import pass_on
from transdiffuser_planner.data.logs.openscene.boxes import read_boxes
from transdiffuser_planner.data.logs.openscene.ego import accelerations, ego_states
from transdiffuser_planner.data.logs.openscene.frames import read_frames
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
    log.rig, log.frames, notes = read_sensors(frames, sensor_folder(path))
    log.notes += notes
    return pass_on(log, request)
