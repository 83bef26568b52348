"""Detects changes of an input's rate by its stamps, independent of the machine's load."""

from __future__ import annotations

from collections import deque

_RECENT = 4
_USUAL = 40
_ENOUGH = 10
_CHANGED = 1.4
_PAUSE_NS = 2_000_000_000


class RateMonitor:
    """Monitors the rates of any number of inputs. Not thread-safe."""

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}
        self._intervals_ns: dict[str, deque[int]] = {}

    def update(self, name: str, stamp_ns: int) -> str:
        """Update the rate of an input with an accepted message.

        Args:
            name: The input's name.
            stamp_ns: The message's stamp.

        Returns:
            A warning when the rate has changed, else the empty string.
        """
        intervals = self._intervals_ns.setdefault(name, deque(maxlen=_USUAL))
        interval_ns = stamp_ns - self._last_ns.get(name, stamp_ns)
        self._last_ns[name] = stamp_ns
        if not 0 < interval_ns < _PAUSE_NS:  # the first one, or the clock jumped
            intervals.clear()
            return ""
        intervals.append(interval_ns)
        warning = _rate_warning(intervals)
        return f"{name} {warning}" if warning else ""

    def hz(self) -> dict[str, float]:
        """Rate of every received input over its last messages, in Hz."""
        recent = {name: list(intervals)[-_ENOUGH:] for name, intervals in list(self._intervals_ns.items())}
        return {name: 1e9 * len(values) / sum(values) for name, values in recent.items() if values}


def _rate_warning(intervals_ns: deque[int]) -> str:
    """Compare the mean of the last few intervals with the median of many."""
    if len(intervals_ns) < _ENOUGH:
        return ""
    values = list(intervals_ns)
    usual_ns, recent_ns = sorted(values)[len(values) // 2], sum(values[-_RECENT:]) / _RECENT
    if recent_ns > _CHANGED * usual_ns:
        return "is received less often than before"
    return "is received more often than before" if recent_ns < usual_ns / _CHANGED else ""
