"""Child processes that end with their parent, and their memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Let the kernel signal this child when its parent ends, even if it is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def private_ros_environment() -> dict[str, str]:
    """Return variables for localhost only, a random domain, and one thread per numeric library."""
    return {
        "ROS_DOMAIN_ID": str(random.randint(1, 99)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        # Point clouds of megabytes lose fragments over plain UDP on a busy machine; other middlewares ignore this.
        "FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }


class ProcessGroup:
    """Named children, each in a session of its own so that Ctrl-C reaches only the parent, which ends them in order.

    Args:
        environment: Environment variables of the children.
        log_dir: Existing folder for their logs.
    """

    def __init__(self, environment: dict[str, str], log_dir: Path) -> None:
        self._environment = environment
        self._log_dir = log_dir
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, arguments: Sequence[str], niceness: int = 0) -> None:
        """Run ``transdiffuser`` with arguments; its output is written to <log_dir>/<name>.log.

        Args:
            name: Name of the child and of its log.
            arguments: Arguments of ``transdiffuser``.
            niceness: Added niceness; above 0 it yields to the others when cores are short.
        """

        def prepare() -> None:
            _die_with_parent()
            os.nice(niceness)

        with open(self.log(name), "wb") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", "transdiffuser_planner.cli.main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=prepare,
            )

    def log(self, name: str) -> Path:
        """Return the log file of a child."""
        return self._log_dir / f"{name}.log"

    def exit_status(self, name: str) -> int | None:
        """Return the exit status of a child, or None while it runs."""
        return self._children[name].poll()

    def pid(self, name: str) -> int:
        """Return the process ID of a child."""
        return self._children[name].pid

    def last_line(self, name: str) -> str:
        """Return the last line of a child's output."""
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def memory_mb(self) -> float:
        """Return the proportional memory of this process, the children and their descendants, in MB."""
        sessions = {child.pid for child in self._children.values()}
        total_kb = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                pid = int(folder.name)
                if pid == os.getpid() or os.getsid(pid) in sessions:
                    text = (folder / "smaps_rollup").read_text()
                    total_kb += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
            except (OSError, StopIteration):
                continue  # ended meanwhile
        return total_kb / 1024.0

    def stop(self, patience_s: float = 5.0) -> None:
        """Interrupt all children, then kill those still running together with their own children.

        Args:
            patience_s: Time between interrupt and kill.
        """
        for child in self._children.values():
            if child.poll() is None:
                _signal_group(child.pid, signal.SIGINT)
        deadline = time.monotonic() + patience_s
        for child in self._children.values():
            try:
                child.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                _signal_group(child.pid, signal.SIGKILL)
                child.wait()
            _signal_group(child.pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
