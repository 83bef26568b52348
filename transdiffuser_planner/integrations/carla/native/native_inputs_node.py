"""Publishes the inputs that CARLA's own ROS 2 interface does not: odometry, acceleration, route, limit, command, signal.

Where the server gives no odometry it is derived from its GNSS and IMU topics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Acceleration, EgoState, TrafficSignal
from transdiffuser_planner.integrations.carla.frames import MAP_FRAME
from transdiffuser_planner.integrations.carla.native.native_imu import inertial
from transdiffuser_planner.integrations.carla.native.native_names import NativeNames, base, topic_map
from transdiffuser_planner.integrations.carla.native.native_odometry import NativeOdometry
from transdiffuser_planner.integrations.carla.route.route_guide import RouteGuide
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE, SENSOR_INPUT

NODE_NAME = "transdiffuser_carla_inputs"
GNSS, IMU = "gnss", "imu"
"""Names of the sensors that odometry is derived from."""
_BASE_FRAME = "base_link"


class NativeInputsNode(Node):
    """Inputs of one vehicle."""

    def __init__(
        self, names: NativeNames, rig: Rig, guide: RouteGuide, odometry: NativeOdometry, ros_name: str
    ) -> None:
        """Create publishers, and subscriptions to GNSS and IMU.

        Args:
            names: Line of the server.
            rig: Names of the sensors.
            guide: Route of the vehicle; it follows the odometry.
            odometry: Derives the state of base_link.
            ros_name: Of the vehicle.
        """
        super().__init__(NODE_NAME)
        self._names, self._guide, self._topics = names, guide, topic_map(names, rig, ros_name)
        self._odometry = odometry
        self.newest: EgoState | None = None
        """Newest derived state of base_link."""
        self._made: dict[str, Any] = {}
        start = base(ros_name)
        for name, kind, call in (
            (GNSS, "sensor_msgs/msg/NavSatFix", self._on_position),
            (IMU, "sensor_msgs/msg/Imu", self._on_inertial),
        ):
            self.create_subscription(message_class(kind), f"{start}/{name}", call, SENSOR_INPUT)
        heading = np.unwrap(np.arctan2(*np.gradient(guide.route.xy_N2, axis=0).T[::-1]))
        poses = np.column_stack([guide.route.xy_N2, heading])
        path = encode_inputs.path(make_ros_message, 0, MAP_FRAME, poses)
        self._put(self._topics.route, "nav_msgs/msg/Path", path, LATCHED)

    def _put(self, topic: str, kind: str, message: Any, qos: Any = RELIABLE) -> None:
        if topic not in self._made:
            self._made[topic] = self.create_publisher(message_class(kind), topic, qos)
        self._made[topic].publish(message)

    def _on_position(self, message: Any) -> None:
        self._odometry.add_position(_stamp_ns(message), float(message.latitude), float(message.longitude))

    def _on_inertial(self, message: Any) -> None:
        acceleration, rate, turn = message.linear_acceleration, message.angular_velocity, message.orientation
        reading = inertial(
            (acceleration.x, acceleration.y, acceleration.z),
            (rate.x, rate.y, rate.z),
            (turn.x, turn.y, turn.z, turn.w),
            self._names,
        )
        found = self._odometry.add_inertial(_stamp_ns(message), reading)
        if found is not None:
            self._publish_state(*found)

    def _publish_state(self, ego: EgoState, acceleration: Acceleration) -> None:
        """Publish acceleration, and odometry unless the server does."""
        self.newest = ego
        self._guide.update(ego)
        value = encode_inputs.acceleration(make_ros_message, acceleration, _BASE_FRAME)
        self._put(self._topics.acceleration, "geometry_msgs/msg/AccelWithCovarianceStamped", value)
        if not self._names.has_odometry:
            odometry = encode_inputs.odometry(make_ros_message, ego, _BASE_FRAME)
            self._put(self._topics.odometry, "nav_msgs/msg/Odometry", odometry)

    def publish_guide(self, stamp_ns: int, speed_limit_mps: float, signal: TrafficSignal | None) -> None:
        """Publish command, limit and signal of the route at the vehicle's place.

        Args:
            stamp_ns: Of the tick.
            speed_limit_mps: Limit there.
            signal: Next light; None without one.
        """
        command = encode_inputs.driving_command(make_ros_message, stamp_ns, self._guide.command)
        self._put(self._topics.command, "transdiffuser_msgs/msg/DrivingCommand", command)
        limit = encode_inputs.float32(make_ros_message, speed_limit_mps)
        self._put(self._topics.speed_limit, "std_msgs/msg/Float32", limit)
        light = encode_inputs.traffic_signal(make_ros_message, stamp_ns, signal)
        self._put(self._topics.traffic_signal, "transdiffuser_msgs/msg/TrafficSignal", light)


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)
