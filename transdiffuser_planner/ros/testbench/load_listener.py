"""Listens to a planner node during a load test."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from transdiffuser_planner.messages import decode_outputs
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import RELIABLE


class LoadListener(Node):  # type: ignore[misc]
    """Keeps what a planner publishes.

    Attributes:
        statuses: Of all cycles with a plan or fallback.
        facts: Values of its last diagnostics.
    """

    def __init__(self) -> None:
        """Subscribe to status and diagnostics."""
        super().__init__("transdiffuser_load_listener")
        self.statuses: list[decode_outputs.RecordedStatus] = []
        self.facts: dict[str, str] = {}
        status, diagnostics = (
            message_class(OUTPUT_TYPES["status"]),
            message_class("diagnostic_msgs/msg/DiagnosticArray"),
        )
        self.create_subscription(status, f"{OUTPUT_NAMESPACE}/status", self._on_status, RELIABLE)
        self.create_subscription(diagnostics, "/diagnostics", self._on_diagnostics, RELIABLE)

    def _on_status(self, message: Any) -> None:
        status = decode_outputs.status(message)
        if status.ready:
            self.statuses.append(status)

    def _on_diagnostics(self, message: Any) -> None:
        self.facts = {item.key: item.value for status in message.status for item in status.values}
