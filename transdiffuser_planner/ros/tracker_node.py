"""Tracks the planned trajectory: subscribes to trajectory and odometry, publishes AckermannDrive for every plan and at 20 Hz.

Without a recent trajectory it brakes. ``acceleration`` and ``steering_angle`` are the commands; ``speed`` is the target
speed shortly ahead, for vehicles whose low-level control follows a speed.
"""

from __future__ import annotations

from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.messages import decode_inputs, decode_outputs
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planning.trajectory.pure_pursuit import TrajectoryTracker
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.planner_node import parameters
from transdiffuser_planner.ros.qos import OUTPUT, SENSOR_INPUT

NODE_NAME = "transdiffuser_tracker"
RATE_HZ = 20.0
_SPEED_AHEAD_S = 0.5
_STALE_ODOMETRY_S = 0.5


class TrackerNode(Node):
    """Tracker of one vehicle; the parameter ``rig`` names the file with the vehicle's dimensions."""

    def __init__(self, **node_options: Any) -> None:
        """Read the rig's vehicle.

        Args:
            node_options: Options of rclpy's node.

        Raises:
            ConfigError: The rig file cannot be used.
        """
        super().__init__(NODE_NAME, **node_options)
        parameters.declare_text(self, "rig", str(RIGS / "carla.yaml"), "Rig file with the vehicle's dimensions, YAML.")
        vehicle = Rig.load(self.get_parameter("rig").value).vehicle
        self._tracker = TrajectoryTracker(vehicle=vehicle)
        self.get_logger().info(f"vehicle {vehicle}")
        self._trajectory: Trajectory | None = None
        self._ego: EgoState | None = None
        self._reason = ""
        trajectory = message_class("transdiffuser_msgs/msg/Trajectory")
        odometry = message_class("nav_msgs/msg/Odometry")
        self.create_subscription(trajectory, "~/input/trajectory", self._on_trajectory, OUTPUT)
        self.create_subscription(odometry, "~/input/odometry", self._on_odometry, SENSOR_INPUT)
        drive = message_class("ackermann_msgs/msg/AckermannDrive")
        self._publisher = self.create_publisher(drive, "~/output/ackermann_cmd", OUTPUT)
        self._timer = self.create_timer(1.0 / RATE_HZ, self._control, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_trajectory(self, message: Any) -> None:
        try:
            self._trajectory = decode_outputs.trajectory(message)
        except InputError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)
            return
        self._timer.reset()
        self._control()  # a new plan does not wait for the next tick

    def _on_odometry(self, message: Any) -> None:
        try:
            self._ego = decode_inputs.odometry(message)
        except InputError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)

    def _control(self) -> None:
        """Publish one command; none before the first odometry."""
        ego = self._ego
        if ego is None:
            return
        now_ns = max(int(self.get_clock().now().nanoseconds), ego.stamp_ns)
        if (now_ns - ego.stamp_ns) * 1e-9 > _STALE_ODOMETRY_S:
            self._log_change("odometry is stale; braking")
            self._send(0.0, -self._tracker.stale_decel_mps2, 0.0)
            return
        command = self._tracker.command(self._trajectory, ego, now_ns)
        self._log_change(f"braking: {command.reason}" if command.reason else "")
        speed = max(ego.vx_mps + _SPEED_AHEAD_S * command.acceleration_mps2, 0.0)
        self._send(speed, command.acceleration_mps2, command.steering_rad)

    def _send(self, speed_mps: float, acceleration_mps2: float, steering_rad: float) -> None:
        message = make_ros_message(
            "ackermann_msgs/msg/AckermannDrive",
            speed=speed_mps,
            acceleration=acceleration_mps2,
            steering_angle=steering_rad,
        )
        self._publisher.publish(message)

    def _log_change(self, reason: str) -> None:
        """Log when the reason for braking changes in kind."""
        kind = "".join(letter for letter in reason if not letter.isdigit())
        if kind != self._reason:
            self._reason = kind
            if reason:
                self.get_logger().warning(reason)
            else:
                self.get_logger().info("following the trajectory")
