"""One bag -> the plain values that its report shows: everything timed, thinned, and in the odometry's frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import EvaluationError, InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.data.bags.bag_reader import BagMessage, BagReader
from transdiffuser_planner.messages import decode_inputs, decode_outputs
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.planning.observation.ego_history import odometry_in_base
from transdiffuser_planner.reports.drive.recorded_drive import CameraView, Drive, PlanCycle, TrafficLight
from transdiffuser_planner.reports.drive.thinning import Pace, thin_cloud, thumbnail

FRAME_INTERVAL_S = 0.1
PICTURE_INTERVAL_S = 0.25
OBJECT_RANGE_M = 130.0
SAME_COLLISION_S = 1.0

_ODOMETRY = "nav_msgs/msg/Odometry"
_LIGHT_STATUS = "carla_msgs/msg/CarlaTrafficLightStatusList"
_LIGHT_INFO = "carla_msgs/msg/CarlaTrafficLightInfoList"
_COLLISION = "carla_msgs/msg/CarlaCollisionEvent"
_MAP = "transdiffuser_msgs/msg/MapPolygons"
_OBJECTS = "derived_object_msgs/msg/ObjectArray"

Taker = Callable[[Any, int], None]


def collect(bag: Path, topics: TopicMap, rig: Rig | None) -> Drive:
    """Read a bag once.

    Args:
        bag: rosbag2 folder, .mcap or .db3 file; one that ends in the middle is read up to there.
        topics: Which topic carries what.
        rig: Sensor poses; None takes clouds as given in base_link.

    Raises:
        RecordingError: It cannot be opened.
        EvaluationError: It holds no messages or no odometry.
    """
    with BagReader(bag) as reader:
        held = reader.topics()
        if not held:
            raise EvaluationError(f"bag {bag}: holds no messages; nothing to report on")
        if held.get(topics.odometry) != _ODOMETRY:
            listed = ", ".join(sorted(held))
            raise EvaluationError(
                f"bag {bag}: holds no odometry on '{topics.odometry}'; it has {listed}; choose --preset or give --topics"
            )
        collector = _Collector(bag, topics, rig, held)
        for item in reader.messages(set(collector.takers)):
            collector.take(item)
        return collector.finish(reader.damage)


def output_topics(held: dict[str, str]) -> dict[str, str]:
    """Planner output name -> topic: the usual one, else the first of its type.

    Args:
        held: Topic -> type name of the bag.
    """
    found = {}
    for name in ("trajectory", "candidates", "predicted_agents", "status"):
        of_type = sorted(topic for topic, kind in held.items() if kind == OUTPUT_TYPES[name])
        usual = f"{OUTPUT_NAMESPACE}/{name}"
        if of_type:
            found[name] = usual if usual in of_type else of_type[0]
    return found


class _Collector:
    """Takes messages in and keeps what the report needs."""

    def __init__(self, bag: Path, topics: TopicMap, rig: Rig | None, held: dict[str, str]) -> None:
        self._drive = Drive(bag=bag, vehicle=EGO_VEHICLE if rig is None else rig.vehicle)
        self._rig = rig
        self._ego: list[tuple[int, float, float, float, float]] = []
        self._newest_ns: int | None = None
        self._intrinsics: dict[str, CameraIntrinsics] = {}
        self._last_contact_ns: dict[int, int] = {}
        self._odometry_pace, self._object_pace, self._cloud_pace = (Pace(FRAME_INTERVAL_S) for _ in range(3))
        self.takers = self._find_takers(topics, held)
        self._drive.can_report_collisions = bool({_COLLISION, _OBJECTS} & set(held.values()))

    def _find_takers(self, topics: TopicMap, held: dict[str, str]) -> dict[str, Taker]:
        """Topic of the bag -> what takes its messages in."""
        takers: dict[str, Taker] = {
            topics.odometry: self._odometry,
            topics.lidar: self._cloud,
            topics.route: self._route,
            topics.command: self._command,
            topics.speed_limit: self._limit,
            topics.traffic_signal: self._signal,
        }
        takers |= {topic: self._picture_taker(name) for name, topic in topics.images.items()}
        takers |= {topic: self._info_taker(name) for name, topic in topics.camera_infos.items()}
        by_type = {_LIGHT_STATUS: self._light_states, _LIGHT_INFO: self._light_info, _COLLISION: self._collision}
        by_type |= {_MAP: self._map, _OBJECTS: self._objects}
        takers |= {topic: by_type[kind] for topic, kind in held.items() if kind in by_type}
        takers |= {topic: self._plan_taker(name) for name, topic in output_topics(held).items()}
        return {topic: taker for topic, taker in takers.items() if topic in held}

    def take(self, item: BagMessage) -> None:
        """One message; those without a stamp count as of the newest odometry."""
        message = item.message
        if hasattr(message, "header"):
            stamp_ns = decode_inputs.stamp_ns(message)
        else:
            stamp_ns = item.log_time_ns if self._newest_ns is None else self._newest_ns
        try:
            self.takers[item.topic](message, stamp_ns)
        except InputError as error:
            self._drive.unread[str(error)] += 1

    def finish(self, damage: str) -> Drive:
        """The drive, after the last message."""
        drive = self._drive
        if not self._ego:
            why = damage or "; ".join(drive.unread) or "no message"
            raise EvaluationError(f"bag {drive.bag}: holds no usable odometry ({why}); nothing to report on")
        drive.damage = damage
        drive.stamp_ns_F = np.asarray([row[0] for row in self._ego], dtype=np.int64)
        drive.pose_F3 = np.asarray([row[1:4] for row in self._ego], dtype=np.float64)
        drive.pose_F3[:, 2] = np.unwrap(drive.pose_F3[:, 2])
        drive.speed_F = np.asarray([row[4] for row in self._ego], dtype=np.float64)
        drive.sort()
        drive.views = self._views()
        drive.pictures = {name: drive.pictures[name] for name in self._camera_order() if drive.pictures.get(name)}
        return drive

    def _camera_order(self) -> list[str]:
        rig_names = [camera.name for camera in self._rig.cameras] if self._rig is not None else []
        return [*rig_names, *(name for name in self._drive.pictures if name not in rig_names)]

    def _odometry(self, message: Any, stamp_ns: int) -> None:
        offset_m = self._rig.base_from_odometry_child_x_m if self._rig is not None else 0.0
        ego = odometry_in_base(decode_inputs.odometry(message), offset_m)
        if self._newest_ns is not None and stamp_ns <= self._newest_ns:
            raise InputError("odometry: its stamp does not follow the one before")
        self._newest_ns = stamp_ns
        if not self._odometry_pace.is_due(stamp_ns):
            return
        self._ego.append((stamp_ns, ego.x_m, ego.y_m, ego.heading_rad, float(np.hypot(ego.vx_mps, ego.vy_mps))))
        self._drive.frame_id = ego.frame_id

    def _cloud(self, message: Any, stamp_ns: int) -> None:
        if not self._cloud_pace.is_due(stamp_ns):
            return
        xyz_N3 = decode_inputs.point_cloud(message).xyz_N3
        if self._rig is not None and self._rig.lidar is not None:
            transform = self._rig.lidar.base_from_sensor().astype(np.float32)
            xyz_N3 = xyz_N3 @ transform[:3, :3].T + transform[:3, 3]
        self._drive.clouds.append((stamp_ns, thin_cloud(xyz_N3)))

    def _picture_taker(self, name: str) -> Taker:
        pace, kept = Pace(PICTURE_INTERVAL_S), self._drive.pictures.setdefault(name, [])

        def take(message: Any, stamp_ns: int) -> None:
            if pace.is_due(stamp_ns):
                kept.append((stamp_ns, thumbnail(decode_inputs.image(message, name).rgb_HW3)))

        return take

    def _info_taker(self, name: str) -> Taker:
        def take(message: Any, stamp_ns: int) -> None:
            self._intrinsics[name] = decode_inputs.intrinsics(message)

        return take

    def _views(self) -> dict[str, CameraView]:
        """Cameras of the rig, with the recorded intrinsics where there are any that make sense."""
        found = {}
        for mount in self._rig.cameras if self._rig is not None else ():
            own = CameraIntrinsics(
                width=mount.width, height=mount.height, fx=mount.fx, fy=mount.fy, cx=mount.cx, cy=mount.cy
            )
            recorded = self._intrinsics.get(mount.name, own)
            is_usable = recorded.fx > 0.0 and recorded.fy > 0.0 and recorded.width > 0 and recorded.height > 0
            found[mount.name] = CameraView(
                intrinsics=recorded if is_usable else own,
                camera_from_base_34=np.linalg.inv(mount.base_from_sensor())[:3],
            )
        return found

    def _plan_taker(self, name: str) -> Taker:
        read: Callable[[Any], Any] = getattr(decode_outputs, name)
        part = "agents" if name == "predicted_agents" else name

        def take(message: Any, stamp_ns: int) -> None:
            value = read(message)
            setattr(self._drive.cycles.setdefault(stamp_ns, PlanCycle()), part, value)

        return take

    def _route(self, message: Any, stamp_ns: int) -> None:
        self._drive.routes.append((stamp_ns, decode_inputs.route(message).xy_N2))

    def _command(self, message: Any, stamp_ns: int) -> None:
        _append_change(self._drive.commands, stamp_ns, decode_inputs.driving_command(message))

    def _limit(self, message: Any, stamp_ns: int) -> None:
        if np.isfinite(message.data):
            _append_change(self._drive.limits_mps, stamp_ns, float(message.data))

    def _signal(self, message: Any, stamp_ns: int) -> None:
        signal = decode_inputs.traffic_signal(message)
        _append_change(self._drive.signals, stamp_ns, (signal.state, round(signal.distance_m)))

    def _light_states(self, message: Any, stamp_ns: int) -> None:
        _append_change(self._drive.light_states, stamp_ns, decode_inputs.traffic_light_states(message))

    def _light_info(self, message: Any, stamp_ns: int) -> None:
        self._drive.lights = [
            TrafficLight(
                number=int(light.id),
                x_m=float(light.transform.position.x),
                y_m=float(light.transform.position.y),
                facing_rad=decode_inputs.yaw_of(light.transform.orientation),
            )
            for light in message.traffic_lights
        ]

    def _collision(self, message: Any, stamp_ns: int) -> None:
        """A simulator tells of a contact at every step while it lasts; that is one collision."""
        other = int(message.other_actor_id)
        last_ns = self._last_contact_ns.get(other)
        self._last_contact_ns[other] = stamp_ns
        if last_ns is None or stamp_ns - last_ns > SAME_COLLISION_S * 1e9:
            self._drive.collisions.append((stamp_ns, other))

    def _map(self, message: Any, stamp_ns: int) -> None:
        pieces = decode_inputs.map_polygons(message)
        self._drive.map_name = str(message.name)
        self._drive.map_pieces = [(kind, xy) for kind, xy in pieces if len(xy) >= 2 and np.isfinite(xy).all()]

    def _objects(self, message: Any, stamp_ns: int) -> None:
        if not self._object_pace.is_due(stamp_ns):
            return
        agents = decode_inputs.object_array(message)
        values = (agents.x_m_N, agents.y_m_N, agents.heading_rad_N, agents.speed_mps_N)
        agents = agents.select(np.isfinite(values).all(axis=0))
        if self._ego:
            _, x_m, y_m, _, _ = self._ego[-1]
            agents = agents.select(np.hypot(agents.x_m_N - x_m, agents.y_m_N - y_m) < OBJECT_RANGE_M)
        self._drive.objects.append((stamp_ns, agents))


def _append_change(kept: list[tuple[int, Any]], stamp_ns: int, value: Any) -> None:
    """Append only what differs from the value before."""
    if not kept or kept[-1][1] != value:
        kept.append((stamp_ns, value))
