"""Records live topics into an MCAP bag without decoding them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rclpy.node import Node

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

_QUEUE = 2000


class TopicRecorder:
    """Subscribes with a node and writes in its own thread, so that the disk never blocks callbacks."""

    def __init__(
        self, node: Node, bag: Path, topics: Mapping[str, str], latched: Mapping[str, str], now_ns: Callable[[], int]
    ) -> None:
        """Start recording.

        Args:
            node: Receives the messages.
            bag: New bag directory.
            topics: Topic -> type of frequent messages.
            latched: Topic -> type of messages published once.
            now_ns: Log time of a message that has just arrived.

        Raises:
            RecordingError: The bag cannot be created.
        """
        self._writer = BagWriter(bag)
        self._types = {**topics, **latched}
        self._now_ns = now_ns
        self._queue: queue.Queue[tuple[str, int, bytes] | None] = queue.Queue(_QUEUE)
        self.num_messages = self.num_dropped = 0
        self.fault = ""
        for topic, type_name in self._types.items():
            qos = LATCHED if topic in latched else RELIABLE
            node.create_subscription(message_class(type_name), topic, self._receiver(topic), qos, raw=True)
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def _receiver(self, topic: str) -> Callable[[Any], None]:
        def receive(raw: Any) -> None:
            try:
                self._queue.put_nowait((topic, self._now_ns(), bytes(raw)))
            except queue.Full:
                self.num_dropped += 1

        return receive

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if self.fault:
                continue
            topic, log_time_ns, raw = item
            try:
                self._writer.write_raw(topic, self._types[topic], log_time_ns, raw)
                self.num_messages += 1
            except OSError as error:
                self.fault = f"recording stopped: {error}"

    def close(self) -> None:
        """Write all received messages and finish the bag.

        Raises:
            RecordingError: Writing failed; the bag ends there.
        """
        self._queue.put(None)
        self._thread.join()
        self._writer.close()
        if self.fault:
            raise RecordingError(self.fault)
