"""Settings of the Python process that keep cycles from being interrupted."""

from __future__ import annotations

import gc
import sys

_HANDOVER_S = 1e-3


def steady_process() -> None:
    """Call once everything is loaded.

    What was loaded at start is not searched for garbage again, and what comes and goes with messages seldom is: a
    collection in the middle of a plan costs tens of milliseconds. Threads that wait for Python's lock get it within a
    millisecond: the watchdog must not wait for five.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(_HANDOVER_S)
