"""Subscriptions of serialized messages that a thread of their own waits for and takes together.

rclpy's executor spends about 2 ms of processor time for each message of a node with this many subscriptions, as it makes a
new wait set of everything that the node has before every wait, and two for every callback. A thread that waits for the inputs
only costs a twentieth, and messages that arrived together are taken together, in the order in which the middleware received them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.subscription import Subscription

from transdiffuser_planner.ros.message_factory import message_class

_MAX_TAKEN = 10
_MAX_WAIT_S = 10.0
_MAX_SLEEP_S = 0.1  # until the end of the thread is noticed
_LOOK_EVERY_S, _LOOK_FOR_S = 1.0, 0.1

Take = Callable[[bytes, float], None]
"""Called with a serialized message and when the middleware received it, on ``time.perf_counter``."""


class OccasionalGroup(ReentrantCallbackGroup):
    """QoS events of subscriptions and publishers: an executor looks for them during 0.1 s of every second.

    Subscriptions in this group are never executed by the executor.
    """

    def can_execute(self, entity: Any) -> bool:
        """Whether the executor may wait for an entity now."""
        return not isinstance(entity, Subscription) and time.monotonic() % _LOOK_EVERY_S < _LOOK_FOR_S


class SerializedSubscriptions:
    """Subscriptions of one node and the thread that receives them."""

    def __init__(self, node: Node) -> None:
        """Start without subscriptions.

        Args:
            node: Owns the subscriptions.
        """
        self._node, self._events = node, OccasionalGroup()
        self._inputs: list[tuple[Subscription, Take]] = []
        self._is_ended = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, type_name: str, topic: str, options: dict[str, Any], take: Take) -> None:
        """Subscribe, before ``start``.

        Args:
            type_name: Message type.
            topic: Its topic.
            options: Arguments of ``create_subscription``: profile, overrides, callbacks of events.
            take: Receives the messages, in the thread.
        """
        subscription = self._node.create_subscription(
            message_class(type_name), topic, lambda _: None, raw=True, callback_group=self._events, **options
        )
        self._inputs.append((subscription, take))

    def start(self, after: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        """Start to receive.

        Args:
            after: Called in the thread after messages that were taken together, and when none has arrived for the time that
                it returned last [s]; must not raise.
            lock: Held while messages are handed over and ``after`` is called.
        """
        self._thread = threading.Thread(target=self._receive, args=(after, lock), name="inputs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and unsubscribe; not from the thread itself."""
        self._is_ended.set()
        if self._thread is not None:
            self._thread.join()
        for subscription, _ in self._inputs:
            self._node.destroy_subscription(subscription)
        self._inputs.clear()

    def _receive(self, after: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        """Receive until closed, or until the node or its context is destroyed.

        Raises:
            InvalidHandle: A subscription was destroyed before closing.
            RCLError: Waiting failed.
        """
        try:
            with ExitStack() as kept:
                for subscription, _ in self._inputs:
                    kept.enter_context(subscription.handle)
                self._receive_entered(after, lock)
        except (InvalidHandle, _rclpy.RCLError):
            if self._node.context.ok() and not self._is_ended.is_set():
                raise

    def _receive_entered(self, after: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        wait_s = 0.0
        while not self._is_ended.is_set() and self._node.context.ok():
            taken = self._taken(min(wait_s, _MAX_SLEEP_S))
            with lock:
                for arrived_s, take, data in taken:
                    take(data, arrived_s)
                wait_s = after()

    def _taken(self, wait_s: float) -> list[tuple[float, Take, bytes]]:
        """Wait for messages and take them; returns when each was received, its receiver, and the message."""
        wait_set = _rclpy.WaitSet(len(self._inputs), 0, 0, 0, 0, 0, self._node.context.handle)
        wait_set.clear_entities()
        places = [wait_set.add_subscription(subscription.handle) for subscription, _ in self._inputs]
        wait_set.wait(round(wait_s * 1e9))
        taken: list[tuple[float, Take, bytes]] = []
        now_ns, now_s = time.time_ns(), time.perf_counter()
        for (subscription, take), place in zip(self._inputs, places, strict=True):
            if not wait_set.is_ready("subscription", place):
                continue
            for _ in range(_MAX_TAKEN):
                found = subscription.handle.take_message(subscription.msg_type, True)
                if found is None:
                    break
                taken.append((received_at_s(found[1], now_ns, now_s), take, found[0]))
        return sorted(taken, key=lambda item: item[0])


def received_at_s(info: Any, now_ns: int, now_s: float) -> float:
    """Return when the middleware received a message: it may have waited for the executor since.

    Now, if the middleware does not state it, or if it states the future or long ago, as after a step of the system's clock.

    Args:
        info: rclpy's information about the message, a mapping.
        now_ns: The system's clock.
        now_s: ``time.perf_counter`` at the same time.
    """
    received_ns = int(info.get("received_timestamp") or 0)
    waited_s = (now_ns - received_ns) * 1e-9
    return now_s - waited_s if received_ns and 0.0 <= waited_s <= _MAX_WAIT_S else now_s
