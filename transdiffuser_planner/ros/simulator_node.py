"""Simulated vehicle on ROS 2: publishes sensors and ground truth, subscribes to AckermannDrive, in real time.

Topics and types are those of CARLA's ROS bridge. Every 0.1 s of simulated time the latest command moves the vehicle, the
world is stepped, sensors are rendered, and all messages are published; ``frame_pacing`` decides when. Without a recent command
the vehicle brakes.
"""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.ros.frame_pacing import FramePacer
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.qos import LATCHED, OUTPUT, RELIABLE
from transdiffuser_planner.simulation.ego.expert import STEP_S
from transdiffuser_planner.simulation.episode_step import EpisodeStep
from transdiffuser_planner.simulation.message_stream import EGO, MessageStream
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.worlds import open_world

NODE_NAME = "transdiffuser_simulator"
COMMAND_TOPIC = f"{EGO}/ackermann_cmd"
PLAN_TOPIC = f"{OUTPUT_NAMESPACE}/trajectory"
COMMAND_TIMEOUT_S = 0.5
BRAKE_MPS2 = 3.0
_STAMP, _CDR_HEADER = struct.Struct("<iI"), 4


class SimulatorNode(Node):
    """One scenario as a ROS 2 vehicle."""

    def __init__(self, scenario: Scenario, rig: Rig, realtime_factor: float = 1.0) -> None:
        """Start traffic and build the world.

        Args:
            scenario: Map, traffic, weather and seed.
            rig: The vehicle and its sensors.
            realtime_factor: Simulated seconds per second.

        Raises:
            SimulationError: Unknown map, or SUMO failed.
        """
        super().__init__(NODE_NAME)
        self._rig = rig
        self._episode = open_world(scenario, rig.vehicle)
        self._step = self._episode.start()
        road_map = self._episode.load_map()
        self._suite = SensorSuite(road_map, rig, scenario.weather, scenario.seed)
        self._stream = MessageStream(make_ros_message, rig, self._episode.route, road_map)
        self._publishers_by_topic: dict[str, Any] = {}
        self._pacer = FramePacer(STEP_S / realtime_factor)
        self._command: tuple[float, float] | None = None
        self._command_time = -1e9
        self.create_subscription(
            message_class("ackermann_msgs/msg/AckermannDrive"), COMMAND_TOPIC, self._receive, OUTPUT
        )
        trajectory = message_class(OUTPUT_TYPES["trajectory"])
        self.create_subscription(trajectory, PLAN_TOPIC, self._receive_plan, OUTPUT, raw=True)
        self.at_fault = self.other_collisions = 0
        self.off_road_s = 0.0

    def _receive(self, message: Any) -> None:
        self._command = (float(message.acceleration), float(message.steering_angle))
        self._command_time = time.monotonic()
        self._pacer.commanded()

    def _receive_plan(self, raw: bytes) -> None:
        """Only the stamp at the beginning of the header is read."""
        sec, nanosec = _STAMP.unpack_from(raw, _CDR_HEADER)
        self._pacer.answered(sec * 10**9 + nanosec)

    def _put(self, topic: str, type_name: str, message: Any, *, latched: bool = False) -> None:
        publisher = self._publishers_by_topic.get(topic)
        if publisher is None:
            publisher = self.create_publisher(message_class(type_name), topic, LATCHED if latched else RELIABLE)
            self._publishers_by_topic[topic] = publisher
        publisher.publish(message)

    def announce(self) -> None:
        """Publish latched messages, and create all publishers so that they are discovered before driving begins."""
        for topic, type_name, message in self._stream.latched(self._step.world.stamp_ns):
            self._put(topic, type_name, message, latched=True)
        for topic, type_name, _ in [*self._stream.state(self._step.world), *self._sensors()]:
            self._publishers_by_topic[topic] = self.create_publisher(message_class(type_name), topic, RELIABLE)

    def _sensors(self) -> list[tuple[str, str, Any]]:
        return list(self._stream.sensors(self._suite.render(self._step.world)))

    def is_awaited(self) -> bool:
        """Return whether the sensors have a subscriber and the commands a publisher."""
        images = self.count_subscribers(f"{EGO}/{self._rig.cameras[0].name}/image") if self._rig.cameras else 1
        return images > 0 and self.count_publishers(COMMAND_TOPIC) > 0

    def drive(self, keep_on: Callable[[], bool]) -> EpisodeStep:
        """Drive in real time until the episode ends.

        Args:
            keep_on: Called every step; False ends the drive.

        Returns:
            The last step.
        """
        while True:
            self._count()
            messages = [*self._stream.state(self._step.world), *self._sensors()]
            self._pacer.wait_until_due(self._step.world.stamp_ns)
            for topic, type_name, message in messages:
                self._put(topic, type_name, message)
            for collision in self._step.new_collisions:
                self._put(*self._stream.collision(self._step.world.stamp_ns, collision.agent_id))
            if self._step.end_reason or not keep_on():
                return self._step
            self._pacer.wait_for_answer(is_expected=self.count_publishers(PLAN_TOPIC) > 0)
            self._step = self._episode.step(*self._current_command())

    def _current_command(self) -> tuple[float, float]:
        fresh = time.monotonic() - self._command_time < COMMAND_TIMEOUT_S
        if self._command is None or not fresh:
            return -BRAKE_MPS2, 0.0
        return self._command

    def _count(self) -> None:
        for collision in self._step.new_collisions:
            self.at_fault += collision.at_fault
            self.other_collisions += not collision.at_fault
        self.off_road_s += 0.0 if self._step.on_road else STEP_S

    def result(self) -> dict[str, Any]:
        """Return a summary of the drive, for log and result file."""
        step = self._step
        return {
            "map": Path(self._episode.scenario.map_name).name,
            "seed": self._episode.scenario.seed,
            "simulated_s": round(step.world.stamp_ns * 1e-9, 1),
            "end_reason": step.end_reason or "interrupted",
            "progress_m": round(step.progress_m, 1),
            "at_fault_collisions": self.at_fault,
            "other_collisions": self.other_collisions,
            "off_road_s": round(self.off_road_s, 1),
            "late_steps": self._pacer.num_late,
            "realtime_factor": round(self._pacer.realtime_factor(step.world.stamp_ns * 1e-9), 3),
        }

    def close(self) -> None:
        """End the traffic process."""
        self._episode.close()


