"""Learns from arrivals how late and how often each input is stamped.

The delay of a message is the time of its arrival minus its stamp, both on the data's clock. It holds the sensor's latency
(exposure, sweep, transfer, driver) and the offset of its clock; ``clock_check`` separates the two.
"""

from __future__ import annotations

from collections import deque

_KEPT = 20
_ENOUGH = 3
_LATE_SHARE = 0.9
_PAUSE_NS = 2_000_000_000


class _Arrivals:
    """Recent stamps and delays of one input."""

    __slots__ = ("delays_ns", "intervals_ns", "last_ns", "late_ns", "median_ns", "period_ns")

    def __init__(self) -> None:
        self.delays_ns: deque[int] = deque(maxlen=_KEPT)
        self.intervals_ns: deque[int] = deque(maxlen=_KEPT)
        self.last_ns: int | None = None
        self.median_ns = self.late_ns = 0
        self.period_ns: int | None = None

    def record(self, stamp_ns: int, now_ns: int) -> None:
        if self.last_ns is not None and 0 < stamp_ns - self.last_ns < _PAUSE_NS:
            self.intervals_ns.append(stamp_ns - self.last_ns)
            self.period_ns = sorted(self.intervals_ns)[len(self.intervals_ns) // 2]
        self.last_ns = stamp_ns
        self.delays_ns.append(now_ns - stamp_ns)
        delays = sorted(self.delays_ns)
        self.median_ns = delays[len(delays) // 2]
        self.late_ns = delays[int(_LATE_SHARE * (len(delays) - 1) + 0.5)]


class ArrivalTiming:
    """Delay and period of every input of one vehicle, medians of the last 20 messages. Not thread-safe.

    Args:
        expected_ns: Input -> delay to expect before any of its messages has arrived.
    """

    def __init__(self, expected_ns: dict[str, int]) -> None:
        self._expected_ns = expected_ns
        self._arrivals: dict[str, _Arrivals] = {}

    def record(self, name: str, stamp_ns: int, now_ns: int) -> None:
        """Record the arrival of an accepted message.

        Args:
            name: The input.
            stamp_ns: Its stamp.
            now_ns: Time of its arrival on the data's clock.
        """
        self._arrivals.setdefault(name, _Arrivals()).record(stamp_ns, now_ns)

    def forget(self, name: str | None = None) -> None:
        """Forget one input, or all."""
        if name is None:
            self._arrivals.clear()
        else:
            self._arrivals.pop(name, None)

    def period_ns(self, name: str) -> int | None:
        """Return the interval between an input's stamps; None before its second message."""
        found = self._arrivals.get(name)
        return None if found is None else found.period_ns

    def delay_ns(self, name: str) -> int | None:
        """Return an input's usual delay; None before its third message."""
        found = self._arrivals.get(name)
        return None if found is None or len(found.delays_ns) < _ENOUGH else found.median_ns

    def late_ns(self, name: str) -> int:
        """Return the delay that nine of ten messages of an input do not exceed, or the expected one."""
        found = self._arrivals.get(name)
        return self._expected_ns.get(name, 0) if found is None else found.late_ns

    def delays_ns(self) -> dict[str, int]:
        """Return the usual delay of every input that has one."""
        found = {name: self.delay_ns(name) for name in self._arrivals}
        return {name: delay for name, delay in found.items() if delay is not None}

    def next_stamp_ns(self, name: str, from_ns: int) -> int | None:
        """Predict the stamp of an input's first future message at or after a time; None when its period is unknown."""
        found = self._arrivals.get(name)
        if found is None or found.last_ns is None or found.period_ns is None:
            return None
        steps = max(1, -((found.last_ns - from_ns) // found.period_ns))
        return found.last_ns + steps * found.period_ns
