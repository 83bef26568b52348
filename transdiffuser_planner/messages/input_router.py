"""Feeds recorded or received messages into a snapshot assembler, one decoder per input."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.messages.input_registry import InputSpec, SnapshotSink, mapped_inputs
from transdiffuser_planner.messages.missing_fields import reject_missing_fields
from transdiffuser_planner.messages.topic_map import TopicMap

_MAX_REASON = 300


class InputRouter:
    """Routes messages to a sink by topic.

    Args:
        topics: Topic of every input.
        sink: Receives the decoded values.
    """

    def __init__(self, topics: TopicMap, sink: SnapshotSink) -> None:
        self._sink = sink
        self._inputs: dict[str, tuple[InputSpec, str]] = {
            topic: (spec, camera) for spec, camera, topic in mapped_inputs(topics)
        }
        self.sensor_topics = {topic for topic, (spec, _) in self._inputs.items() if spec.is_frame}
        self.every_cycle_topics = {topic for topic, (spec, _) in self._inputs.items() if spec.is_every_cycle}

    def feed(self, topic: str, log_time_ns: int, message: Any) -> str | None:
        """Decode one message and add it to the sink.

        Args:
            topic: Its topic; unknown topics are ignored.
            log_time_ns: Its time for types without a stamp.
            message: rosbags' or rclpy's.

        Returns:
            Reason for rejecting the value, in one line, or None.
        """
        found = self._inputs.get(topic)
        if found is None:
            return None
        spec, camera = found
        try:
            _check_stamp(message, topic)
            with reject_missing_fields(topic):
                reason = spec.add(self._sink, spec.decode(message, camera), log_time_ns, camera)
        except InputError as error:
            reason = str(error)
        return reason and _one_line(reason)


def _check_stamp(message: Any, topic: str) -> None:
    """Check a header stamp; messages without a header pass.

    Raises:
        InputError: Nanoseconds are a whole second or more.
    """
    header = getattr(message, "header", None)
    if header is None:
        return
    if int(header.stamp.nanosec) >= 10**9:
        raise InputError(f"{topic}: stamp is no time: its nanoseconds are a whole second or more")


def _one_line(text: str) -> str:
    """Make a reason fit a log line and a diagnostic, for any text from the message."""
    line = text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text[: _MAX_REASON + 1])
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 3] + "..."
