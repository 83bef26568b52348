"""Reads a rosbag2 bag into a DriveLog in one pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import (
    Acceleration,
    ActionTokens,
    CameraImage,
    CameraIntrinsics,
    DrivingCommand,
    EgoState,
    PointCloud,
    Route,
    TrafficSignal,
)
from transdiffuser_planner.data.bags.bag_reader import BagMessage, BagReader
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogMessage, LogRequest, PackedLabels, TrafficLight
from transdiffuser_planner.data.logs.tracks import EgoTrack
from transdiffuser_planner.messages import decode_inputs, decode_outputs
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.messages.input_registry import (
    GROUND_TRUTH_TYPES,
    LABELS_TOPIC,
    SINGLE_INPUTS,
    SnapshotSink,
    mapped_inputs,
)
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.missing_fields import reject_missing_fields
from transdiffuser_planner.planning.observation.ego_history import odometry_in_base

CLOCK_RESET_NS = 1_000_000_000
"""Odometry this much older than the one before begins a new drive; odometry that is less older is out of order."""

IMAGE = "sensor_msgs/msg/Image"
_LIGHT_STATUS = "carla_msgs/msg/CarlaTrafficLightStatusList"
_LIGHT_INFO = "carla_msgs/msg/CarlaTrafficLightInfoList"
_COLLISION = "carla_msgs/msg/CarlaCollisionEvent"

_BAG_SUFFIXES = (".mcap", ".db3", ".bag")
_COMPRESSED_SUFFIXES = (".mcap.zstd", ".db3.zstd")

Reader = Callable[[Any, int], None]


def is_rosbag(path: Path) -> bool:
    """Whether a path is a bag: a file of one, or a folder with such files.

    Args:
        path: Any path.
    """
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(is_rosbag(file) for file in path.iterdir() if file.is_file())
    return path.suffix in _BAG_SUFFIXES or path.name.endswith(_COMPRESSED_SUFFIXES)


def read_rosbag(request: LogRequest) -> DriveLog:
    """Read a bag once.

    Args:
        request: ``path`` is a rosbag2 folder, a .mcap, .db3 or ROS 1 .bag file; what is damaged is left out and named.

    Raises:
        RecordingError: It cannot be opened.
    """
    with BagReader(request.path) as bag:
        topics = bag.topics()
        builder = _LogBuilder(request, topics)
        for item in bag.messages(builder.wanted_topics()):
            builder.take(item)
        builder.log.rejected += bag.unreadable
        return builder.finish(bag.damage)


def output_topics(topics: dict[str, str]) -> dict[str, str]:
    """Return the topic of each planner output: the default one, else the first of its type.

    Args:
        topics: Topic -> message type of a bag.
    """
    found = {}
    for name in ("trajectory", "candidates", "predicted_agents", "status"):
        of_type = sorted(topic for topic, kind in topics.items() if kind == OUTPUT_TYPES[name])
        default = f"{OUTPUT_NAMESPACE}/{name}"
        if of_type:
            found[name] = default if default in of_type else of_type[0]
    return found


class _LogBuilder:
    """Fills a log message by message; a SnapshotSink for the planner's inputs that are no sensor frames."""

    def __init__(self, request: LogRequest, topics: dict[str, str]) -> None:
        self.log = DriveLog(path=request.path, topics=topics)
        self._request = request
        self._offset_m = request.rig.base_from_odometry_child_x_m if request.rig is not None else 0.0
        self._ego: list[EgoState] = []
        self._inputs = {topic: (spec, camera) for spec, camera, topic in mapped_inputs(request.topics)}
        self._router = InputRouter(request.topics, self)
        self._delivery: tuple[SnapshotSink, InputRouter] = (self, self._router)
        self._readers = self._find_readers(request, topics)
        named = {spec.name for spec in SINGLE_INPUTS if getattr(request.topics, spec.name) in topics}
        by_type = {_COLLISION: "collisions"} | {types[0]: name for name, types in GROUND_TRUTH_TYPES.items()}
        named |= {by_type[topics[topic]] for topic in self._readers if topics[topic] in by_type}
        self.log.inputs = frozenset(named)

    def _find_readers(self, request: LogRequest, topics: dict[str, str]) -> dict[str, Reader]:
        """Topic -> reader of everything that is no input of the planner."""
        output = self.log.output
        readers: dict[str, Reader] = {
            topic: self._output_reader(getattr(decode_outputs, name), kept)
            for (name, topic), kept in (
                (pair, getattr(output, _OUTPUT_FIELDS[pair[0]])) for pair in output_topics(topics).items()
            )
        }
        by_type: dict[str, Reader] = {
            _LIGHT_STATUS: self._light_states,
            _LIGHT_INFO: self._light_info,
            _COLLISION: self._collision,
        }
        readers |= {topic: by_type[kind] for topic, kind in topics.items() if kind in by_type}
        if request.on_input is not None:
            prefix = f"{LABELS_TOPIC}/"
            for topic in topics:
                if topic.startswith(prefix) and topics[topic] == IMAGE:
                    readers[topic] = partial(self._labels, topic.removeprefix(prefix))
        for name, reader in (("objects", self._agents), ("map", self._map)):
            for topic in _ground_truth_topics(request, topics, name):
                readers[topic] = reader
        return readers

    def wanted_topics(self) -> set[str]:
        """Return the topics to read; those of sensor frames only if they are passed on."""
        passed_on = self._request.on_input is not None
        return set(self._readers) | {topic for topic in self._inputs if passed_on or not self._is_frame(topic)}

    def _is_frame(self, topic: str) -> bool:
        return topic in self._router.sensor_topics

    def take(self, item: BagMessage) -> None:
        """Add one message to the log."""
        if hasattr(item.message, "header"):
            stamp_ns = decode_inputs.stamp_ns(item.message)
        else:
            stamp_ns = self._ego[-1].stamp_ns if self._ego else item.log_time_ns
        if item.topic in self._inputs:
            self._take_input(item, stamp_ns)
        if item.topic in self._readers:
            try:
                with reject_missing_fields(item.topic):
                    self._readers[item.topic](item.message, stamp_ns)
            except InputError as error:
                self.log.rejected[str(error)] += 1

    def _take_input(self, item: BagMessage, stamp_ns: int) -> None:
        if not self._is_frame(item.topic):
            reason = self._router.feed(item.topic, stamp_ns, item.message)
            if reason:
                self.log.rejected[reason] += 1
        if self._request.on_input is not None:
            self._request.on_input(self._log_message(item, stamp_ns))

    def _log_message(self, item: BagMessage, stamp_ns: int) -> LogMessage:
        spec, camera = self._inputs[item.topic]

        def decode() -> Any:
            with reject_missing_fields(item.topic):
                return spec.decode(item.message, camera)

        def deliver(sink: SnapshotSink) -> str | None:
            if self._delivery[0] is not sink:
                self._delivery = (sink, InputRouter(self._request.topics, sink))
            return self._delivery[1].feed(item.topic, item.log_time_ns, item.message)

        return LogMessage(name=spec.name, camera=camera, stamp_ns=stamp_ns, decode=decode, deliver=deliver)

    def finish(self, damage: str) -> DriveLog:
        """Return the log after the last message."""
        self.log.ego, self.log.damage = EgoTrack(self._ego), damage
        return self.log

    def add_image(self, image: CameraImage) -> str | None:
        """Sensor frames are passed on, not kept."""
        return None

    def add_cloud(self, cloud: PointCloud) -> str | None:
        """Sensor frames are passed on, not kept."""
        return None

    def add_action_tokens(self, tokens: ActionTokens) -> str | None:
        """Action tokens are passed on, not kept."""
        return None

    def add_intrinsics(self, name: str, intrinsics: CameraIntrinsics) -> str | None:
        """Keep the newest of each camera."""
        self.log.intrinsics[name] = intrinsics
        return None

    def add_odometry(self, ego: EgoState) -> str | None:
        """Keep odometry in base_link; one that is a little older than the one before is rejected."""
        if self._ego:
            behind_ns = self._ego[-1].stamp_ns - ego.stamp_ns
            if 0 <= behind_ns < CLOCK_RESET_NS:
                return f"odometry: {'repeated' if behind_ns == 0 else 'out-of-order'} stamp"
        self._ego.append(odometry_in_base(ego, self._offset_m))
        return None

    def add_acceleration(self, acceleration: Acceleration) -> str | None:
        """Keep it."""
        self.log.acceleration.append(acceleration)
        return None

    def add_route(self, route: Route) -> str | None:
        """Keep it."""
        self.log.routes.append((route.stamp_ns, route))
        return None

    def add_command(self, stamp_ns: int, command: DrivingCommand) -> str | None:
        """Keep it."""
        self.log.commands.append((stamp_ns, command))
        return None

    def add_signal(self, signal: TrafficSignal) -> str | None:
        """Keep it."""
        self.log.signals.append(signal)
        return None

    def add_speed_limit(self, stamp_ns: int, speed_limit_mps: float) -> str | None:
        """Keep it; a value that is not finite means no limit."""
        if np.isfinite(speed_limit_mps):
            self.log.speed_limits.append((stamp_ns, speed_limit_mps))
        return None

    def _agents(self, message: Any, stamp_ns: int) -> None:
        self.log.agents.add(stamp_ns, decode_inputs.object_array(message))

    def _labels(self, camera: str, message: Any, stamp_ns: int) -> None:
        labels = PackedLabels.of(decode_inputs.label_image(message, f"{LABELS_TOPIC}/{camera}"))
        self.log.view_labels.setdefault(stamp_ns, {})[camera] = labels

    def _map(self, message: Any, _: int) -> None:
        self.log.map_pieces, self.log.map_name = decode_inputs.map_polygons(message), str(message.name)

    def _light_states(self, message: Any, stamp_ns: int) -> None:
        self.log.light_states.append((stamp_ns, decode_inputs.traffic_light_states(message)))

    def _light_info(self, message: Any, _: int) -> None:
        self.log.lights = [
            TrafficLight(
                number=int(light.id),
                x_m=float(light.transform.position.x),
                y_m=float(light.transform.position.y),
                facing_rad=decode_inputs.yaw_of(light.transform.orientation),
            )
            for light in message.traffic_lights
        ]

    def _collision(self, message: Any, stamp_ns: int) -> None:
        self.log.collisions.append((stamp_ns, int(message.other_actor_id)))

    @staticmethod
    def _output_reader(decode: Callable[[Any], Any], kept: list[Any]) -> Reader:
        return lambda message, _: kept.append(decode(message))


_OUTPUT_FIELDS = {
    "trajectory": "trajectories",
    "candidates": "candidates",
    "predicted_agents": "predicted_agents",
    "status": "statuses",
}


def _ground_truth_topics(request: LogRequest, topics: dict[str, str], name: str) -> list[str]:
    """Return the mapped topic of ground truth, else, where requested, those of its type."""
    mapped = getattr(request.topics, name)
    if topics.get(mapped) in GROUND_TRUTH_TYPES[name]:
        return [mapped]
    if not request.any_ground_truth:
        return []
    return [topic for topic, kind in topics.items() if kind in GROUND_TRUTH_TYPES[name]]
