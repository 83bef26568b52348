"""The planner's inputs, each declared once: node, replay, doctor and remapping read this list.

A new input is one entry here, a field of ``TopicMap`` and a method of ``SnapshotSink``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
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
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.topic_map import TopicMap

COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
COMPRESSED_SUFFIX = "/compressed"
LABELS_TOPIC = "/ground_truth/labels"
"""Ground truth for the view head: below it one topic per camera, mono8 images of ``core.view_semantics.ViewClass``."""
PRIVATE_PREFIX = "~/input/"
GROUND_TRUTH_TYPES = {
    "objects": ("derived_object_msgs/msg/ObjectArray",),
    "map": ("transdiffuser_msgs/msg/MapPolygons",),
}
"""Ground truth for labels and scores: field of ``TopicMap`` -> message types; the planner does not receive it."""


class SnapshotSink(Protocol):
    """Receives decoded values; each call returns the reason for rejecting a value, or None."""

    def add_image(self, image: CameraImage) -> str | None:
        """Add a camera image."""
        ...

    def add_intrinsics(self, name: str, intrinsics: CameraIntrinsics) -> str | None:
        """Set the intrinsics of a camera."""
        ...

    def add_cloud(self, cloud: PointCloud) -> str | None:
        """Add a point cloud."""
        ...

    def add_odometry(self, ego: EgoState) -> str | None:
        """Add an ego state."""
        ...

    def add_acceleration(self, acceleration: Acceleration) -> str | None:
        """Add an acceleration."""
        ...

    def add_route(self, route: Route) -> str | None:
        """Set or withdraw the route."""
        ...

    def add_command(self, stamp_ns: int, command: DrivingCommand) -> str | None:
        """Set the driving command."""
        ...

    def add_signal(self, signal: TrafficSignal) -> str | None:
        """Set the next traffic signal."""
        ...

    def add_speed_limit(self, stamp_ns: int, speed_limit_mps: float) -> str | None:
        """Set the speed limit."""
        ...

    def add_action_tokens(self, tokens: ActionTokens) -> str | None:
        """Set the action tokens."""
        ...


class InputQos(Enum):
    """QoS of an input's subscription; ``ros.qos`` has the profiles."""

    SENSOR = "best effort"
    RELIABLE = "reliable"
    LATCHED = "reliable, transient local"


class Need(Enum):
    """Effect of a missing input.

    Attributes:
        ALWAYS: No plan.
        BY_CONFIG: No plan if ``min_cameras`` or ``require_lidar`` require it, else masked.
        MASKED: Masked, and every plan names it as missing.
        UNREPORTED: Masked or replaced; reported as missing only after its first message, as few vehicles have it.
    """

    ALWAYS = "always"
    BY_CONFIG = "by configuration"
    MASKED = "masked"
    UNREPORTED = "unreported"


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """One input of the planner.

    Attributes:
        name: The first word of its name in findings and, unless it is a camera's, its field of ``TopicMap``.
        message_types: Accepted types.
        decode: (message, camera) -> value; raises InputError.
        add: (sink, value, time of reception in ns, camera) -> reason for rejecting the value, or None.
        description: Human-readable, one phrase.
        need: Effect of a missing input.
        qos: QoS of the subscription.
        map_field: The field of ``TopicMap`` with a topic per camera; "" for inputs that exist once.
        camera_path: Suffix of its topic below ``~/input/`` if that is not the name.
        is_frame: Whether its messages make up sensor frames.
        has_header: Whether its messages begin with a header.
        is_aligned: Whether its stamps are compared with the frame's.
        is_found_by_type: Whether its message type identifies it.
    """

    name: str
    message_types: tuple[str, ...]
    decode: Callable[[Any, str], Any]
    add: Callable[[SnapshotSink, Any, int, str], str | None]
    description: str
    need: Need = Need.MASKED
    qos: InputQos = InputQos.SENSOR
    map_field: str = ""
    camera_path: str = ""
    is_frame: bool = False
    has_header: bool = True
    is_aligned: bool = True
    is_found_by_type: bool = True

    @property
    def is_every_cycle(self) -> bool:
        """Whether every planning cycle needs a new message of it."""
        return self.need in (Need.ALWAYS, Need.BY_CONFIG)

    def topics(self, topic_map: TopicMap) -> dict[str, str]:
        """Return its topics: camera name ("" for inputs that exist once) -> topic."""
        found: dict[str, str] = (
            getattr(topic_map, self.map_field) if self.map_field else {"": getattr(topic_map, self.name)}
        )
        return {camera: topic for camera, topic in found.items() if topic}

    def private_topic(self, camera: str = "", message_type: str = "") -> str:
        """Return the node's own topic; compressed images have a separate one."""
        suffix = COMPRESSED_SUFFIX if message_type == COMPRESSED_IMAGE else ""
        return f"{PRIVATE_PREFIX}{self.camera_path.format(camera=camera) or self.name}{suffix}"

    def title(self, camera: str = "") -> str:
        """Return its name in findings, for example "lidar" or "camera_info rgb_left"."""
        return f"{self.name} {camera}" if self.map_field else self.name


