"""Feeds recorded or received messages into a snapshot assembler, one decoder per input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import (
    Acceleration,
    ActionTokens,
    CameraImage,
    CameraIntrinsics,
    Command,
    EgoState,
    PointCloud,
    Route,
    TrafficSignal,
)
from transdiffuser_planner.recording import decode
from transdiffuser_planner.recording.lacking_fields import lacking_fields_refused
from transdiffuser_planner.recording.topics import TopicMap

_MAX_REASON = 300


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
    def add_action_tokens(self, tokens: ActionTokens) -> str | None: ...


class MessageFeeder:
    """Knows which topic is which input."""

    def __init__(self, topics: TopicMap, sink: SnapshotSink) -> None:
        self._takers: dict[str, Callable[[Any, int], str | None]] = {
            topics.lidar: lambda m, _: sink.add_cloud(decode.point_cloud(m)),
            topics.odometry: lambda m, _: sink.add_odometry(decode.odometry(m)),
            topics.acceleration: lambda m, _: sink.add_acceleration(decode.acceleration(m)),
            topics.route: lambda m, _: sink.add_route(decode.route(m)),
            topics.command: lambda m, _: sink.add_command(decode.stamp_ns(m), decode.driving_command(m)),
            topics.speed_limit: lambda m, log_time_ns: sink.add_speed_limit(log_time_ns, float(m.data)),
            topics.action_tokens: lambda m, _: sink.add_action_tokens(decode.action_tokens(m)),
            topics.traffic_signal: lambda m, _: sink.add_signal(decode.traffic_signal(m)),
        }
        for name, topic in topics.camera_infos.items():
            self._takers[topic] = lambda m, _, name=name: sink.add_intrinsics(name, decode.intrinsics(m))
        for name, topic in topics.images.items():
            self._takers[topic] = lambda m, _, name=name: sink.add_image(decode.image(m, name))
        self._takers.pop("", None)
        self.sensor_topics = (set(topics.images.values()) | {topics.lidar}) - {""}

    def feed(self, topic: str, log_time_ns: int, message: Any) -> str | None:
        """Decode one message and hand it on.

        Args:
            topic: Where it came from; unknown topics are ignored.
            log_time_ns: Its time for types that carry no stamp.
            message: rosbags' or rclpy's.

        Returns:
            Why the value was refused, in one line, or None.
        """
        take = self._takers.get(topic)
        if take is None:
            return None
        try:
            _check_stamp(message, topic)
            with lacking_fields_refused(topic):
                reason = take(message, log_time_ns)
        except InputError as error:
            reason = str(error)
        return reason and _one_line(reason)


def _check_stamp(message: Any, topic: str) -> None:
    """Refuse a header stamp that is no time; messages without a header pass.

    Raises:
        InputError: Nanoseconds are a whole second or more.
    """
    header = getattr(message, "header", None)
    if header is None:
        return
    if int(header.stamp.nanosec) >= 10**9:
        raise InputError(f"{topic}: stamp is no time: its nanoseconds are a whole second or more")


def _one_line(text: str) -> str:
    """A reason that fits a log line and a diagnostic, whatever text came in the message."""
    line = text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text[: _MAX_REASON + 1])
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 3] + "..."
