"""Relates the wall clock to the clock of a bag, for replays in real time."""

from __future__ import annotations

import time


class PlaybackClock:
    """Schedules messages at the intervals at which they were recorded.

    Args:
        first_log_ns: Log time of the first message, which is due now.
    """

    def __init__(self, first_log_ns: int) -> None:
        self._first_ns, self._begin = first_log_ns, time.perf_counter()

    def due(self, log_time_ns: int) -> float:
        """Return the arrival time of a message, on perf_counter's clock in seconds.

        Args:
            log_time_ns: Log time of the message.
        """
        return self._begin + (log_time_ns - self._first_ns) * 1e-9

    def is_due(self, log_time_ns: int) -> bool:
        """Test whether a message is due by now.

        Args:
            log_time_ns: Log time of the message.
        """
        return time.perf_counter() >= self.due(log_time_ns)

    def wait(self, log_time_ns: int) -> None:
        """Wait until a message is due.

        Args:
            log_time_ns: Log time of the message.
        """
        left_s = self.due(log_time_ns) - time.perf_counter()
        if left_s > 0.0:
            time.sleep(left_s)
