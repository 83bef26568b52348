"""Subscriptions of serialized messages that an executor waits for and takes together.

rclpy's executor spends about 2 ms of processor time for each message of a node with this many subscriptions, as it makes a
new wait set of all of them and of their QoS events before every wait, and two for every callback. As one waitable they cost
a tenth, and messages that arrived together are taken together, in the order in which the middleware received them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.waitable import NumberOfEntities, Waitable

from transdiffuser_planner.ros.message_factory import message_class

_MAX_TAKEN = 10
_MAX_WAIT_S = 10.0
_LOOK_EVERY_S, _LOOK_FOR_S = 1.0, 0.1

Take = Callable[[bytes, float], None]
"""Called with a serialized message and when the middleware received it, on ``time.perf_counter``."""


class OccasionalGroup(ReentrantCallbackGroup):
    """QoS events of subscriptions and publishers: an executor looks for them during 0.1 s of every second.

    Subscriptions in this group are never executed by the executor itself.
    """

    def can_execute(self, entity: Any) -> bool:
        """Whether the executor may wait for an entity now."""
        return not isinstance(entity, Subscription) and time.monotonic() % _LOOK_EVERY_S < _LOOK_FOR_S


class SerializedSubscriptions(Waitable):
    """Subscriptions of one node, in one waitable."""

    def __init__(self, node: Node) -> None:
        """Add itself to the node.

        Args:
            node: Owns the subscriptions.
        """
        super().__init__(ReentrantCallbackGroup())
        self._node, self._events = node, OccasionalGroup()
        self._inputs: list[tuple[Subscription, Take]] = []
        self._waited: tuple[tuple[Subscription, Take], ...] = ()  # others may be added while an executor waits
        self._places: list[int] = []
        self._ready: list[tuple[Subscription, Take]] = []
        node.add_waitable(self)

    def add(self, type_name: str, topic: str, options: dict[str, Any], take: Take) -> None:
        """Subscribe.

        Args:
            type_name: Message type.
            topic: Its topic.
            options: Arguments of ``create_subscription``: profile, overrides, callbacks of events.
            take: Receives the messages.
        """
        subscription = self._node.create_subscription(
            message_class(type_name), topic, lambda _: None, raw=True, callback_group=self._events, **options
        )
        self._inputs.append((subscription, take))

    def close(self) -> None:
        """Unsubscribe."""
        self._node.remove_waitable(self)
        for subscription, _ in self._inputs:
            self._node.destroy_subscription(subscription)
        self._inputs.clear()

    # What an executor calls.

    def __enter__(self) -> None:
        self._waited = tuple(item for item in tuple(self._inputs) if _is_entered(item[0]))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for subscription, _ in self._waited:
            subscription.handle.__exit__(kind, value, trace)

    def get_num_entities(self) -> NumberOfEntities:
        """Return the number of subscriptions."""
        return NumberOfEntities(num_subs=len(self._waited))

    def add_to_wait_set(self, wait_set: Any) -> None:
        """Add all subscriptions."""
        self._places = [wait_set.add_subscription(subscription.handle) for subscription, _ in self._waited]

    def is_ready(self, wait_set: Any) -> bool:
        """Return whether a message has arrived."""
        found = zip(self._waited, self._places, strict=True)
        self._ready = [item for item, place in found if wait_set.is_ready("subscription", place)]
        return bool(self._ready)

    def take_data(self) -> list[tuple[float, Take, bytes]]:
        """Take the messages that have arrived; returns when, their receiver, and the message."""
        taken: list[tuple[float, Take, bytes]] = []
        now_ns, now_s = time.time_ns(), time.perf_counter()
        for subscription, take in self._ready:
            with suppress(InvalidHandle), subscription.handle:  # it may have been closed since
                for _ in range(_MAX_TAKEN):
                    found = subscription.handle.take_message(subscription.msg_type, True)
                    if found is None:
                        break
                    taken.append((received_at_s(found[1], now_ns, now_s), take, found[0]))
        return sorted(taken, key=lambda item: item[0])

    async def execute(self, taken_data: list[tuple[float, Take, bytes]]) -> None:
        """Hand the messages over.

        Args:
            taken_data: Result of ``take_data``.
        """
        for arrived_s, take, data in taken_data:
            take(data, arrived_s)


def _is_entered(subscription: Subscription) -> bool:
    """Keep a subscription from being destroyed while an executor waits; False if it is destroyed already."""
    try:
        subscription.handle.__enter__()
    except InvalidHandle:
        return False
    return True


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