CAMERA = InputSpec(
    name="camera",
    message_types=("sensor_msgs/msg/Image", COMPRESSED_IMAGE),
    decode=decode_inputs.image,
    add=lambda sink, image, _time, _camera: sink.add_image(image),
    description="rectified images, or JPEG or PNG",
    need=Need.BY_CONFIG,
    map_field="images",
    camera_path="camera/{camera}",
    is_frame=True,
)
CAMERA_INFO = InputSpec(
    name="camera_info",
    message_types=("sensor_msgs/msg/CameraInfo",),
    decode=lambda message, _camera: decode_inputs.intrinsics(message),
    add=lambda sink, intrinsics, _time, camera: sink.add_intrinsics(camera, intrinsics),
    description="intrinsics that replace the rig's",
    need=Need.UNREPORTED,
    map_field="camera_infos",
    camera_path="camera/{camera}/camera_info",
    is_aligned=False,
)
LIDAR = InputSpec(
    name="lidar",
    message_types=("sensor_msgs/msg/PointCloud2",),
    decode=lambda message, _camera: decode_inputs.point_cloud(message),
    add=lambda sink, cloud, _time, _camera: sink.add_cloud(cloud),
    description="point clouds in the sensor's frame",
    need=Need.BY_CONFIG,
    is_frame=True,
)
ODOMETRY = InputSpec(
    name="odometry",
    message_types=("nav_msgs/msg/Odometry",),
    decode=lambda message, _camera: decode_inputs.odometry(message),
    add=lambda sink, ego, _time, _camera: sink.add_odometry(ego),
    description="pose and speed; its stamp is the clock of replays",
    need=Need.ALWAYS,
)
ACCELERATION = InputSpec(
    name="acceleration",
    message_types=("geometry_msgs/msg/AccelWithCovarianceStamped",),
    decode=lambda message, _camera: decode_inputs.acceleration(message),
    add=lambda sink, acceleration, _time, _camera: sink.add_acceleration(acceleration),
    description="acceleration in the body frame",
)
ROUTE = InputSpec(
    name="route",
    message_types=("nav_msgs/msg/Path",),
    decode=lambda message, _camera: decode_inputs.route(message),
    add=lambda sink, route, _time, _camera: sink.add_route(route),
    description="route in the odometry's frame; without poses it is withdrawn",
    qos=InputQos.LATCHED,
    is_aligned=False,
)
COMMAND = InputSpec(
    name="command",
    message_types=("transdiffuser_msgs/msg/DrivingCommand",),
    decode=lambda message, _camera: (decode_inputs.stamp_ns(message), decode_inputs.driving_command(message)),
    add=lambda sink, stamped, _time, _camera: sink.add_command(*stamped),
    description="left, right, straight on or follow the lane",
)
SPEED_LIMIT = InputSpec(
    name="speed_limit",
    message_types=("std_msgs/msg/Float32",),
    decode=lambda message, _camera: float(message.data),
    add=lambda sink, speed_limit_mps, time_ns, _camera: sink.add_speed_limit(time_ns, speed_limit_mps),
    description="speed limit in m/s",
    has_header=False,
    is_aligned=False,
    is_found_by_type=False,
)
TRAFFIC_SIGNAL = InputSpec(
    name="traffic_signal",
    message_types=("transdiffuser_msgs/msg/TrafficSignal",),
    decode=lambda message, _camera: decode_inputs.traffic_signal(message),
    add=lambda sink, signal, _time, _camera: sink.add_signal(signal),
    description="state and distance of the route's next traffic light",
)
ACTION_TOKENS = InputSpec(
    name="action_tokens",
    message_types=("transdiffuser_msgs/msg/ActionTokens",),
    decode=lambda message, _camera: decode_inputs.action_tokens(message),
    add=lambda sink, tokens, _time, _camera: sink.add_action_tokens(tokens),
    description="action tokens of a vision-language-action model",
    need=Need.UNREPORTED,
)

INPUTS = (
    CAMERA,
    CAMERA_INFO,
    LIDAR,
    ODOMETRY,
    ACCELERATION,
    ROUTE,
    COMMAND,
    SPEED_LIMIT,
    TRAFFIC_SIGNAL,
    ACTION_TOKENS,
)
SINGLE_INPUTS = tuple(spec for spec in INPUTS if not spec.map_field)
"""Inputs that exist once, not per camera."""
SINGLE_TYPES = {spec.name: spec.message_types for spec in SINGLE_INPUTS} | GROUND_TRUTH_TYPES
"""Every field of ``TopicMap`` with one topic -> message types."""
BY_NAME = {spec.name: spec for spec in INPUTS}


def mapped_inputs(topic_map: TopicMap) -> Iterator[tuple[InputSpec, str, str]]:
    """Yield (input, camera or "", topic) of every input of a map."""
    for spec in INPUTS:
        for camera, topic in spec.topics(topic_map).items():
            yield spec, camera, topic


def private_topics(rig: Rig) -> TopicMap:
    """Return the node's own topics for every possible input of a rig."""
    cameras = [camera.name for camera in rig.cameras]
    single = {spec.name: spec.private_topic() for spec in SINGLE_INPUTS if spec is not LIDAR or rig.lidar is not None}
    return TopicMap(
        images={camera: CAMERA.private_topic(camera) for camera in cameras},
        camera_infos={camera: CAMERA_INFO.private_topic(camera) for camera in cameras},
        **single,
    )


def is_needed(spec: InputSpec, config: PlannerConfig, num_cameras: int) -> bool:
    """Whether planning needs an input.

    Args:
        spec: The input.
        config: Its ``min_cameras`` and ``require_lidar`` count.
        num_cameras: Number of the rig's cameras.
    """
    if spec is CAMERA:
        return config.min_cameras >= num_cameras
    return spec.need is Need.ALWAYS or (spec is LIDAR and config.require_lidar)
