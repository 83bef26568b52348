"""Compares message definitions with those of the other side of a topic, by the hashes in the ROS graph.

A message does not state which publisher it is of: where two publishers of a topic have different definitions, none of its
messages can be read safely, even if each definition is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transdiffuser_planner.integrations.autoware.interface.versions import disagreement, mismatch

_EVERY_S = 1.0


class PeerCheck:
    """Hashes of the publishers or subscribers of one topic; the graph is asked once a second, and when their number changes."""

    def __init__(
        self, node: Any, topic: str, type_name: str, *, is_input: bool, accepted: tuple[str, ...] = ()
    ) -> None:
        """Start without knowledge.

        Args:
            node: Has a publisher or subscription of the topic.
            topic: Private or absolute.
            type_name: Message type.
            is_input: Whether the other side publishes.
            accepted: Hashes of further definitions that can be read.
        """
        self._node, self._type_name, self._accepted = node, type_name, accepted
        self.topic = node.resolve_topic_name(topic)
        peers, own = node.get_publishers_info_by_topic, node.get_subscriptions_info_by_topic
        self._peers: Callable[[str], list[Any]] = peers if is_input else own
        self._own: Callable[[str], list[Any]] = own if is_input else peers
        self._count: Callable[[str], int] = node.count_publishers if is_input else node.count_subscribers
        self._asked_s, self._num_peers = -1e9, -1
        self.reason = ""
        self.peer_hash = ""
        """Definition of all peers that state one."""

    def check(self) -> str:
        """Return one line if a peer's definition differs from this side's or another peer's, with both versions; else ""."""
        now, num_peers = time.monotonic(), self._count(self.topic)
        if now - self._asked_s >= _EVERY_S or num_peers != self._num_peers:
            self._asked_s, self._num_peers = now, num_peers
            name = self._node.get_name()
            mine = next((type_hash(e) for e in self._own(self.topic) if e.node_name == name), "")
            theirs = [type_hash(e) for e in self._peers(self.topic) if e.topic_type == self._type_name]
            stated = sorted({other for other in theirs if other})
            reasons = [mismatch(self._type_name, mine, other, self._accepted) for other in stated]
            reasons.append(disagreement(self._type_name, stated))
            self.peer_hash = stated[0] if len(stated) == 1 else ""
            self.reason = next((f"{self.topic}: {reason}" for reason in reasons if reason), "")
        return self.reason


def type_hash(endpoint: Any) -> str:
    """Hash of a topic's endpoint, as RIHS01 text; "" where ROS 2 states none, as before Iron.

    Args:
        endpoint: rclpy's TopicEndpointInfo.
    """
    found = getattr(endpoint, "topic_type_hash", None)
    if found is None:
        return ""
    value = getattr(found, "value", b"")
    return "" if getattr(found, "version", -1) != 1 or not any(value) else "RIHS01_" + bytes(value).hex()
