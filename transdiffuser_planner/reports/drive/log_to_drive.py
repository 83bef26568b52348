"""Converts a recorded drive into the values that its report shows: timed, thinned, in the odometry's frame."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import EvaluationError, InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogMessage, LogRequest
from transdiffuser_planner.data.logs.log_sources import ROSBAG, read_log
from transdiffuser_planner.messages.input_registry import CAMERA, LIDAR
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.reports.drive.recorded_drive import CameraView, Drive, PlanCycle
from transdiffuser_planner.reports.drive.thinning import Pace, ThinCloud, Thumbnail, thin_cloud, thumbnail

FRAME_INTERVAL_S = 0.1
IMAGE_INTERVAL_S = 0.25
OBJECT_RANGE_M = 130.0
SAME_COLLISION_S = 1.0


def collect(bag: Path, topics: TopicMap, rig: Rig | None, source: str = ROSBAG) -> Drive:
    """Read a drive once.

    Args:
        bag: rosbag2 folder, .mcap or .db3 file, or what another source reads; a cut-off bag is read up to its end.
        topics: Topic of each input.
        rig: Sensor poses; None takes point clouds as given in base_link.
        source: Name of the log source.

    Returns:
        The drive.

    Raises:
        RecordingError: It cannot be opened.
        EvaluationError: It holds no messages or no odometry.
    """
    frames = _SensorFrames(rig)
    log = read_log(LogRequest(path=bag, topics=topics, rig=rig, on_input=frames.take, any_ground_truth=True), source)
    _check(log, topics)
    drive = Drive(bag=bag, vehicle=EGO_VEHICLE if rig is None else rig.vehicle, damage=log.damage)
    drive.unread = log.rejected + frames.rejected
    drive.can_report_collisions = bool({"collisions", "objects"} & log.inputs)
    drive.map_name = log.map_name
    drive.map_pieces = [(kind, xy) for kind, xy in log.map_pieces if len(xy) >= 2 and np.isfinite(xy).all()]
    drive.lights, drive.clouds = log.lights, frames.clouds
    _add_ego(drive, log)
    _add_inputs(drive, log)
    _add_objects(drive, log)
    _add_output(drive, log)
    drive.sort()
    drive.views = _views(rig, log.intrinsics)
    cameras = [camera.name for camera in rig.cameras] if rig is not None else []
    order = dict.fromkeys((*cameras, *topics.images))
    drive.images = {name: frames.images[name] for name in order if frames.images.get(name)}
    return drive


class _SensorFrames:
    """Keeps thinned sensor frames while a drive is read."""

    def __init__(self, rig: Rig | None) -> None:
        self.clouds: list[tuple[int, ThinCloud]] = []
        self.images: dict[str, list[tuple[int, Thumbnail]]] = {}
        self.rejected: Counter[str] = Counter()
        self._base_from_lidar = None if rig is None or rig.lidar is None else rig.lidar.base_from_sensor()
        self._paces: dict[str, Pace] = {}

    def take(self, message: LogMessage) -> None:
        """Decode and keep a sensor frame if one is due."""
        if message.name not in (CAMERA.name, LIDAR.name):
            return
        interval_s = IMAGE_INTERVAL_S if message.name == CAMERA.name else FRAME_INTERVAL_S
        key = f"{message.name} {message.camera}"
        if not self._paces.setdefault(key, Pace(interval_s)).is_due(message.stamp_ns):
            return
        try:
            value = message.decode()
            if message.name == CAMERA.name:
                self.images.setdefault(message.camera, []).append((message.stamp_ns, thumbnail(value.rgb_HW3)))
            else:
                self._add_cloud(message.stamp_ns, value.xyz_N3)
        except InputError as error:
            self.rejected[str(error)] += 1

    def _add_cloud(self, stamp_ns: int, xyz_N3: Any) -> None:
        if self._base_from_lidar is not None:
            transform = self._base_from_lidar.astype(np.float32)
            xyz_N3 = xyz_N3 @ transform[:3, :3].T + transform[:3, 3]
        self.clouds.append((stamp_ns, thin_cloud(xyz_N3)))


def _check(log: DriveLog, topics: TopicMap) -> None:
    """Refuse a drive without odometry.

    Raises:
        EvaluationError: There is none, or none that can be read.
    """
    why = log.why_no_odometry(topics)
    if why:
        raise EvaluationError(why if "--topics" in why else f"{why}; nothing to report on")


def _add_ego(drive: Drive, log: DriveLog) -> None:
    """Keep odometry of increasing stamps at the page's frame rate."""
    pace, newest_ns, rows = Pace(FRAME_INTERVAL_S), None, []
    for ego in log.ego.states:
        if newest_ns is not None and ego.stamp_ns <= newest_ns:
            drive.unread["odometry: its stamp does not follow the one before"] += 1
            continue
        newest_ns = ego.stamp_ns
        if pace.is_due(ego.stamp_ns):
            speed_mps = float(np.hypot(ego.vx_mps, ego.vy_mps))
            rows.append((ego.stamp_ns, (ego.x_m, ego.y_m, ego.heading_rad), speed_mps, ego.frame_id))
    drive.stamp_ns_F = np.asarray([row[0] for row in rows], dtype=np.int64)
    drive.pose_F3 = np.asarray([row[1] for row in rows], dtype=np.float64)
    drive.pose_F3[:, 2] = np.unwrap(drive.pose_F3[:, 2])
    drive.speed_F = np.asarray([row[2] for row in rows], dtype=np.float64)
    drive.frame_id = rows[-1][3]


