"""Watchdog that distinguishes a slow child process from a hung one by its processor time.

The wall time of an answer depends on the load of the machine; the progress of the child does not.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

STALL_S = 120.0
"""A child without any processor time for this long counts as hung."""
MOST_CPU_S = 3600.0
"""Maximum processor time of an answer; a child that uses more is in an endless loop."""
_WAITING_FOR_MACHINE = ("R", "D")
"""Linux process states that wait for a core or for data."""
_STATE, _USER_TICKS, _SYSTEM_TICKS = 0, 11, 12


class ProgressWatch:
    """Watchdog of one child while an answer is due. Without /proc every wait beyond ``stall_s`` counts as a hang.

    Args:
        pid: Of the child.
        stall_s: Maximum wall time without progress.
        most_cpu_s: Maximum processor time of the answer.
    """

    def __init__(self, pid: int, stall_s: float = STALL_S, most_cpu_s: float = MOST_CPU_S) -> None:
        self._pid, self._stall_s, self._most_cpu_s = pid, stall_s, most_cpu_s
        self._first_cpu_s = self._last_cpu_s = _cpu_s_and_state(pid)[0]
        self._moved_s = time.monotonic()

    def fault(self) -> str:
        """Return the reason to give up on the child, or the empty string while it may still answer."""
        cpu_s, state = _cpu_s_and_state(self._pid)
        if cpu_s > self._last_cpu_s or state in _WAITING_FOR_MACHINE:
            self._last_cpu_s, self._moved_s = cpu_s, time.monotonic()
        if cpu_s - self._first_cpu_s > self._most_cpu_s:
            return f"no answer after {self._most_cpu_s:g} s of processor time"
        if time.monotonic() - self._moved_s > self._stall_s:
            return f"no answer and no progress for {self._stall_s:g} s"
        return ""


def _cpu_s_and_state(pid: int) -> tuple[float, str]:
    """Return processor time and state letter of a process; 0 s and "" where they cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    except (OSError, ValueError, IndexError):
        return 0.0, ""
    return ticks / os.sysconf("SC_CLK_TCK"), fields[_STATE]
