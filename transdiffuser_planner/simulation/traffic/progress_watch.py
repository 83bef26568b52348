"""Tells a child process that is slow from one that hangs, by the processor time it uses.

How long an answer takes on the wall clock depends on what else the machine does; whether the child makes progress does not.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

STALL_S = 120.0
"""Without any processor time for so long a child hangs."""
MOST_CPU_S = 3600.0
"""No answer takes more processor time than this; a child that uses more runs in circles."""
_WAITING_FOR_MACHINE = ("R", "D")
"""States of Linux in which a process would go on if it got a core or its data."""
_STATE, _USER_TICKS, _SYSTEM_TICKS = 0, 11, 12


class ProgressWatch:
    """Watches one child while an answer is due. Where there is no /proc every wait beyond ``stall_s`` counts as a hang."""

    def __init__(self, pid: int, stall_s: float = STALL_S, most_cpu_s: float = MOST_CPU_S) -> None:
        self._pid, self._stall_s, self._most_cpu_s = pid, stall_s, most_cpu_s
        self._first_cpu_s = self._last_cpu_s = _cpu_s_and_state(pid)[0]
        self._moved_s = time.monotonic()

    def fault(self) -> str:
        """Reason to give up on the child now, or the empty string while it makes progress or might still."""
        cpu_s, state = _cpu_s_and_state(self._pid)
        if cpu_s > self._last_cpu_s or state in _WAITING_FOR_MACHINE:
            self._last_cpu_s, self._moved_s = cpu_s, time.monotonic()
        if cpu_s - self._first_cpu_s > self._most_cpu_s:
            return f"no answer after {self._most_cpu_s:g} s of processor time"
        if time.monotonic() - self._moved_s > self._stall_s:
            return f"no answer and no progress for {self._stall_s:g} s"
        return ""


def _cpu_s_and_state(pid: int) -> tuple[float, str]:
    """Processor time of a process and its state letter; 0 s and "" where they cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    except (OSError, ValueError, IndexError):
        return 0.0, ""
    return ticks / os.sysconf("SC_CLK_TCK"), fields[_STATE]
