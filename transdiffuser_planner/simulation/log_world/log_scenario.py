"""Scenarios of recorded drives: windows of a log that a planner drives instead of the human."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.simulation.scenario import Scenario

FINGERPRINT_BYTES = 65_536
MAX_FILES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPlace:
    """Where a log is and how it is read.

    Attributes:
        path: Folder or file.
        source: Name of the log source.
        topics: Topic of each input, for sources that have topics.
    """

    path: Path
    source: str
    topics: TopicMap = field(hash=False)  # holds mappings, which have no hash

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and beginnings of the log's files."""
        found = hashlib.sha256()
        files = sorted(p for p in self.path.rglob("*") if p.is_file()) if self.path.is_dir() else [self.path]
        for path in files[:MAX_FILES]:
            name = path.relative_to(self.path) if path != self.path else path.name
            found.update(f"{name} {path.stat().st_size} ".encode())
            with path.open("rb") as file:
                found.update(file.read(FINGERPRINT_BYTES))
        return found.hexdigest()[:24]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogScenario(Scenario):
    """One window of a log. ``map_name`` is the log's name and the window's begin, ``seed`` the number of the window.

    Attributes:
        place: The log.
        fingerprint: Of its files, so that results of another log of the same name are not taken for this one's.
        begin_s: Begin of the window since the log's own begin, in steps of 0.1 s.
        reactive: Whether recorded vehicles yield to an ego that deviates from the human's drive.
        rig: The vehicle and the sensors to simulate.
        assume_signals: Whether a log without signals gets a red light where the human waits at a junction.
    """

    place: LogPlace
    fingerprint: str
    begin_s: float
    reactive: bool
    rig: Rig
    assume_signals: bool = True

    def __post_init__(self) -> None:
        Scenario.__post_init__(self)
        if self.begin_s < 0.0:
            raise SimulationError(f"log window: expected a begin of 0 s or later, got {self.begin_s:g}")

    @property
    def file_name(self) -> str:
        """Name of the window's files."""
        return self.map_name.replace(" ", "_")

    def described(self) -> dict[str, Any]:
        """Return everything that decides a drive, as plain values; where the log is stored does not."""
        return {name: value for name, value in asdict(self).items() if name != "place"}


def window_begins_s(length_s: float, window_s: float, stride_s: float) -> list[float]:
    """Return the begins of all whole windows within a stretch, s since its begin.

    Args:
        length_s: Of the stretch.
        window_s: Length of a window.
        stride_s: From begin to begin.
    """
    count = int(np.floor((length_s - window_s) / stride_s + 1e-6)) + 1
    return [round(stride_s * number, 1) for number in range(max(count, 0))]
