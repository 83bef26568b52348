"""A thread with a single latest-wins slot, so that callbacks never wait for the network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class LatestWorker(Generic[Item]):
    """Calls ``work(item)`` for the newest submitted item; older items that still wait are dropped.

    Args:
        work: Must not raise.
        name: Of the thread.
    """

    def __init__(self, work: Callable[[Item], None], name: str = "planner") -> None:
        self._work = work
        self._condition = threading.Condition()
        self._item: Item | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> None:
        """Submit the next item; an older one that still waits is dropped.

        Args:
            item: Argument of ``work``.
        """
        with self._condition:
            self._item = item
            self._condition.notify()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Finish the current item and end the thread.

        Args:
            timeout_s: Longest wait.

        Returns:
            Whether the thread ended in time.
        """
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Never call ``work`` again and do not wait for a call in progress."""
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def _loop(self) -> None:
        while True:
            with self._condition:
                while self._item is None and not self._stopping:
                    self._condition.wait()
                if self._stopping:
                    return
                item, self._item = self._item, None
            if item is not None:
                self._work(item)
