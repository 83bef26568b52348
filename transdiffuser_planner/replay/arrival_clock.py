"""Finds when the messages of a recording arrived, where its log times and its stamps follow one clock."""

from __future__ import annotations

from collections import deque

_KEPT = 20
_ENOUGH = 3
_MAX_OFFSET_NS = 500_000_000
_MAX_SPREAD_NS = 100_000_000
_OUTLIERS = 2  # of the messages kept, at either end: recorders pause now and then


class ArrivalClock:
    """Compares the log times of odometry with its stamps.

    Simulated time that runs at another speed, converted recordings and recorders on another clock have log times that are
    no times of arrival.
    """

    def __init__(self) -> None:
        self._offsets_ns: deque[int] = deque(maxlen=_KEPT)

    def odometry(self, log_time_ns: int, stamp_ns: int) -> None:
        """Record a message of odometry.

        Args:
            log_time_ns: Its log time.
            stamp_ns: Its stamp.
        """
        self._offsets_ns.append(log_time_ns - stamp_ns)

    def now_ns(self, log_time_ns: int) -> int | None:
        """Return the time of arrival of a message on the clock of the stamps; None where log times do not show it.

        Args:
            log_time_ns: Its log time.
        """
        if len(self._offsets_ns) < _ENOUGH:
            return None
        offsets = sorted(self._offsets_ns)
        inner = offsets[_OUTLIERS:-_OUTLIERS] if len(offsets) > 4 * _OUTLIERS else offsets
        is_one_clock = inner[-1] - inner[0] <= _MAX_SPREAD_NS and abs(inner[len(inner) // 2]) <= _MAX_OFFSET_NS
        return log_time_ns if is_one_clock else None
