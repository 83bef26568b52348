"""Monitor of a simulated drive over ROS 2: records a bag, keeps a status line up to date, counts plans and collisions.

It shares the cores with the planner that it monitors, so it receives messages without an executor and does its own work, such as
compressing the bag, when a plan has been published.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from tqdm import tqdm

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.fallback_cause import FallbackCause, count_causes
from transdiffuser_planner.evaluation.over_dds.process_group import ProcessGroup
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.ros import session
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import OUTPUT, RELIABLE, SENSOR_INPUT
from transdiffuser_planner.ros.serialized_subscriptions import SerializedSubscriptions
from transdiffuser_planner.ros.testbench.topic_recorder import TopicRecorder
from transdiffuser_planner.simulation import message_stream as stream

START_TIMEOUT_S = 60.0
SILENCE_TIMEOUT_S = 20.0
_MEMORY_EVERY_S = 2.0
_STARTING_EVERY_S = 0.5
_IDLE_S = 0.1
_REASONS_SHOWN = 5
_STATUS_LINE = "{desc:<10}{percentage:3.0f}%|{bar}| {n:4.1f}/{total:.0f} s{postfix}"


class DemoError(PlannerError):
    """A process of the demo did not start or ended early."""


class DemoMonitor:
    """Subscribes to vehicle and planner during one drive.

    Args:
        topics: Topics of the simulated vehicle.
        bag: New bag directory.
        duration_s: Planned duration of the drive [s], for the status line.

    Attributes:
        plan_ms: Latency of every plan [ms].
        fallback_reasons: Reason of every fallback.
        collisions: Number of collision events.
        memory_mb: Peak memory of all processes [MB].
    """

    def __init__(self, topics: TopicMap, bag: Path, duration_s: float) -> None:
        session.init([])
        self._node = Node("transdiffuser_demo")
        self._clock_ns = 0
        self._speed_mps = 0.0
        self._last_received_s = time.monotonic()
        self.plan_ms: list[float] = []
        self.fallback_reasons: list[str] = []
        self.collisions = 0
        self.memory_mb = 0.0
        self._not_ready_reason = ""
        outputs = {f"{OUTPUT_NAMESPACE}/{name}": kind for name, kind in OUTPUT_TYPES.items()}
        frequent, latched = recorded_topics(topics)
        self._subscriptions = SerializedSubscriptions(self._node)
        # Before the recorder, whose messages are logged with the time of the clock.
        self._listen("rosgraph_msgs/msg/Clock", stream.CLOCK_TOPIC, RELIABLE, self._on_clock)
        self._listen("nav_msgs/msg/Odometry", topics.odometry, SENSOR_INPUT, self._on_odometry)
        self._listen(OUTPUT_TYPES["status"], f"{OUTPUT_NAMESPACE}/status", OUTPUT, self._on_status)
        self._listen("carla_msgs/msg/CarlaCollisionEvent", stream.COLLISION_TOPIC, RELIABLE, self._on_collision)
        self._recorder = TopicRecorder(
            self._subscriptions.add, bag, {**frequent, **outputs}, latched, lambda: self._clock_ns
        )
        self._bar = tqdm(
            total=duration_s, desc="starting", bar_format=_STATUS_LINE, file=sys.stderr, dynamic_ncols=True
        )

        self._subscriptions.start(lambda: _IDLE_S, nullcontext())

    def _listen(self, type_name: str, topic: str, qos: QoSProfile, receive: Callable[[Any], None]) -> None:
        kind = message_class(type_name)
        self._subscriptions.add(
            type_name, topic, {"qos_profile": qos}, lambda data, _: receive(deserialize_message(data, kind))
        )

    def _on_clock(self, message: Any) -> None:
        self._clock_ns = int(message.clock.sec) * 10**9 + int(message.clock.nanosec)
        self._last_received_s = time.monotonic()
        self._recorder.hold()

    def _on_odometry(self, message: Any) -> None:
        self._speed_mps = float(message.twist.twist.linear.x)

    def _on_status(self, message: Any) -> None:
        if message.ready:
            self.plan_ms.append(float(message.latency_ms))
            if message.fallback_level:
                self.fallback_reasons.append(str(message.fallback_reason))
        else:
            self._not_ready_reason = str(message.not_ready_reason)
        self._recorder.release()

    def _on_collision(self, message: Any) -> None:
        self.collisions += 1

    def until_done(self, group: ProcessGroup) -> None:
        """Wait until the simulator has ended.

        Args:
            group: The processes "simulator", "planner" and "tracker".

        Raises:
            DemoError: A process ended early, or no clock was received for too long.
            KeyboardInterrupt: A signal requested a stop.
        """
        is_stop_requested, next_look_s = session.note_stop_signals(), 0.0
        while group.exit_status("simulator") is None:
            if is_stop_requested.wait(_IDLE_S):
                raise KeyboardInterrupt
            now_s = time.monotonic()
            if now_s < next_look_s:
                continue
            next_look_s = now_s + (_MEMORY_EVERY_S if self._clock_ns else _STARTING_EVERY_S)
            self.memory_mb = max(self.memory_mb, group.memory_mb())
            self._show()
            self._check(group, now_s)
        if group.exit_status("simulator") != 0:
            raise DemoError(f"the simulator failed: {group.last_line('simulator')}; see {group.log('simulator')}")
        session.interrupt_on_stop_signals()

    def _check(self, group: ProcessGroup, now_s: float) -> None:
        for name in ("planner", "tracker"):
            if group.exit_status(name) is not None:
                raise DemoError(f"the {name} ended early: {group.last_line(name)}; see {group.log(name)}")
        patience_s = SILENCE_TIMEOUT_S if self._clock_ns else START_TIMEOUT_S + SILENCE_TIMEOUT_S
        if now_s - self._last_received_s > patience_s:
            raise DemoError(
                f"no clock received for {patience_s:.0f} s; simulator: {group.last_line('simulator')}; "
                f"see {group.log('simulator')}"
            )

    def _show(self) -> None:
        if not self._clock_ns:
            self._bar.refresh()
            return
        self._bar.set_description_str("driving", refresh=False)
        self._bar.n = min(self._clock_ns * 1e-9, self._bar.total)
        recent = self.plan_ms[-20:]
        plan = f"{np.median(recent):.0f} ms" if recent else f"none ({self._not_ready_reason})"
        text = f" {self._speed_mps * 3.6:3.0f} km/h, plan {plan}, collisions {self.collisions}"
        self._bar.set_postfix_str(text, refresh=True)

    def summary(self) -> dict[str, Any]:
        """Numbers of plans and fallbacks, by cause too, median and 99th percentile of the latency [ms], peak memory [MB]."""
        plan_ms = np.asarray(self.plan_ms or [float("nan")])
        counts = count_causes(self.fallback_reasons)
        return {
            "plans": len(self.plan_ms),
            "fallbacks": len(self.fallback_reasons),
            "fallback_causes": {cause.value: counts[cause] for cause in FallbackCause},
            "fallback_reasons": dict(Counter(self.fallback_reasons).most_common(_REASONS_SHOWN)),
            "plan_ms_median": round(float(np.median(plan_ms)), 1),
            "plan_ms_p99": round(float(np.percentile(plan_ms, 99)), 1),
            "peak_memory_mb": round(self.memory_mb),
        }

    def close(self) -> None:
        """Finish bag and status line."""
        self._bar.close()
        self._subscriptions.close()
        self._node.destroy_node()
        rclpy.try_shutdown()
        self._recorder.close()


def recorded_topics(topics: TopicMap) -> tuple[dict[str, str], dict[str, str]]:
    """Topics of the simulated vehicle that the demo records.

    Args:
        topics: Topic map of the simulated vehicle.

    Returns:
        Topic -> type of frequent messages, and topic -> type of latched messages.
    """
    frequent = dict.fromkeys(topics.images.values(), "sensor_msgs/msg/Image")
    frequent |= dict.fromkeys(topics.camera_infos.values(), "sensor_msgs/msg/CameraInfo")
    frequent |= {
        stream.CLOCK_TOPIC: "rosgraph_msgs/msg/Clock",
        topics.lidar: "sensor_msgs/msg/PointCloud2",
        topics.odometry: "nav_msgs/msg/Odometry",
        topics.acceleration: "geometry_msgs/msg/AccelWithCovarianceStamped",
        topics.command: "transdiffuser_msgs/msg/DrivingCommand",
        topics.speed_limit: "std_msgs/msg/Float32",
        topics.traffic_signal: "transdiffuser_msgs/msg/TrafficSignal",
        stream.OBJECTS_TOPIC: "derived_object_msgs/msg/ObjectArray",
        stream.LIGHT_STATUS_TOPIC: "carla_msgs/msg/CarlaTrafficLightStatusList",
        stream.COLLISION_TOPIC: "carla_msgs/msg/CarlaCollisionEvent",
        f"{stream.EGO}/ackermann_cmd": "ackermann_msgs/msg/AckermannDrive",
    }
    latched = {
        topics.route: "nav_msgs/msg/Path",
        stream.MAP_TOPIC: "transdiffuser_msgs/msg/MapPolygons",
        stream.LIGHT_INFO_TOPIC: "carla_msgs/msg/CarlaTrafficLightInfoList",
    }
    return frequent, latched
