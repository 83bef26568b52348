"""CPU starvation of this process: time its threads were ready to run and had no core, as on a shared test machine.

Linux counts it per thread (``/proc/self/task/*/schedstat``); waiting for Python's lock, for a mutex or for data does not
count. Where the kernel does not report it, it is 0.
"""

import contextlib
import threading
import time
from bisect import bisect_left, bisect_right
from pathlib import Path

_EVERY_S = 0.05
_TASKS = Path("/proc/self/task")


class CpuStarvation:
    """Samples in its own thread until ``end``."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._waited_s: list[float] = []
        self._last_ns: dict[str, int] = {}
        self._sum_ns = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="cpu_starvation", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(5.0)

    def between(self, first_s: float, last_s: float) -> float:
        """Seconds that all threads together waited for a core between two times on ``time.monotonic``."""
        if not self._times_s:
            return 0.0
        first = max(bisect_right(self._times_s, first_s) - 1, 0)
        last = min(bisect_left(self._times_s, last_s), len(self._waited_s) - 1)
        return self._waited_s[last] - self._waited_s[first]

    def since(self, first_s: float) -> float:
        """Seconds that all threads together waited for a core since a time."""
        return self.between(first_s, time.monotonic())

    def _sample(self) -> None:
        while not self._ended.is_set():
            for task in _TASKS.iterdir() if _TASKS.is_dir() else ():
                with contextlib.suppress(OSError, IndexError, ValueError):  # the thread may have ended
                    waited_ns = int((task / "schedstat").read_text(encoding="ascii").split()[1])
                    self._sum_ns += waited_ns - self._last_ns.get(task.name, waited_ns)
                    self._last_ns[task.name] = waited_ns
            self._waited_s.append(self._sum_ns * 1e-9)
            self._times_s.append(time.monotonic())
            self._ended.wait(_EVERY_S)
