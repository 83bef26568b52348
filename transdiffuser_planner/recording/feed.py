"""Feeds recorded or received messages into a snapshot assembler, one decoder per input."""

from __future__ import annotations

from typing import Any, Protocol

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import (
    Acceleration,
    CameraImage,
    CameraIntrinsics,
    Command,
    EgoState,
    PointCloud,
    Route,
    TrafficSignal,
)
from transdiffuser_planner.recording import decode
from transdiffuser_planner.recording.topics import TopicMap


class SnapshotSink(Protocol):
    """Takes values; each call returns why a value was refused, or None."""

    def add_image(self, image: CameraImage) -> str | None: ...
    def add_intrinsics(self, name: str, intrinsics: CameraIntrinsics) -> str | None: ...
    def add_cloud(self, cloud: PointCloud) -> str | None: ...
    def add_odometry(self, ego: EgoState) -> str | None: ...
    def add_acceleration(self, acceleration: Acceleration) -> str | None: ...
    def add_route(self, route: Route) -> str | None: ...
    def add_command(self, stamp_ns: int, command: Command) -> str | None: ...
    def add_signal(self, signal: TrafficSignal) -> str | None: ...
    def add_speed_limit(self, stamp_ns: int, speed_limit_mps: float) -> str | None: ...


class MessageFeeder:
    """Knows which topic is which input."""

    def __init__(self, topics: TopicMap, sink: SnapshotSink) -> None:
        self._sink = sink
        self._images = {topic: name for name, topic in topics.images.items()}
        self._infos = {topic: name for name, topic in topics.camera_infos.items()}
        self._others = {
            topics.lidar: self._lidar,
            topics.odometry: lambda m, _: sink.add_odometry(decode.odometry(m)),
            topics.acceleration: lambda m, _: sink.add_acceleration(decode.acceleration(m)),
            topics.route: lambda m, _: sink.add_route(decode.route(m)),
            topics.command: lambda m, _: sink.add_command(decode.stamp_ns(m), decode.driving_command(m)),
            topics.speed_limit: lambda m, log_time_ns: sink.add_speed_limit(log_time_ns, float(m.data)),
            topics.traffic_signal: lambda m, _: sink.add_signal(decode.traffic_signal(m)),
        }
        self._others.pop("", None)
        self.sensor_topics = set(self._images) | ({topics.lidar} - {""})

    def _lidar(self, message: Any, log_time_ns: int) -> str | None:
        return self._sink.add_cloud(decode.point_cloud(message))

    def feed(self, topic: str, log_time_ns: int, message: Any) -> str | None:
        """Decode one message and hand it on.

        Args:
            topic: Where it came from; unknown topics are ignored.
            log_time_ns: Its time for types that carry no stamp.
            message: rosbags' or rclpy's.

        Returns:
            Why the value was refused, or None.
        """
        try:
            if topic in self._images:
                return self._sink.add_image(decode.image(message, self._images[topic]))
            if topic in self._infos:
                return self._sink.add_intrinsics(self._infos[topic], decode.intrinsics(message))
            if topic in self._others:
                return self._others[topic](message, log_time_ns)
        except InputError as error:
            return str(error)
        return None
