"""Process settings that avoid interruptions of planning cycles."""

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
    """Tune garbage collection and thread switching; call after everything is loaded.

    Objects loaded at start are excluded from garbage collection, and collections become rare: one in the middle of a plan
    costs tens of milliseconds. Threads that wait for the global interpreter lock get it within a millisecond instead of
    five, for the watchdog.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(_HANDOVER_S)


def raise_priority(priority: str) -> str:
    """Raise the scheduling priority of every thread of this process.

    Args:
        priority: "normal" changes nothing; "high" is niceness -10, also for the session's scheduling group when this
            process leads the session; "realtime" is round robin (SCHED_RR), ahead of all other policies.

    Returns:
        The priority in force, with the reason when the system does not permit it (CAP_SYS_NICE, or limits for nice and
        rtprio).
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
    """Restore the default priority, for child processes that must not inherit a raised one."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)