def _add_inputs(drive: Drive, log: DriveLog) -> None:
    """Keep the changes of slow inputs, and one collision for each time that the ego touches another agent."""
    drive.routes = [(stamp_ns, route.xy_N2) for stamp_ns, route in log.routes]
    drive.commands = _changes(log.commands)
    drive.limits_mps = _changes(log.speed_limits)
    drive.signals = _changes([(s.stamp_ns, (s.state, round(s.distance_m))) for s in log.signals])
    drive.light_states = _changes(log.light_states)
    last_ns: dict[int, int] = {}
    for stamp_ns, other in log.collisions:
        if other not in last_ns or stamp_ns - last_ns[other] > SAME_COLLISION_S * 1e9:
            drive.collisions.append((stamp_ns, other))
        last_ns[other] = stamp_ns


def _add_objects(drive: Drive, log: DriveLog) -> None:
    """Keep the agents near the ego at the page's frame rate."""
    pace = Pace(FRAME_INTERVAL_S)
    for stamp_ns, agents in log.agents.snapshots:
        if not pace.is_due(stamp_ns):
            continue
        values = (agents.x_m_N, agents.y_m_N, agents.heading_rad_N, agents.speed_mps_N)
        agents = agents.select(np.asarray(np.isfinite(values).all(axis=0)))
        x_m, y_m, _ = drive.pose_F3[max(int(np.searchsorted(drive.stamp_ns_F, stamp_ns, side="right")) - 1, 0)]
        distance_m_N = np.asarray(np.hypot(agents.x_m_N - x_m, agents.y_m_N - y_m))
        drive.objects.append((stamp_ns, agents.select(np.flatnonzero(distance_m_N < OBJECT_RANGE_M))))


def _add_output(drive: Drive, log: DriveLog) -> None:
    """Join the parts of each planning cycle by their stamp."""
    output = log.output
    for part, values in (
        ("trajectory", output.trajectories),
        ("candidates", output.candidates),
        ("agents", output.predicted_agents),
        ("status", output.statuses),
    ):
        for value in values:
            setattr(drive.cycles.setdefault(value.stamp_ns, PlanCycle()), part, value)


def _views(rig: Rig | None, intrinsics: dict[str, CameraIntrinsics]) -> dict[str, CameraView]:
    """Cameras of the rig, with the recorded intrinsics where they are usable."""
    found = {}
    for mount in rig.cameras if rig is not None else ():
        own = CameraIntrinsics(
            width=mount.width, height=mount.height, fx=mount.fx, fy=mount.fy, cx=mount.cx, cy=mount.cy
        )
        recorded = intrinsics.get(mount.name, own)
        is_usable = recorded.fx > 0.0 and recorded.fy > 0.0 and recorded.width > 0 and recorded.height > 0
        found[mount.name] = CameraView(
            intrinsics=recorded if is_usable else own,
            camera_from_base_34=np.asarray(np.linalg.inv(mount.base_from_sensor())[:3], dtype=np.float64),
        )
    return found


def _changes(timed: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Keep only values that differ from the one before."""
    return [pair for i, pair in enumerate(timed) if i == 0 or timed[i - 1][1] != pair[1]]
