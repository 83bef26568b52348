"""Compares the rig with the vehicle's static transforms, if tf2's messages are installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from rclpy.node import Node

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.doctor import extrinsics
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.doctor.topic_statistics import TopicStatistics
from transdiffuser_planner.ros.qos import LATCHED

_FINDINGS = Findings("rig and model")
TOPIC = "/tf_static"


class StaticTransforms:
    """Static transforms received since creation; several publishers may each latch a part.

    Args:
        node: The doctor's.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._messages: list[Any] = []
        self._is_published = bool(node.get_publishers_info_by_topic(TOPIC))
        try:
            kind = importlib.import_module("tf2_msgs.msg").TFMessage
        except ImportError:
            kind = None
        self._subscription = None
        if kind is not None and self._is_published:
            self._subscription = node.create_subscription(kind, TOPIC, self._messages.append, LATCHED)

    def check(self, rig: Rig, topic_statistics: Sequence[TopicStatistics]) -> Iterator[Finding]:
        """Compare the rig's mounts with the received transforms.

        Args:
            rig: The planner's.
            topic_statistics: Its inputs, with their frames.

        Yields:
            Findings.
        """
        if not self._is_published:
            yield _FINDINGS.ok("mounts", f"{TOPIC} has no publisher; sensor mounts come from the rig file alone")
        elif self._subscription is None:
            yield _FINDINGS.ok("mounts", f"not compared with {TOPIC}: tf2_msgs is not installed in this environment")
        else:
            self._node.destroy_subscription(self._subscription)
            links = [extrinsics.link_of(item) for message in self._messages for item in message.transforms]
            yield from extrinsics.check(rig, extrinsics.frames_of(topic_statistics), links)
