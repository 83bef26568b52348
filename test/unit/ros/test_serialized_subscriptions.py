"""The planner's inputs as rclpy serializes them, and when they were received."""

import array
import time

import needs_ros  # noqa: F401
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from transdiffuser_planner.messages.serialized.read_message import FIELDS, read_message
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.serialized_subscriptions import received_at_s


def _filled(message, rng):
    """The message with another value in every field."""
    for name, kind in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if hasattr(value, "get_fields_and_field_types"):
            _filled(value, rng)
        elif isinstance(value, str):
            setattr(message, name, "frame_ä"[: int(rng.integers(1, 8))])
        elif isinstance(value, array.array):
            value.extend(type(value[0])(v) for v in rng.integers(0, 99, 5)) if len(value) else value.frombytes(
                bytes(40)
            )
        elif isinstance(value, np.ndarray):
            value[:] = rng.random(len(value))
        elif isinstance(value, list):
            element = message_class(kind.removeprefix("sequence<").removesuffix(">").replace("/", "/msg/"))
            setattr(message, name, [_filled(element(), rng) for _ in range(3)])
        else:
            setattr(message, name, type(value)(rng.integers(0, 2)))
    return message


def _same(found, expected):
    if hasattr(expected, "get_fields_and_field_types"):
        return all(_same(getattr(found, n), getattr(expected, n)) for n in expected.get_fields_and_field_types())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(_same(*pair) for pair in zip(found, expected, strict=True))
    if isinstance(expected, (array.array, np.ndarray)):
        return np.array_equal(found, np.asarray(expected))
    return found == expected


@pytest.mark.parametrize("kind", FIELDS)
def test_a_message_reads_as_rclpy_reads_it(kind):
    for seed in range(4):
        data = serialize_message(_filled(message_class(kind)(), np.random.default_rng(seed)))
        assert _same(read_message(data, kind), deserialize_message(data, message_class(kind)))


def test_a_name_that_is_no_utf8_reads_as_rclpy_reads_it():
    kind = "nav_msgs/msg/Odometry"
    data = serialize_message(message_class(kind)(child_frame_id="base_link")).replace(b"base_link", b"base_\xfcink")
    expected = deserialize_message(data, message_class(kind)).child_frame_id
    assert read_message(data, kind).child_frame_id == expected == "base_\ufffdink"


@pytest.mark.parametrize(("waited_s", "expected_s"), [(0.25, 9.75), (0.0, 10.0), (-3600.0, 10.0), (3600.0, 10.0)])
def test_latency_begins_when_the_middleware_received_a_message_unless_its_clock_is_odd(waited_s, expected_s):
    now_ns = time.time_ns()
    info = {"received_timestamp": now_ns - round(waited_s * 1e9)}
    assert received_at_s(info, now_ns, 10.0) == pytest.approx(expected_s)


def test_a_middleware_without_times_counts_from_the_callback():
    assert received_at_s({"received_timestamp": 0}, time.time_ns(), 10.0) == 10.0
    assert received_at_s({}, time.time_ns(), 10.0) == 10.0
