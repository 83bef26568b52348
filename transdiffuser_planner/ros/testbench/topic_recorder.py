"""Records live topics into an MCAP bag without decoding them; it writes and compresses between plans."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

_QUEUE = 2000
_HOLD_S = 0.1


class TopicRecorder:
    """Writes in its own thread, so that the disk never blocks callbacks; close it after the node's subscriptions."""

    def __init__(
        self,
        add: Callable[[str, str, dict[str, Any], Callable[[bytes, float], None]], None],
        bag: Path,
        topics: Mapping[str, str],
        latched: Mapping[str, str],
        now_ns: Callable[[], int],
    ) -> None:
        """Start recording.

        Args:
            add: Subscribes, as ``SerializedSubscriptions.add``.
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
        self._may_write = threading.Event()
        self.num_messages = self.num_dropped = 0
        self.fault = ""
        for topic, type_name in self._types.items():
            qos = LATCHED if topic in latched else RELIABLE
            add(type_name, topic, {"qos_profile": qos}, self._receiver(topic))
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """Do not write for now: a planning cycle begins. It lasts until ``release``, or 0.1 s."""
        self._may_write.clear()

    def release(self) -> None:
        """Write what has been received: the planning cycle has ended."""
        self._may_write.set()

    def _receiver(self, topic: str) -> Callable[[bytes, float], None]:
        def receive(raw: bytes, arrived_s: float) -> None:
            try:
                self._queue.put_nowait((topic, self._now_ns(), raw))
            except queue.Full:
                self.num_dropped += 1

        return receive

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if self.fault:
                continue
            topic, log_time_ns, raw = item
            if not self._may_write.wait(_HOLD_S):
                self._may_write.set()
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
        self._may_write.set()
        self._queue.put(None)
        self._thread.join()
        self._writer.close()
        if self.fault:
            raise RecordingError(self.fault)
