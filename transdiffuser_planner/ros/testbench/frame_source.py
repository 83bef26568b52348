"""Publishes recorded or simulated snapshots to a planner node in a loop, stamped with the time of publishing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.node import Node

from transdiffuser_planner.core.types import SensorSnapshot
from transdiffuser_planner.messages import decode_outputs, encode_inputs
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

INPUT = "/transdiffuser_planner/input"


class FrameSource(Node):  # type: ignore[misc]
    """A vehicle that drives the same few seconds in a loop; stores the status of every cycle with a plan."""

    def __init__(self, inputs: Sequence[SensorSnapshot]) -> None:
        """Subscribe to the status; publishers are created on first use.

        Args:
            inputs: Frames of one drive.
        """
        super().__init__("transdiffuser_frame_source")
        self._inputs, self._index = inputs, 0
        self._publishers_by_name: dict[str, Any] = {}
        self.statuses: list[decode_outputs.RecordedStatus] = []
        kind = message_class(OUTPUT_TYPES["status"])
        self.create_subscription(kind, f"{OUTPUT_NAMESPACE}/status", self._on_status, RELIABLE)

    def send(self) -> None:
        """Publish the next frame, state before sensors."""
        snapshot = self._inputs[self._index % len(self._inputs)]
        self._index += 1
        now_ns = int(self.get_clock().now().nanoseconds)
        ego = replace(snapshot.ego, stamp_ns=now_ns)
        if snapshot.route is not None and self._index == 1:
            route = np.concatenate([snapshot.route.xy_N2, np.zeros((len(snapshot.route.xy_N2), 1))], axis=-1)
            self._put("route", "nav_msgs/msg/Path", encode_inputs.path(make, now_ns, ego.frame_id, route))
        if snapshot.acceleration is not None:
            message = encode_inputs.acceleration(make, replace(snapshot.acceleration, stamp_ns=now_ns), "base_link")
            self._put("acceleration", "geometry_msgs/msg/AccelWithCovarianceStamped", message)
        command = encode_inputs.driving_command(make, now_ns, snapshot.command)
        self._put("command", "transdiffuser_msgs/msg/DrivingCommand", command)
        self._put("odometry", "nav_msgs/msg/Odometry", encode_inputs.odometry(make, ego, "base_link"))
        for name, image in snapshot.images.items():
            self._put(f"camera/{name}", "sensor_msgs/msg/Image", encode_inputs.image(make, now_ns, name, image.rgb_HW3))
        if snapshot.cloud is not None:
            points = np.concatenate([snapshot.cloud.xyz_N3, np.ones((len(snapshot.cloud.xyz_N3), 1))], axis=-1)
            cloud = encode_inputs.point_cloud(make, now_ns, "lidar", points.astype(np.float32))
            self._put("lidar", "sensor_msgs/msg/PointCloud2", cloud)

    def _put(self, name: str, type_name: str, message: Any) -> None:
        if name not in self._publishers_by_name:
            qos = LATCHED if name == "route" else RELIABLE
            self._publishers_by_name[name] = self.create_publisher(message_class(type_name), f"{INPUT}/{name}", qos)
        self._publishers_by_name[name].publish(message)

    def _on_status(self, message: Any) -> None:
        status = decode_outputs.status(message)
        if status.ready:
            self.statuses.append(status)
