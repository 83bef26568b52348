"""What really happened: where the recorded vehicle and the recorded road users went. T times, N road users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.planning.observation.ego_history import interpolate, is_discontinuity

FloatArray = NDArray[np.float64]
MAX_TRACK_GAP_S = 1.0


class RecordedDrive:
    """The whole recorded odometry in base_link, cut where no car can have driven on."""

    def __init__(self, states: Sequence[EgoState]) -> None:
        self._segments: list[list[EgoState]] = []
        for state in states:
            last = self._segments[-1][-1] if self._segments else None
            if last is None or state.stamp_ns <= last.stamp_ns or is_discontinuity(last, state):
                self._segments.append([])
            self._segments[-1].append(state)
        self._stamps = [np.asarray([state.stamp_ns for state in part], dtype=np.int64) for part in self._segments]

    def future(self, stamp_ns: int, time_s_T: FloatArray) -> FloatArray | None:
        """Poses (T, 3) at times after a stamp, or None when the recording ends or breaks before."""
        end_ns = stamp_ns + round(float(time_s_T[-1]) * 1e9)
        for part, stamps in zip(self._segments, self._stamps, strict=True):
            if stamps[0] <= stamp_ns <= stamps[-1]:
                first = int(np.searchsorted(stamps, stamp_ns, side="right")) - 1
                near = part[first : int(np.searchsorted(stamps, end_ns)) + 1]
                return _poses(near, stamp_ns, time_s_T)
        return None


def _poses(states: list[EgoState], stamp_ns: int, time_s_T: FloatArray) -> FloatArray | None:
    poses = []
    for time_s in time_s_T:
        state = interpolate(states, stamp_ns + round(float(time_s) * 1e9))
        if state is None:
            return None
        poses.append([state.x_m, state.y_m, state.heading_rad])
    return np.asarray(poses)


class RecordedTracks:
    """Ground-truth road users by id."""

    def __init__(self) -> None:
        self._rows: dict[int, list[tuple[int, float, float, float, float]]] = {}
        self._arrays: dict[int, tuple[NDArray[np.int64], FloatArray]] = {}
        self.info: dict[int, tuple[int, float, float]] = {}
        self.frame_id = ""

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, stamp_ns: int, agents: AgentStates) -> None:
        """Take in one message's objects."""
        self.frame_id = agents.frame_id
        columns = (agents.x_m_N, agents.y_m_N, agents.heading_rad_N, agents.speed_mps_N)
        for i, number in enumerate(agents.id_N):
            row = [float(column[i]) for column in columns]
            if not np.isfinite(row).all():
                continue
            rows = self._rows.setdefault(int(number), [])
            if not rows or stamp_ns > rows[-1][0]:
                rows.append((stamp_ns, *row))
            size = (int(agents.class_N[i]), float(agents.length_m_N[i]), float(agents.width_m_N[i]))
            self.info.setdefault(int(number), size)

    def ids(self) -> list[int]:
        """All road users."""
        return sorted(self._rows)

    def at(self, number: int, stamps_ns: NDArray[np.int64]) -> FloatArray | None:
        """x, y, heading and speed (T, 4) of one road user at stamps, NaN where it was not there; None if never."""
        if number not in self._arrays:
            rows = self._rows[number]
            values = np.asarray([row[1:] for row in rows], dtype=np.float64)
            values[:, 2] = np.unwrap(values[:, 2])
            self._arrays[number] = (np.asarray([row[0] for row in rows], dtype=np.int64), values)
        known, values = self._arrays[number]
        if stamps_ns[0] > known[-1] or stamps_ns[-1] < known[0]:
            return None
        # Nanoseconds since 1970 do not fit a double exactly; relative ones do.
        at, since = stamps_ns - known[0], known - known[0]
        found = np.stack([np.interp(at, since, values[:, i]) for i in range(4)], axis=-1)
        after = np.clip(np.searchsorted(known, stamps_ns), 0, len(known) - 1)
        before = np.clip(np.searchsorted(known, stamps_ns, side="right") - 1, 0, len(known) - 1)
        hole = (known[after] - known[before]) * 1e-9 > MAX_TRACK_GAP_S
        found[(stamps_ns < known[0]) | (stamps_ns > known[-1]) | hole] = np.nan
        return found
