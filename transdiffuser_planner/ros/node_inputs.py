"""The planner node's subscriptions: every message is decoded here, once, and handed on as a value."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, Protocol

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.recording.decode import stamp_ns
from transdiffuser_planner.recording.feed import MessageFeeder
from transdiffuser_planner.recording.topics import TopicMap
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import LATCHED, SENSOR_INPUT
from transdiffuser_planner.runtime.input_rates import InputRates
from transdiffuser_planner.runtime.snapshot_assembler import SnapshotAssembler

_OPTIONAL_INPUTS = {
    "acceleration": "geometry_msgs/msg/AccelWithCovarianceStamped",
    "command": "transdiffuser_msgs/msg/DrivingCommand",
    "speed_limit": "std_msgs/msg/Float32",
    "traffic_signal": "transdiffuser_msgs/msg/TrafficSignal",
    "action_tokens": "transdiffuser_msgs/msg/ActionTokens",
}


def input_topics(rig: Rig) -> TopicMap:
    """The node's private inputs; compressed pictures come on ``~/input/camera/<name>/compressed``."""
    return TopicMap(
        images={camera.name: f"~/input/camera/{camera.name}" for camera in rig.cameras},
        camera_infos={camera.name: f"~/input/camera/{camera.name}/camera_info" for camera in rig.cameras},
        lidar="~/input/lidar" if rig.lidar is not None else "",
        odometry="~/input/odometry",
        route="~/input/route",
        **{name: f"~/input/{name}" for name in _OPTIONAL_INPUTS},
    )


def input_name(topic: str) -> str:
    """How an input is called in words: the sensor's name in the rig, or the topic's last part."""
    return topic.removeprefix("~/input/").removeprefix("camera/")


class Received(Protocol):
    """Told of every message."""

    def __call__(self, key: str, arrived_s: float, reason: str | None, *, is_sensor: bool) -> None:
        """A message of topic ``key`` arrived on ``time.perf_counter``; reason says why it was refused, or is None."""


class NodeInputs:
    """Subscriptions of one configured node."""

    def __init__(
        self, node: Node, rig: Rig, assembler: SnapshotAssembler, received: Received, noted: Callable[[str, str], None]
    ) -> None:
        """Subscribe to everything the rig has.

        Args:
            node: Owns the subscriptions and knows the time.
            rig: The vehicle's sensors.
            assembler: Takes the values.
            received: Told afterwards.
            noted: Called with (key, text) for what is unusual about messages that were taken.
        """
        self._node, self._received, self._noted = node, received, noted
        self._assembler, self.rates = assembler, InputRates()
        topics = input_topics(rig)
        self._feeder = MessageFeeder(topics, assembler)
        self._watched = self._feeder.sensor_topics | {topics.odometry}
        self._subscriptions: list[Subscription] = []
        for name, topic in topics.images.items():
            self._subscribe("sensor_msgs/msg/Image", topic, topic, SENSOR_INPUT)
            self._subscribe("sensor_msgs/msg/CompressedImage", f"{topic}/compressed", topic, SENSOR_INPUT)
            info = topics.camera_infos[name]
            self._subscribe("sensor_msgs/msg/CameraInfo", info, info, SENSOR_INPUT)
        if topics.lidar:
            self._subscribe("sensor_msgs/msg/PointCloud2", topics.lidar, topics.lidar, SENSOR_INPUT)
        self._subscribe("nav_msgs/msg/Odometry", topics.odometry, topics.odometry, SENSOR_INPUT)
        self._subscribe("nav_msgs/msg/Path", topics.route, topics.route, LATCHED)
        for name, type_name in _OPTIONAL_INPUTS.items():
            self._subscribe(type_name, f"~/input/{name}", f"~/input/{name}", SENSOR_INPUT)

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _subscribe(self, type_name: str, topic: str, key: str, qos: QoSProfile) -> None:
        """Subscribe; key is the name under which the feeder knows the topic.

        The user may override the QoS as for every ROS 2 node: parameters ``qos_overrides.<topic>.subscription.*``.
        """

        def take(message: Any) -> None:
            self._take(key, message)

        self._subscriptions.append(
            self._node.create_subscription(
                message_class(type_name),
                topic,
                take,
                copy.copy(qos),  # overriding changes it
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )

    def _take(self, key: str, message: Any) -> None:
        """The node's outer edge: no fault of one message may end the node."""
        arrived_s = time.perf_counter()
        try:
            reason = self._feeder.feed(key, int(self._node.get_clock().now().nanoseconds), message)
            if not reason:
                self._watch(key, message)
        except Exception as error:
            reason = f"{key}: {type(error).__name__}: {error}"
        self._received(key, arrived_s, reason, is_sensor=key in self._feeder.sensor_topics)

    def _watch(self, key: str, message: Any) -> None:
        """Tell what is unusual about a message that was taken."""
        for remark in self._assembler.take_remarks():
            self._noted(key, remark)
        if key in self._watched:
            remark = self.rates.took(input_name(key), stamp_ns(message))
            if remark:
                self._noted(key, remark)
