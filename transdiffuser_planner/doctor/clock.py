"""The system's clock: does it jump, and does somebody keep it right."""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from transdiffuser_planner.doctor.findings import Finding, Findings

_SAY = Findings("clock")
_WATCH_S = 0.3
_STEP_S = 0.01
_MAX_JUMP_S = 0.002
_TIME_ERROR = 5
_TIMEX_BYTES = 512  # more than struct timex of any Linux
_MARKER = Path("/run/systemd/timesync/synchronized")


def check(
    wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic, watch_s: float = _WATCH_S
) -> Iterator[Finding]:
    """Watch the clocks for a moment.

    Args:
        wall, steady: The system's clock and the one that never jumps, in seconds.
        watch_s: How long.
    """
    jump_s = largest_jump_s(wall, steady, watch_s)
    if abs(jump_s) > _MAX_JUMP_S:
        text = f"the system's clock jumped by {jump_s * 1e3:.1f} ms within {watch_s:g} s: history and ages break"
        yield _SAY.error("system clock", text, "let chrony or systemd-timesyncd slew it; end scripts that set the time")
    else:
        yield _SAY.ok(
            "system clock", f"runs with the steady clock (within {_MAX_JUMP_S * 1e3:g} ms over {watch_s:g} s)"
        )
    yield synchronization(is_synchronized())


def largest_jump_s(wall: Callable[[], float], steady: Callable[[], float], watch_s: float) -> float:
    """The largest change of the difference of two clocks between two looks, signed."""
    begin, last, worst = steady(), _closest_difference(wall, steady), 0.0
    while steady() - begin < watch_s:
        time.sleep(_STEP_S)
        now = _closest_difference(wall, steady)
        worst = max(worst, now - last, key=abs)
        last = now
    return worst


def _closest_difference(wall: Callable[[], float], steady: Callable[[], float]) -> float:
    """The difference of both clocks in the reading that took the least time: between two reads a thread may lose its core."""
    return min((_difference(wall, steady) for _ in range(5)), key=lambda pair: pair[1])[0]


def _difference(wall: Callable[[], float], steady: Callable[[], float]) -> tuple[float, float]:
    before = steady()
    at = wall()
    after = steady()
    return at - 0.5 * (before + after), after - before


def is_synchronized() -> bool | None:
    """Whether the kernel knows its clock to be kept by NTP or PTP; None where it cannot be asked."""
    if _MARKER.exists():
        return True
    name = ctypes.util.find_library("c")
    try:
        asked = ctypes.CDLL(name or "libc.so.6", use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = int(asked(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return None if state < 0 else state != _TIME_ERROR


def synchronization(synchronized: bool | None) -> Finding:
    """Judge the answer."""
    if synchronized is None:
        return _SAY.ok("time server", "this system does not tell")
    if synchronized:
        return _SAY.ok("time server", "the clock is kept by one")
    text = "the clock is not kept by NTP or PTP; stamps of sensors on other computers drift against it"
    return _SAY.warn("time server", text, "timedatectl set-ntp true, or run chrony or ptp4l with the sensors' master")
