"""Plays a bag to a planner node over DDS, frame by frame, and compares the node's plans with the replay's.

The replay runs in this process: after its plan for a frame, it waits for the node's plan of the same stamp before the next
message is published. A slow machine therefore delays the drive instead of dropping frames. A node that waits for a sensor which
the bag does not hold, or which is late, sees its clock go on meanwhile; then the clock returns to the drive's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from rclpy.node import Node

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.types import PlanResult, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.bags.bag_reader import BagMessage
from transdiffuser_planner.messages import decode_outputs, encode_inputs, encode_outputs
from transdiffuser_planner.messages.decode_inputs import stamp_ns
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.messages.input_registry import COMPRESSED_IMAGE, COMPRESSED_SUFFIX, LIDAR
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.replay.bag_planner import Cycle
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

READY_TIMEOUT_S = 30.0
PLAN_TIMEOUT_S = 10.0
HEAD_START_S = 0.03
_PATIENCE_S = {True: 0.25, False: 3.0}
"""Whether a sensor is missing -> how long a plan may take before the clock goes on: only a node that waits needs the clock."""
_TICK_S, _TICK_NS, _MAX_AHEAD_NS = 0.03, 40_000_000, 320_000_000
"""The clock goes on in small steps, farther than the node waits and less than makes its inputs too old."""


def write_reliable_inputs(topics: TopicMap, path: Path) -> Path:
    """Write a parameter file that makes a node's inputs reliable, so that no message is lost under load.

    Args:
        topics: Topics of the inputs.
        path: New file.

    Returns:
        The file.
    """
    overrides = {topic: {"subscription": {"reliability": "reliable"}} for topic in sorted(topics.all_topics())}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"qos_overrides": overrides}}}), encoding="utf-8")
    return path


class PlayError(PlannerError):
    """The planner node could not be reached."""


@dataclass(kw_only=True, slots=True)
class PlayResult:
    """Comparison of the node's plans with the replay's.

    Attributes:
        num_plans: Plans of the replay.
        num_received: Plans of the same stamp that the node published in time.
        num_identical: Published plans that are equal in every digit of the message.
    """

    num_plans: int = 0
    num_received: int = 0
    num_identical: int = 0


def live_names(topics: TopicMap, bag_topics: Mapping[str, str]) -> dict[str, str]:
    """Return topic of the bag -> topic on DDS of images: the node detects compression by the topic's name.

    Args:
        topics: Meaning of the bag's topics.
        bag_topics: Topic -> type.
    """
    renamed = {}
    for topic in topics.images.values():
        is_compressed, is_named_so = bag_topics.get(topic) == COMPRESSED_IMAGE, topic.endswith(COMPRESSED_SUFFIX)
        if topic in bag_topics and is_compressed != is_named_so:
            renamed[topic] = f"{topic}{COMPRESSED_SUFFIX}" if is_compressed else f"{topic}/raw"
    return renamed


class BagPlayer(Node):  # type: ignore[misc]
    """Publishes the planner's inputs of one bag; the newest odometry's stamp is the time on /clock."""

    def __init__(self, topics: TopicMap, renamed: Mapping[str, str], vehicle: VehicleModel) -> None:
        """Subscribe to the planner's trajectory.

        Args:
            topics: Meaning of the bag's topics.
            renamed: Topic of the bag -> topic on DDS, if they differ.
            vehicle: The replay's vehicle, for the front-wheel angles of its plans.
        """
        super().__init__("transdiffuser_bag_player")
        self._topics, self._renamed, self._vehicle = topics, renamed, vehicle
        self._input_topics = topics.all_topics() - {topics.objects, topics.map}
        self._publishers_by_topic: dict[str, Any] = {}
        self._sensors = {*topics.images.values(), *topics.camera_infos.values(), topics.lidar}
        self._sensor_names = {*topics.images, LIDAR.name}
        self._sensors_follow = False
        self._plans: dict[int, Trajectory] = {}
        self._now_ns = 0
        self.result = PlayResult()
        self._clock = self.create_publisher(message_class("rosgraph_msgs/msg/Clock"), "/clock", RELIABLE)
        kind = message_class(OUTPUT_TYPES["trajectory"])
        self.create_subscription(kind, f"{OUTPUT_NAMESPACE}/trajectory", self._on_plan, RELIABLE)

    def wait_for_planner(self, bag_topics: dict[str, str]) -> None:
        """Wait until a planner subscribes to every input topic of the bag.

        Args:
            bag_topics: Topic -> type.

        Raises:
            PlayError: A topic has no subscriber in time.
        """
        for topic in sorted(self._input_topics & set(bag_topics)):
            qos = LATCHED if topic == self._topics.route else RELIABLE
            self._publishers_by_topic[topic] = self.create_publisher(
                message_class(bag_topics[topic]), self._renamed.get(topic, topic), qos
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not all(publisher.get_subscription_count() for publisher in self._publishers_by_topic.values()):
            if time.monotonic() > deadline:
                unmatched = [
                    topic
                    for topic, publisher in self._publishers_by_topic.items()
                    if not publisher.get_subscription_count()
                ]
                raise PlayError(f"no planner subscribes to {', '.join(unmatched)} after {READY_TIMEOUT_S:.0f} s")
            rclpy.spin_once(self, timeout_sec=0.05)

    def play(self, item: BagMessage) -> None:
        """Publish one message of the bag unchanged.

        Args:
            item: The message; other topics than inputs are skipped.
        """
        publisher = self._publishers_by_topic.get(item.topic)
        if publisher is None:
            return
        if item.topic in self._sensors and not self._sensors_follow:
            # Other messages of the frame must arrive before the sensor messages that complete it.
            self._spin_for(HEAD_START_S)
        self._sensors_follow = item.topic in self._sensors
        if item.topic == self._topics.odometry:
            self._now_ns = stamp_ns(item.message)
            self._publish_clock(self._now_ns)
        publisher.publish(bytes(item.raw))
        rclpy.spin_once(self, timeout_sec=0.0)

    def compare(self, cycle: Cycle) -> None:
        """Wait for the node's plan of a replay cycle and compare; fallbacks are skipped, as they depend on the clock.

        Args:
            cycle: Cycle of the replay.
        """
        if not isinstance(cycle.outcome, PlanResult) or not cycle.is_planned:
            return
        self.result.num_plans += 1
        self._wait_for_plan(cycle.stamp_ns, is_waiting=bool(self._sensor_names & {*cycle.outcome.provenance.missing}))
        node_plan = self._plans.pop(cycle.stamp_ns, None)
        if node_plan is None:
            return
        self.result.num_received += 1
        replay_message = encode_outputs.trajectory(make_ros_message, cycle.outcome.trajectory, self._vehicle)
        self.result.num_identical += _same(decode_outputs.trajectory(replay_message), node_plan)

    def _wait_for_plan(self, stamp: int, *, is_waiting: bool) -> None:
        """Wait for the node's plan of a stamp; the clock goes on when it does not come.

        Args:
            stamp: Of the frame.
            is_waiting: A sensor is missing in the frame, so that the node waits for it.
        """
        deadline, ahead_ns = time.monotonic() + PLAN_TIMEOUT_S, 0
        self._spin_for(_PATIENCE_S[is_waiting], until=stamp)
        while stamp not in self._plans and time.monotonic() < deadline:
            if ahead_ns < _MAX_AHEAD_NS:
                ahead_ns += _TICK_NS
                self._publish_clock(self._now_ns + ahead_ns)
            self._spin_for(_TICK_S, until=stamp)
        if ahead_ns:
            self._publish_clock(self._now_ns)

    def _publish_clock(self, now_ns: int) -> None:
        self._clock.publish(encode_inputs.clock(make_ros_message, now_ns))

    def _spin_for(self, seconds: float, until: int | None = None) -> None:
        """Spin for a time, or until the node's plan of a stamp has arrived."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0.0 and until not in self._plans:
            rclpy.spin_once(self, timeout_sec=min(left, 0.02))

    def _on_plan(self, message: Any) -> None:
        plan = decode_outputs.trajectory(message)
        self._plans[plan.stamp_ns] = plan


def _same(a: Trajectory, b: Trajectory) -> bool:
    """Whether two trajectories are equal in every number, at the message's precision."""
    exact = ("time_s_T", "x_m_T", "y_m_T", "heading_rad_T")
    single = ("speed_mps_T", "accel_mps2_T", "curvature_per_m_T")  # float32 in the message
    return (
        a.frame_id == b.frame_id
        and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in exact)
        and all(np.array_equal(*(getattr(t, name).astype(np.float32) for t in (a, b))) for name in single)
    )
