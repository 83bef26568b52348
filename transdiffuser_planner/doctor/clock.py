"""Checks the system clock for jumps and synchronization."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from transdiffuser_planner.doctor.findings import Finding, Findings

_FINDINGS = Findings("clock")
_WATCH_S = 0.3
_STEP_S = 0.01
_MAX_JUMP_S = 0.002
_TIME_ERROR = 5
_TIMEX_BYTES = 512  # more than struct timex of any Linux
_MARKER = Path("/run/systemd/timesync/synchronized")


def check(
    wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic, watch_s: float = _WATCH_S
) -> Iterator[Finding]:
    """Compare the system clock with the monotonic clock for a short time.

    Args:
        wall: Reads the system clock in seconds.
        steady: Reads the monotonic clock in seconds.
        watch_s: Duration of the comparison.

    Yields:
        Findings.
    """
    jump_s = largest_jump_s(wall, steady, watch_s)
    if abs(jump_s) > _MAX_JUMP_S:
        text = f"the system clock jumped by {jump_s * 1e3:.1f} ms within {watch_s:g} s: history and ages are wrong"
        yield _FINDINGS.error(
            "system clock", text, "let chrony or systemd-timesyncd slew it; end scripts that set the time"
        )
    else:
        yield _FINDINGS.ok(
            "system clock", f"agrees with the monotonic clock (within {_MAX_JUMP_S * 1e3:g} ms over {watch_s:g} s)"
        )
    yield synchronization(is_synchronized())


def largest_jump_s(wall: Callable[[], float], steady: Callable[[], float], watch_s: float) -> float:
    """Measure the largest change of the difference of two clocks between two readings.

    Args:
        wall: Reads the clock to check, in seconds.
        steady: Reads the monotonic clock in seconds.
        watch_s: Duration.

    Returns:
        Signed jump in seconds.
    """
    begin, last, worst = steady(), _closest_difference(wall, steady), 0.0
    while steady() - begin < watch_s:
        time.sleep(_STEP_S)
        now = _closest_difference(wall, steady)
        worst = max(worst, now - last, key=abs)
        last = now
    return worst


def _closest_difference(wall: Callable[[], float], steady: Callable[[], float]) -> float:
    """Difference of both clocks from the fastest of five readings: a thread may be preempted between two reads."""
    return min((_difference(wall, steady) for _ in range(5)), key=lambda pair: pair[1])[0]


def _difference(wall: Callable[[], float], steady: Callable[[], float]) -> tuple[float, float]:
    before = steady()
    at = wall()
    after = steady()
    return at - 0.5 * (before + after), after - before


def is_synchronized() -> bool | None:
    """Test whether NTP or PTP synchronizes the clock according to the kernel; None where this is unknown."""
    if _MARKER.exists():
        return True
    name = ctypes.util.find_library("c")
    try:
        adjtimex = ctypes.CDLL(name or "libc.so.6", use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return None if state < 0 else state != _TIME_ERROR


def synchronization(synchronized: bool | None) -> Finding:
    """Create the finding about synchronization.

    Args:
        synchronized: Result of ``is_synchronized``.
    """
    if synchronized is None:
        return _FINDINGS.ok("time server", "unknown on this system")
    if synchronized:
        return _FINDINGS.ok("time server", "the clock is synchronized")
    text = "the clock is not synchronized by NTP or PTP; stamps of sensors on other computers drift against it"
    return _FINDINGS.warn(
        "time server", text, "timedatectl set-ntp true, or run chrony or ptp4l with the sensors' master"
    )
