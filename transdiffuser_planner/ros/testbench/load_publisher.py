"""Publishes the messages of a load test from a process of its own: serialized beforehand, only the stamps change."""

from __future__ import annotations

import os
import signal
import struct
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions

from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.evaluation.benchmarks.sensor_load import SensorLoad, street_image, sweep
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

INPUT = "/transdiffuser_planner/input"
_STAMP = struct.Struct("<iI")
_STAMP_AT = 4  # after the encapsulation: every message begins with its header
_SPEED_MPS = 6.0
_LONGEST_SLEEP_S = 0.02


@dataclass(kw_only=True, slots=True, eq=False)
class _Stream:
    """One topic: when its next message is due, and how to make it."""

    publisher: Any
    period_s: float
    data: bytearray
    due_s: float

    def publish(self, now_ns: int) -> None:
        """Publish the message with another stamp."""
        _STAMP.pack_into(self.data, _STAMP_AT, now_ns // 10**9, now_ns % 10**9)
        self.publisher.publish(bytes(self.data))


class _Odometry(_Stream):
    """A straight drive at constant speed."""

    def publish(self, now_ns: int) -> None:
        """Publish the pose of now."""
        self.publisher.publish(serialize_message(_odometry(now_ns)))


def _odometry(now_ns: int) -> Any:
    x_m = _SPEED_MPS * (now_ns % 10**13) * 1e-9
    ego = EgoState(stamp_ns=now_ns, frame_id="map", x_m=x_m, y_m=0.0, heading_rad=0.0, vx_mps=_SPEED_MPS)
    return encode_inputs.odometry(make, ego, "base_link")


def publish_load(load: SensorLoad, counts: Any) -> None:
    """Publish until the process or its parent is ended.

    Args:
        load: Sensors and rates.
        counts: Array shared with the parent: messages published so far, in the order of ``load.rates_hz``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    parent = os.getppid()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    streams = _streams(rclpy.create_node("transdiffuser_sensor_load"), load)
    while os.getppid() == parent:
        now_s = time.perf_counter()
        for index, stream in enumerate(streams):
            if stream.due_s <= now_s:
                stream.publish(time.time_ns())
                counts[index] += 1
                stream.due_s = max(stream.due_s + stream.period_s, now_s - stream.period_s)
        wait_s = min(stream.due_s for stream in streams) - time.perf_counter()
        time.sleep(min(max(wait_s, 0.0), _LONGEST_SLEEP_S))


def _streams(node: Any, load: SensorLoad) -> list[_Stream]:
    """One stream per sensor, in the order of ``load.rates_hz``; those of one rate do not all begin at once."""
    begin_ns, begin_s = time.time_ns(), time.perf_counter()
    found: list[_Stream] = []

    def add(
        name: str, type_name: str, hz: float, message: Any, qos: Any = RELIABLE, kind: type[_Stream] = _Stream
    ) -> None:
        publisher = node.create_publisher(message_class(type_name), f"{INPUT}/{name}", qos)
        data, due_s = bytearray(serialize_message(message)), begin_s + 1e-3 * len(found)
        found.append(kind(publisher=publisher, period_s=1.0 / hz, data=data, due_s=due_s))

    if load.odometry_hz:
        add("odometry", "nav_msgs/msg/Odometry", load.odometry_hz, _odometry(begin_ns), kind=_Odometry)
    if load.camera_hz:
        rgb_HW3, file = street_image(load)
        for name in load.camera_names:
            if load.encoding == "raw":
                message = encode_inputs.image(make, begin_ns, name, rgb_HW3)
                add(f"camera/{name}", "sensor_msgs/msg/Image", load.camera_hz, message)
            else:
                message = make(
                    "sensor_msgs/msg/CompressedImage",
                    header=encode_inputs.header(make, begin_ns, name),
                    format=load.encoding,
                    data=np.frombuffer(file, dtype=np.uint8),
                )
                add(f"camera/{name}/compressed", "sensor_msgs/msg/CompressedImage", load.camera_hz, message)
    if load.lidar_hz:
        cloud = encode_inputs.point_cloud(make, begin_ns, "lidar", sweep(load.num_points))
        add("lidar", "sensor_msgs/msg/PointCloud2", load.lidar_hz, cloud)
    if load.route_hz:
        x_m = _SPEED_MPS * (begin_ns % 10**13) * 1e-9 + 0.1 * np.arange(load.num_poses)
        points = np.stack([x_m, np.zeros_like(x_m), np.zeros_like(x_m)], axis=-1)
        route = encode_inputs.path(make, begin_ns, "map", points)
        add("route", "nav_msgs/msg/Path", load.route_hz, route, LATCHED)
    return found
