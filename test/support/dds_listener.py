"""Subscribes to everything that a planner publishes over DDS, keeps arrival times, and calls its services."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import needs_ros  # noqa: F401
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from transdiffuser_planner.messages import decode_outputs
from transdiffuser_planner.messages.decode_inputs import stamp_ns
from transdiffuser_planner.messages.encode_outputs import OUTPUT_TYPES
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import RELIABLE

Trajectory = decode_outputs.Trajectory


@dataclass(frozen=True)
class ReceivedMessage:
    """A message and its time of arrival on ``time.monotonic``."""

    at_s: float
    message: Any

    @property
    def stamp_ns(self) -> int:
        return stamp_ns(self.message)


class PlannerListener(Node):
    """Subscribes to one planner's outputs."""

    def __init__(self, planner: str = "/transdiffuser_planner", name: str = "listener") -> None:
        super().__init__(name)
        self.planner = planner
        self._label = f"{planner.lstrip('/')}: planning"
        self.received: dict[str, list[ReceivedMessage]] = {}
        self._subscription_by_topic: dict[str, Any] = {}
        self.open()

    def open(self) -> None:
        """Subscribe to trajectory, status (of ~/output and ~/shadow) and diagnostics."""
        for folder in ("output", "shadow"):
            for name in ("trajectory", "status"):
                self.listen(f"{folder}/{name}", OUTPUT_TYPES[name])
        self.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")

    def listen(self, topic: str, type_name: str) -> None:
        """Keep the messages of a topic below the planner's name, or of a global one."""
        received = self.received.setdefault(topic, [])
        full = topic if topic.startswith("/") else f"{self.planner}/{topic}"

        def keep(message: Any) -> None:
            received.append(ReceivedMessage(time.monotonic(), message))

        self._subscription_by_topic[topic] = self.create_subscription(message_class(type_name), full, keep, RELIABLE)

    def close(self) -> None:
        """Unsubscribe from everything."""
        for subscription in self._subscription_by_topic.values():
            self.destroy_subscription(subscription)
        self._subscription_by_topic.clear()

    def since(self, topic: str, at_s: float) -> list[ReceivedMessage]:
        """Messages of a topic received at or after a time."""
        return [received for received in list(self.received.get(topic, ())) if received.at_s >= at_s]

    def trajectories(self, at_s: float) -> list[ReceivedMessage]:
        """Trajectories for control and of shadow mode, in order of arrival."""
        both = self.since("output/trajectory", at_s) + self.since("shadow/trajectory", at_s)
        return sorted(both, key=lambda received: received.at_s)

    def plans(self, at_s: float) -> list[ReceivedMessage]:
        """Statuses of published trajectories."""
        return [received for received in self.since("output/status", at_s) if received.message.ready]

    def reported(self, at_s: float) -> str:
        """All texts of statuses and diagnostics since a time; counters only where they changed since."""
        texts = []
        for status in (received.message for received in self.since("output/status", at_s)):
            texts += [status.not_ready_reason, status.fallback_reason]
            texts += [f"missing: {name}" for name in status.missing_inputs]
        before = self._values(self._last_diagnostics(at_s))
        for received in self.since("/diagnostics", at_s):
            for status in self._own(received):
                texts.append(status.message)
                texts += [f"{key}={value}" for key, value in self._values(received).items() if before.get(key) != value]
        return " | ".join(dict.fromkeys(text for text in texts if text))

    def diagnostics(self, at_s: float) -> dict[str, str]:
        """The values of the first diagnostics since a time; empty while none were received."""
        return next(
            (self._values(received) for received in self.since("/diagnostics", at_s) if self._own(received)), {}
        )

    def _last_diagnostics(self, at_s: float) -> ReceivedMessage | None:
        before = [
            received for received in self.received["/diagnostics"] if received.at_s < at_s and self._own(received)
        ]
        return before[-1] if before else None

    def _own(self, received: ReceivedMessage) -> list[Any]:
        return [status for status in received.message.status if status.name == self._label]

    def _values(self, received: ReceivedMessage | None) -> dict[str, str]:
        if received is None:
            return {}
        return {item.key: item.value for status in self._own(received) for item in status.values}

    def call(self, service: str, type_name: str, timeout_s: float = 120.0, **fields: Any) -> Any:
        """Call a service below the planner's name from another thread than the one that spins this node."""
        kind = message_class(type_name)
        client = self.create_client(kind, f"{self.planner}/{service}")
        assert client.wait_for_service(timeout_s), f"no service {service}"
        answered = threading.Event()
        future = client.call_async(kind.Request(**fields))
        future.add_done_callback(lambda _: answered.set())
        assert answered.wait(timeout_s), f"{service} did not answer"
        return future.result()


class Spinner:
    """An executor in its own thread; keeps an exception that ends it."""

    def __init__(self, *nodes: Node) -> None:
        self.escaped: BaseException | None = None
        self.executor = SingleThreadedExecutor()
        for node in nodes:
            self.executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name=f"spin {nodes[0].get_name()}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def do(self, call: Any) -> None:
        """Run a callable in the spinning thread and wait for its end."""
        done = threading.Event()

        def run() -> None:
            call()
            done.set()

        self.executor.create_task(run)
        assert done.wait(120.0)

    def end(self) -> None:
        self.executor.shutdown()
        self._thread.join(5.0)

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except BaseException as error:
            self.escaped = error