def run(
    scenario: Scenario, rig: Rig, *, realtime_factor: float, wait_s: float, result_file: Path | None
) -> dict[str, Any]:
    """Simulate one scenario on ROS topics until it ends or is interrupted; rclpy must be initialized.

    Args:
        scenario: Map, traffic, weather and seed.
        rig: The vehicle and its sensors.
        realtime_factor: Simulated seconds per second.
        wait_s: Longest wait for a planner and a tracker; the drive starts without them afterwards.
        result_file: JSON file for the result.
    """
    node = SimulatorNode(scenario, rig, realtime_factor)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    stop = threading.Event()

    def spin() -> None:
        try:
            while not stop.is_set():
                executor.spin_once(timeout_sec=0.1)
        except (KeyboardInterrupt, ExternalShutdownException):
            stop.set()

    thread = threading.Thread(target=spin, name="callbacks", daemon=True)
    thread.start()
    try:
        node.announce()
        deadline = time.monotonic() + wait_s
        while not node.is_awaited() and time.monotonic() < deadline and not stop.is_set():
            time.sleep(0.05)
        if not node.is_awaited():
            node.get_logger().warning(f"no planner and tracker after {wait_s:.0f} s; driving without")
        node.drive(lambda: not stop.is_set())
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        thread.join(2.0)
        node.close()
        result = node.result()
        if result_file is not None:
            write_text(result_file, json.dumps(result, indent=1) + "\n")
        node.destroy_node()
    return result
