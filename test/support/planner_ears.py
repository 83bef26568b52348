"""Hears everything that a planner says, over DDS, and when; asks its services."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from transdiffuser_planner.recording import decode_plan
from transdiffuser_planner.recording.decode import stamp_ns
from transdiffuser_planner.recording.encode_plan import OUTPUT_TYPES
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import RELIABLE

Trajectory = decode_plan.Trajectory


@dataclass(frozen=True)
class Heard:
    """A message and when it came, on ``time.monotonic``."""

    at_s: float
    message: Any

    @property
    def stamp_ns(self) -> int:
        return stamp_ns(self.message)


class PlannerEars(Node):
    """Subscribes to one planner's outputs."""

    def __init__(self, planner: str = "/transdiffuser_planner", name: str = "ears") -> None:
        super().__init__(name)
        self.planner = planner
        self._label = f"{planner.lstrip('/')}: planning"
        self.heard: dict[str, list[Heard]] = {}
        self._heard_by_topic: dict[str, Any] = {}
        self.open()

    def open(self) -> None:
        """Subscribe to trajectory, status (of ~/output and ~/shadow) and diagnostics."""
        for folder in ("output", "shadow"):
            for name in ("trajectory", "status"):
                self.listen(f"{folder}/{name}", OUTPUT_TYPES[name])
        self.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")

    def listen(self, topic: str, type_name: str) -> None:
        """Keep what comes on a topic below the planner's name, or on a global one."""
        heard = self.heard.setdefault(topic, [])
        full = topic if topic.startswith("/") else f"{self.planner}/{topic}"

        def keep(message: Any) -> None:
            heard.append(Heard(time.monotonic(), message))

        self._heard_by_topic[topic] = self.create_subscription(message_class(type_name), full, keep, RELIABLE)

    def close(self) -> None:
        """Unsubscribe from everything."""
        for subscription in self._heard_by_topic.values():
            self.destroy_subscription(subscription)
        self._heard_by_topic.clear()

    def since(self, topic: str, at_s: float) -> list[Heard]:
        """What came on a topic from a moment on."""
        return [heard for heard in list(self.heard.get(topic, ())) if heard.at_s >= at_s]

    def trajectories(self, at_s: float) -> list[Heard]:
        """Of both folders, in the order in which they came."""
        both = self.since("output/trajectory", at_s) + self.since("shadow/trajectory", at_s)
        return sorted(both, key=lambda heard: heard.at_s)

    def plans(self, at_s: float) -> list[Heard]:
        """Statuses of published trajectories."""
        return [heard for heard in self.since("output/status", at_s) if heard.message.ready]

    def said(self, at_s: float) -> str:
        """Everything in words since a moment; of what diagnostics count only what was counted since."""
        words = []
        for status in (heard.message for heard in self.since("output/status", at_s)):
            words += [status.not_ready_reason, status.fallback_reason]
            words += [f"missing: {name}" for name in status.missing_inputs]
        before = self._values(self._last_diagnostics(at_s))
        for heard in self.since("/diagnostics", at_s):
            for status in self._own(heard):
                words.append(status.message)
                words += [f"{key}={value}" for key, value in self._values(heard).items() if before.get(key) != value]
        return " | ".join(dict.fromkeys(word for word in words if word))

    def diagnostics(self, at_s: float) -> dict[str, str]:
        """The values of the first diagnostics after a moment; empty when none came yet."""
        return next((self._values(heard) for heard in self.since("/diagnostics", at_s) if self._own(heard)), {})

    def _last_diagnostics(self, at_s: float) -> Heard | None:
        before = [heard for heard in self.heard["/diagnostics"] if heard.at_s < at_s and self._own(heard)]
        return before[-1] if before else None

    def _own(self, heard: Heard) -> list[Any]:
        return [status for status in heard.message.status if status.name == self._label]

    def _values(self, heard: Heard | None) -> dict[str, str]:
        if heard is None:
            return {}
        return {item.key: item.value for status in self._own(heard) for item in status.values}

    def ask(self, service: str, type_name: str, timeout_s: float = 15.0, **fields: Any) -> Any:
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
    """An executor in a thread of its own; what escapes from it is kept."""

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
        """Run something in the spinning thread and wait for it."""
        done = threading.Event()

        def run() -> None:
            call()
            done.set()

        self.executor.create_task(run)
        assert done.wait(10.0)

    def end(self) -> None:
        self.executor.shutdown()
        self._thread.join(5.0)

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except BaseException as error:
            self.escaped = error
