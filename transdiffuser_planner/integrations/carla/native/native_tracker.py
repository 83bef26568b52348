"""Tracker whose commands are those that CARLA's own ROS 2 interface takes."""

from __future__ import annotations

import time
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.integrations.carla.actuation import Actuation, CarlaVehicle
from transdiffuser_planner.integrations.carla.native.native_names import ODOMETRY_SUFFIX, ROS_NAME, base
from transdiffuser_planner.planning.trajectory.pure_pursuit import ControlCommand
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.qos import OUTPUT
from transdiffuser_planner.ros.tracker_node import TrackerNode

OUTPUTS = {
    "ackermann": ("ackermann_msgs/msg/AckermannDriveStamped", "ackermann_control_cmd"),
    "control": ("carla_msgs/msg/CarlaEgoVehicleControl", "vehicle_control_cmd"),
}
"""Kind of output -> message type and end of the topic."""
_PLANNER_OUTPUT = "/transdiffuser_planner/output"
_LONGEST_STEP_S = 0.2


def tracker_remappings(output: str, ros_name: str = ROS_NAME) -> list[tuple[str, str]]:
    """Return (private name, topic) of the tracker's inputs and output.

    Args:
        output: ackermann or control.
        ros_name: Of the vehicle.
    """
    start = base(ros_name)
    return [
        ("~/input/trajectory", f"{_PLANNER_OUTPUT}/trajectory"),
        ("~/input/odometry", f"{start}/{ODOMETRY_SUFFIX}"),
        ("~/output/command", f"{start}/{OUTPUTS[output][1]}"),
    ]


class NativeTrackerNode(TrackerNode):
    """Tracker of a vehicle of CARLA's own ROS 2 interface."""

    def __init__(self, output: str, **node_options: Any) -> None:
        """Create the publisher of one kind of command.

        Args:
            output: ackermann or control.
            node_options: Options of rclpy's node.

        Raises:
            ConfigError: There is no such kind of output, or the rig file cannot be used.
        """
        if output not in OUTPUTS:
            raise ConfigError(f"--output {output}: expected {', '.join(OUTPUTS)}")
        super().__init__(**node_options)
        self._kind = OUTPUTS[output][0]
        self._native = self.create_publisher(message_class(self._kind), "~/output/command", OUTPUT)
        self._actuation = Actuation(CarlaVehicle())
        self._sent_s: float | None = None

    def _send(self, speed_mps: float, acceleration_mps2: float, steering_rad: float) -> None:
        """Publish one command."""
        now = self.get_clock().now().to_msg()
        header = make_ros_message("std_msgs/msg/Header", stamp=now)
        if self._kind == OUTPUTS["ackermann"][0]:
            drive = make_ros_message(
                "ackermann_msgs/msg/AckermannDrive",
                speed=speed_mps,
                acceleration=abs(acceleration_mps2),  # CARLA takes it as the limit of the change of speed
                steering_angle=-steering_rad,  # both lines pass it on unchanged, and CARLA's is positive to the right
            )
            self._native.publish(make_ros_message(self._kind, header=header, drive=drive))
            return
        at_s = time.monotonic()
        dt_s = 0.0 if self._sent_s is None else min(at_s - self._sent_s, _LONGEST_STEP_S)
        self._sent_s = at_s
        command = ControlCommand(acceleration_mps2=acceleration_mps2, steering_rad=steering_rad)
        speed = 0.0 if self._ego is None else self._ego.vx_mps
        controls = self._actuation.controls(command, speed, dt_s)
        self._native.publish(
            make_ros_message(
                self._kind, header=header, throttle=controls.throttle, brake=controls.brake, steer=controls.steer
            )
        )
