"""Settings of the Python process that keep cycles from being interrupted."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path

_HANDOVER_S = 1e-3
_HIGH_NICENESS = -10
_REALTIME_PRIORITY = 1


def apply_realtime_settings() -> None:
    """Call once everything is loaded.

    What was loaded at start is not searched for garbage again, and what comes and goes with messages seldom is: a
    collection in the middle of a plan costs tens of milliseconds. Threads that wait for Python's lock get it within a
    millisecond: the watchdog must not wait for five.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(_HANDOVER_S)


def raise_priority(priority: str) -> str:
    """Let every thread of this process go first where cores are short.

    Args:
        priority: "normal" changes nothing; "high" is niceness -10, also for the session's scheduling group when this
            process leads the session; "realtime" is round robin (SCHED_RR), before everything that is not real-time.

    Returns:
        What is in force, in words: the system may not permit it (CAP_SYS_NICE, or limits for nice and rtprio).
    """
    if priority == "normal":
        return priority
    try:
        for task in sorted(Path("/proc/self/task").iterdir()):
            if priority == "realtime":
                os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(_REALTIME_PRIORITY))
            else:
                os.setpriority(os.PRIO_PROCESS, int(task.name), _HIGH_NICENESS)
        if priority == "high" and os.getsid(0) == os.getpid():
            with contextlib.suppress(OSError):  # the kernel may not group by session
                Path("/proc/self/autogroup").write_text(str(_HIGH_NICENESS), encoding="ascii")
    except OSError as error:
        return f"normal, for '{priority}' is not permitted ({error.strerror}); see docs/deadline.md"
    return priority


def normal_priority() -> None:
    """Back to where processes start; for children that must not inherit it."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)
