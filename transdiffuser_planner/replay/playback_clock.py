"""The wall clock beside a bag's clock, for replays in real time."""

from __future__ import annotations

import time


class PlaybackClock:
    """Messages are due at the same intervals at which they were recorded."""

    def __init__(self, first_log_ns: int) -> None:
        self._first_ns, self._begin = first_log_ns, time.perf_counter()

    def due(self, log_time_ns: int) -> float:
        """When a message arrives, on perf_counter's clock."""
        return self._begin + (log_time_ns - self._first_ns) * 1e-9

    def is_due(self, log_time_ns: int) -> bool:
        """Whether a message has arrived by now."""
        return time.perf_counter() >= self.due(log_time_ns)

    def wait(self, log_time_ns: int) -> None:
        """Wait until a message arrives."""
        left_s = self.due(log_time_ns) - time.perf_counter()
        if left_s > 0.0:
            time.sleep(left_s)
