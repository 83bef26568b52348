"""Runs all tests in two passes: in parallel those that share cores well, then one by one those in real time over ROS.

Both passes always run; the exit status is the first that is not 0. Arguments are passed on to pytest in both passes. A test that
hangs ends its process with the stacks of all threads; a pass whose process dies, of that or in native code, is run once more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
SERIAL = ("ros", "demo", "launch")
PARALLEL_OPTIONS = ("--dist", "loadfile", "--no-loadscope-reorder", "-m", "not tutorial")
"""Files stay whole, for the sake of their fixtures, and in the order of test/conftest.py; `make tutorials` runs the tutorials."""

SERIAL_OPTIONS = ("-p", "no:xdist", "--reruns", "2")
"""Tests in real time are tried again, visibly: on a shared machine other work may take the cores away for seconds."""


HANG_OPTIONS = ("-o", "faulthandler_timeout=600", "-o", "faulthandler_exit_on_timeout=true")
"""No test takes this long. It ends also one that is stuck in native code, as middleware now and then is."""


def folders(parent: Path) -> list[Path]:
    """The folders with tests below a folder, in order of their names."""
    return sorted(path for path in parent.iterdir() if path.is_dir() and any(path.rglob("test_*.py")))


def commands(parent: Path, num_processes: int) -> list[list[str]]:
    """Arguments of pytest for both passes; together they name every folder with tests once."""
    found = folders(parent)
    shared = [str(path) for path in found if path.name not in SERIAL]
    alone = [str(path) for path in found if path.name in SERIAL]
    return [
        ["-n", str(num_processes), *PARALLEL_OPTIONS, *HANG_OPTIONS, *shared],
        [*SERIAL_OPTIONS, *HANG_OPTIONS, *alone],
    ]


def counts(reports: Sequence[Path]) -> dict[str, int]:
    """Number of tests by outcome over several JUnit files."""
    total = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in (
        suite for report in reports if report.is_file() for suite in ElementTree.parse(report).iter("testsuite")
    ):
        total = {name: number + int(suite.get(name, "0")) for name, number in total.items()}
    return total


def main(arguments: Sequence[str]) -> int:
    """Run both passes and print the total; returns the exit status."""
    # Shells start background jobs with Ctrl-C ignored; tests that interrupt a process would wait forever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    num_processes = int(os.environ.get("TEST_PROCESSES", "0")) or max(2, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        reports, statuses = [], []
        for number, words in enumerate(commands(HERE, num_processes)):
            reports.append(Path(folder) / f"pass_{number}.xml")
            command = [sys.executable, "-m", "pytest", *words, f"--junitxml={reports[-1]}", *arguments]
            statuses.append(subprocess.run(command, cwd=HERE.parent).returncode)
            if statuses[-1] and not reports[-1].is_file():
                print("the process of this pass died; once more", flush=True)
                statuses[-1] = subprocess.run(command, cwd=HERE.parent).returncode
        total = counts(reports)
    bad = total["failures"] + total["errors"]
    print(
        f"both passes: {total['tests'] - bad - total['skipped']} passed, {bad} failed, {total['skipped']} skipped",
        flush=True,
    )
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
