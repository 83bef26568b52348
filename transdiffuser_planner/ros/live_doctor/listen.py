"""Records statistics of the planner's inputs with little decoding: stamps from the raw bytes, few whole messages."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from transdiffuser_planner.doctor.topic_statistics import CLOUDS_KEPT, TopicStatistics
from transdiffuser_planner.messages.input_registry import BY_NAME, LIDAR, ODOMETRY
from transdiffuser_planner.messages.serialized.read_message import read_message
from transdiffuser_planner.ros.live_doctor.graph import Wiring
from transdiffuser_planner.ros.live_doctor.node_state import Target, status_class, status_topic
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import RELIABLE


def listen(node: Node, executor: Executor, target: Target, wired: Wiring, seconds: float) -> list[Any]:
    """Fill the topic statistics of the wiring with received messages.

    Args:
        node: The doctor's, on the planner's clock.
        executor: Spins the node.
        target: The planner.
        wired: Inputs to receive.
        seconds: Duration.

    Returns:
        The planner's status messages of that time.
    """
    last: dict[int, deque[bytes]] = {}
    subscriptions = [
        node.create_subscription(
            message_class(item.type_name), item.topic, _receiver(node, item, last), _qos(node, item.topic), raw=True
        )
        for item in wired.topic_statistics
    ]
    statuses: list[Any] = []
    topic = status_topic(node, target)
    if topic:
        subscriptions.append(node.create_subscription(status_class(), topic, statuses.append, RELIABLE))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
    for subscription in subscriptions:
        node.destroy_subscription(subscription)
    for item in wired.topic_statistics:
        item.messages += [read_message(data, item.type_name) for data in last.get(id(item), ())]
    return statuses


def _receiver(node: Node, item: TopicStatistics, last: dict[int, deque[bytes]]) -> Callable[[bytes], None]:
    """Make a callback that records arrival, stamp and the messages that ``TopicStatistics`` keeps."""
    stamped = BY_NAME[item.kind].has_header
    kept = None if item.kind == ODOMETRY.name else CLOUDS_KEPT if item.kind == LIDAR.name else 1
    recent: deque[bytes] = deque(maxlen=kept)

    def receive(data: bytes) -> None:
        item.arrived_s.append(time.monotonic())
        item.now_ns.append(int(node.get_clock().now().nanoseconds))
        item.num_bytes = max(item.num_bytes, len(data))
        if stamped:
            item.stamp_ns.append(stamp_of(data))
        recent.append(bytes(data))
        last[id(item)] = recent

    return receive


def stamp_of(data: bytes) -> int:
    """Return the stamp of a serialized message that begins with a header, after the 4 bytes of the encapsulation.

    Args:
        data: CDR bytes.

    Returns:
        Nanoseconds.
    """
    sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(sec) * 10**9 + int(nanosec)


def _qos(node: Node, topic: str) -> QoSProfile:
    """Make a QoS profile that matches every publisher; transient local when all publishers are."""
    offered = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    latched = all(
        qos.durability == DurabilityPolicy.TRANSIENT_LOCAL and qos.reliability == ReliabilityPolicy.RELIABLE
        for qos in offered
    )
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=20,
        reliability=ReliabilityPolicy.RELIABLE if latched else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
