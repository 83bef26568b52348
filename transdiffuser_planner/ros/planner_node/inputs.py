"""The planner node's subscriptions: every message is decoded here, once, and forwarded as a value."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from rclpy.node import Node
from rclpy.qos import QoSProfile

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.decode_inputs import stamp_ns
from transdiffuser_planner.messages.input_registry import PRIVATE_PREFIX, mapped_inputs, private_topics
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.serialized.read_message import read_message
from transdiffuser_planner.ros.planner_node.front_end import FrontEnd, FrontEndInput, NoFrontEnd
from transdiffuser_planner.ros.qos import INPUT_PROFILES, input_options
from transdiffuser_planner.ros.serialized_subscriptions import SerializedSubscriptions
from transdiffuser_planner.runtime.inputs.input_notices import InputNotices
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler


def input_name(topic: str) -> str:
    """Return the name of an input: the sensor's name in the rig, or the topic's last part.

    Args:
        topic: Private topic.
    """
    return topic.removeprefix(PRIVATE_PREFIX).removeprefix("camera/")


class Received(Protocol):
    """Callback for every message."""

    def __call__(self, key: str, arrived_s: float, reason: str | None, *, is_sensor: bool) -> None:
        """Handle the arrival of a message.

        Args:
            key: Its private topic.
            arrived_s: Arrival on ``time.perf_counter``.
            reason: Reason of its rejection; None when accepted.
            is_sensor: Whether it belongs to a frame.
        """


class NodeInputs:
    """Subscriptions of a configured node; all callbacks are called by a thread of their own that holds the lock."""

    def __init__(
        self,
        node: Node,
        rig: Rig,
        assembler: SnapshotAssembler,
        received: Received,
        warned: Callable[[str, str], None],
        after: Callable[[], float],
        lock: AbstractContextManager[Any],
        front_end: FrontEnd | None = None,
    ) -> None:
        """Subscribe to every input of the registry that the rig has, and to those of the front end.

        Args:
            node: Owns the subscriptions and the clock.
            rig: The vehicle's sensors.
            assembler: Receives the values.
            received: Called after every message.
            warned: Called with (key, text) for warnings about accepted messages.
            after: Called after all messages that arrived together, and when none has arrived for the time that it returned
                last [s]; must not raise.
            lock: Other threads use the assembler under it.
            front_end: Receives decoded messages before the assembler, and its own inputs; None: the planner alone.
        """
        self._node, self._received, self._warned = node, received, warned
        self._assembler, self._notices = assembler, InputNotices(assembler)
        self.rates = self._notices.rates
        topics = private_topics(rig)
        front_end = NoFrontEnd() if front_end is None else front_end
        self._router = InputRouter(topics, front_end.configure(rig.vehicle, assembler))
        self._subscriptions = SerializedSubscriptions(node)
        for spec, camera, topic in mapped_inputs(topics):
            for message_type in spec.message_types:
                self._subscribe(message_type, spec.private_topic(camera, message_type), topic, INPUT_PROFILES[spec.qos])
        for extra in front_end.inputs():
            self._subscribe_extra(extra)
        self._subscriptions.start(after, lock)

    def close(self) -> None:
        """Unsubscribe."""
        self._subscriptions.close()

    def _subscribe(self, type_name: str, topic: str, key: str, qos: QoSProfile) -> None:
        """Subscribe; key is the topic's name in the router."""
        options = input_options(self._node.resolve_topic_name(topic), qos, self._warned)

        def take(data: bytes, arrived_s: float) -> None:
            self._take(key, type_name, data, arrived_s)

        self._subscriptions.add(type_name, topic, options, take)

    def _subscribe_extra(self, extra: FrontEndInput) -> None:
        """Subscribe to an input of the front end."""
        options = input_options(self._node.resolve_topic_name(extra.topic), INPUT_PROFILES[extra.qos], self._warned)

        def take(data: bytes, arrived_s: float) -> None:
            try:
                reason = extra.take(data)
            except InputError as error:
                reason = f"{extra.topic}: {error}"
            except Exception as error:  # as in _take: no fault of one message may end the node
                reason = f"{extra.topic}: {type(error).__name__}: {error}"
            self._received(extra.topic, arrived_s, reason, is_sensor=False)

        self._subscriptions.add(extra.type_name, extra.topic, options, take)

    def _take(self, key: str, type_name: str, data: bytes, arrived_s: float) -> None:
        """Outermost scope of the node: no fault of one message may end the node."""
        try:
            message = read_message(data, type_name)
            received_ns = self._received_ns(arrived_s)
            # Ticks of simulated time are too coarse for delays.
            self._assembler.now_ns = None if self._is_simulated_time() else received_ns
            reason = self._router.feed(key, received_ns, message)
            if not reason:
                self._watch(key, message)
        except InputError as error:
            reason = f"{key}: {error}"
        except Exception as error:
            reason = f"{key}: {type(error).__name__}: {error}"
        self._received(key, arrived_s, reason, is_sensor=key in self._router.sensor_topics)

    def _is_simulated_time(self) -> bool:
        return bool(self._node.get_clock().ros_time_is_active)

    def _received_ns(self, arrived_s: float) -> int:
        """When a message was received, on the node's clock; now if that clock is simulated."""
        waited_ns = 0 if self._is_simulated_time() else round((time.perf_counter() - arrived_s) * 1e9)
        return int(self._node.get_clock().now().nanoseconds) - waited_ns

    def _watch(self, key: str, message: Any) -> None:
        """Forward notices about an accepted message."""
        stamp = stamp_ns(message) if key in self._router.every_cycle_topics else None
        for notice in self._notices.after(input_name(key), stamp):
            self._warned(key, notice)
