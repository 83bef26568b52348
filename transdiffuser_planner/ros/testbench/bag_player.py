"""Plays a bag to a planner node over DDS, frame by frame, and compares what the node publishes with the replay's plans.

The replay goes on beside it, in this process: when it has a plan for a frame, the node's plan for the same stamp is
waited for before the next message is published. So a slow machine delays the drive instead of losing frames.
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
from transdiffuser_planner.messages.input_registry import COMPRESSED_IMAGE, COMPRESSED_SUFFIX
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.replay.bag_planner import Cycle
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

READY_TIMEOUT_S = 30.0
PLAN_TIMEOUT_S = 10.0
HEAD_START_S = 0.03


def write_reliable_inputs(topics: TopicMap, path: Path) -> Path:
    """A parameter file that makes a node's inputs reliable, so that a busy machine loses nothing on the way."""
    overrides = {topic: {"subscription": {"reliability": "reliable"}} for topic in sorted(topics.all_topics())}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"qos_overrides": overrides}}}), encoding="utf-8")
    return path


class PlayError(PlannerError):
    """The planner node could not be reached."""


@dataclass(kw_only=True, slots=True)
class PlayResult:
    """Counts over the replay's plans.

    Attributes:
        num_plans: Plans of the replay.
        num_received: Those for which the node published a plan of the same stamp in time.
        num_identical: Those whose published plan says the same to the last digit that the message carries.
    """

    num_plans: int = 0
    num_received: int = 0
    num_identical: int = 0


def live_names(topics: TopicMap, bag_topics: Mapping[str, str]) -> dict[str, str]:
    """Topic of the bag -> topic on DDS for pictures: the node tells compressed ones by their topic's name."""
    renamed = {}
    for topic in topics.images.values():
        is_compressed, is_named_so = bag_topics.get(topic) == COMPRESSED_IMAGE, topic.endswith(COMPRESSED_SUFFIX)
        if topic in bag_topics and is_compressed != is_named_so:
            renamed[topic] = f"{topic}{COMPRESSED_SUFFIX}" if is_compressed else f"{topic}/raw"
    return renamed


class BagPlayer(Node):  # type: ignore[misc]
    """Publishes the planner's inputs of one bag; the newest odometry's stamp is the time on /clock."""

    def __init__(self, topics: TopicMap, renamed: Mapping[str, str], vehicle: VehicleModel) -> None:
        """Play the inputs of a map.

        Args:
            topics: What the bag's topics mean.
            renamed: Topic of the bag -> topic on DDS where they differ.
            vehicle: Of the replay, for the front-wheel angles of its plans.
        """
        super().__init__("transdiffuser_bag_player")
        self._topics, self._renamed, self._vehicle = topics, renamed, vehicle
        self._wanted = topics.all_topics() - {topics.objects, topics.map}
        self._makers: dict[str, Any] = {}
        self._sensors = {*topics.images.values(), *topics.camera_infos.values(), topics.lidar}
        self._sensors_follow = False
        self._plans: dict[int, Trajectory] = {}
        self.result = PlayResult()
        self._clock = self.create_publisher(message_class("rosgraph_msgs/msg/Clock"), "/clock", RELIABLE)
        kind = message_class(OUTPUT_TYPES["trajectory"])
        self.create_subscription(kind, f"{OUTPUT_NAMESPACE}/trajectory", self._on_plan, RELIABLE)

    def wait_for_planner(self, bag_topics: dict[str, str]) -> None:
        """Wait until a planner listens to every topic of the bag that it can use.

        Raises:
            PlayError: It does not come.
        """
        for topic in sorted(self._wanted & set(bag_topics)):
            qos = LATCHED if topic == self._topics.route else RELIABLE
            self._makers[topic] = self.create_publisher(
                message_class(bag_topics[topic]), self._renamed.get(topic, topic), qos
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not all(maker.get_subscription_count() for maker in self._makers.values()):
            if time.monotonic() > deadline:
                deaf = [topic for topic, maker in self._makers.items() if not maker.get_subscription_count()]
                raise PlayError(f"no planner listens to {', '.join(deaf)} after {READY_TIMEOUT_S:.0f} s")
            rclpy.spin_once(self, timeout_sec=0.05)

    def play(self, item: BagMessage) -> None:
        """Publish one message of the bag as it is."""
        maker = self._makers.get(item.topic)
        if maker is None:
            return
        if item.topic in self._sensors and not self._sensors_follow:
            # What belongs to the frame but does not complete it must not come after it.
            self._spin_for(HEAD_START_S)
        self._sensors_follow = item.topic in self._sensors
        if item.topic == self._topics.odometry:
            self._clock.publish(encode_inputs.clock(make_ros_message, stamp_ns(item.message)))
        maker.publish(bytes(item.raw))
        rclpy.spin_once(self, timeout_sec=0.0)

    def compare(self, cycle: Cycle) -> None:
        """Wait for the node's plan of a cycle of the replay; fallbacks of both follow their own clocks."""
        if not isinstance(cycle.outcome, PlanResult) or not cycle.is_planned:
            return
        self.result.num_plans += 1
        self._spin_for(PLAN_TIMEOUT_S, until=cycle.stamp_ns)
        theirs = self._plans.pop(cycle.stamp_ns, None)
        if theirs is None:
            return
        self.result.num_received += 1
        ours = encode_outputs.trajectory(make_ros_message, cycle.outcome.trajectory, self._vehicle)
        self.result.num_identical += _same(decode_outputs.trajectory(ours), theirs)

    def _spin_for(self, seconds: float, until: int | None = None) -> None:
        """Spin for a time, or until the node's plan of a stamp has come."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0.0 and until not in self._plans:
            rclpy.spin_once(self, timeout_sec=min(left, 0.02))

    def _on_plan(self, message: Any) -> None:
        plan = decode_outputs.trajectory(message)
        self._plans[plan.stamp_ns] = plan


def _same(a: Trajectory, b: Trajectory) -> bool:
    """Whether two trajectories agree in every number, as far as the message carries it."""
    exact = ("time_s_T", "x_m_T", "y_m_T", "heading_rad_T")
    single = ("speed_mps_T", "accel_mps2_T", "curvature_per_m_T")  # float32 in the message
    return (
        a.frame_id == b.frame_id
        and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in exact)
        and all(np.array_equal(*(getattr(t, name).astype(np.float32) for t in (a, b))) for name in single)
    )
