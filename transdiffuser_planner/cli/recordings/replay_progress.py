"""One progress bar over all drives of a replay, in seconds of recorded time, with an estimate of the time that is left.

Every drive writes its state into a row of a small file that all processes map; a thread of the command shows the sum.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EVERY_S = 0.5
_DONE, _TOTAL = 0, 1


class DriveProgress:
    """Progress of one drive.

    Args:
        file: Made by ``progress_bar``.
        number: Row of the drive.
    """

    def __init__(self, file: Path, number: int) -> None:
        self._row = _rows(file)[number]
        self._duration_s = self._before_s = 0.0
        self._begin_ns: int | None = None

    def begin(self, duration_s: float, num_runs: int = 1) -> None:
        """Record how much there is to replay.

        Args:
            duration_s: Recorded time; 0 when unknown.
            num_runs: How often it is replayed.
        """
        self._duration_s = duration_s
        self._row[_TOTAL] = duration_s * num_runs

    def next_run(self) -> None:
        """Begin again with the first message of the drive."""
        self._before_s, self._begin_ns = self._before_s + self._duration_s, None

    def reached(self, log_time_ns: int) -> None:
        """Record the log time that the replay has reached."""
        self._begin_ns = log_time_ns if self._begin_ns is None else self._begin_ns
        self._row[_DONE] = self._before_s + min((log_time_ns - self._begin_ns) * 1e-9, self._duration_s)

    def end(self) -> None:
        """Count the whole drive as done."""
        self._row[_DONE] = self._row[_TOTAL]


@contextmanager
def progress_bar(file: Path, names: Sequence[str]) -> Iterator[Any]:
    """Show the progress of drives on stderr, if that is a terminal.

    Args:
        file: Where drives record their progress; written.
        names: Of all drives.

    Yields:
        tqdm's bar.
    """
    from tqdm import tqdm

    np.zeros((len(names), 2)).tofile(file)
    title = names[0] if len(names) == 1 else f"{len(names)} drives"
    layout = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} s recorded, {elapsed} passed, {remaining} left"
    bar = tqdm(total=0.0, desc=title, file=sys.stderr, disable=None, bar_format=layout)
    is_over = threading.Event()

    def show() -> None:
        rows = _rows(file)
        while not is_over.wait(_EVERY_S):
            bar.total, bar.n = expected_total(rows), float(rows[:, _DONE].sum())
            bar.refresh()

    thread = threading.Thread(target=show, name="progress", daemon=True)
    if not bar.disable:
        thread.start()
    try:
        yield bar
    finally:
        is_over.set()
        if thread.is_alive():
            thread.join()
        bar.close()


def expected_total(rows: NDArray[np.float64]) -> float:
    """Recorded seconds of all drives; those not opened yet count as the mean of the others.

    Args:
        rows: Seconds done and in total (N, 2); a total of 0 is unknown.
    """
    known = rows[:, _TOTAL] > 0.0
    return float(rows[known, _TOTAL].mean() * len(rows)) if known.any() else 0.0


def _rows(file: Path) -> NDArray[np.float64]:
    return np.memmap(file, dtype=np.float64, mode="r+").reshape(-1, 2)
