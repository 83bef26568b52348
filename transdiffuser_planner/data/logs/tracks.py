"""Motion of the ego and of the agents in a recorded drive. T times, N agents of one message."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.planning.observation.ego_history import MAX_GAP_NS, interpolate, is_discontinuity

FloatArray = NDArray[np.float64]
MAX_TRACK_GAP_S = 1.0


class EgoTrack:
    """Odometry of a drive in base_link, cut where no vehicle can have moved from one state to the next.

    Args:
        states: In order of arrival.
    """

    def __init__(self, states: Sequence[EgoState]) -> None:
        self._segments: list[list[EgoState]] = []
        jumps_ns: list[int] = []
        for state in states:
            last = self._segments[-1][-1] if self._segments else None
            if last is None or is_discontinuity(last, state):
                self._segments.append([])
                if last is not None and 0 < state.stamp_ns - last.stamp_ns <= MAX_GAP_NS:
                    jumps_ns.append(state.stamp_ns)
            self._segments[-1].append(state)
        self._stamps = [np.asarray([state.stamp_ns for state in part], dtype=np.int64) for part in self._segments]
        self._jumps_ns = np.asarray(jumps_ns, dtype=np.int64)

    @property
    def states(self) -> list[EgoState]:
        """All states, in order of arrival."""
        return [state for part in self._segments for state in part]

    @property
    def begin_ns(self) -> int:
        """Stamp of the first state; 0 without states."""
        return self._segments[0][0].stamp_ns if self._segments else 0

    def __len__(self) -> int:
        """Return the number of states."""
        return sum(len(part) for part in self._segments)

    def continuous_from(self, stamp_ns: int) -> list[EgoState]:
        """Return the states without a discontinuity from the last one at or before a stamp on.

        Args:
            stamp_ns: Within the track; empty outside of it or at a discontinuity.
        """
        return self._between(stamp_ns, None)

    def _between(self, stamp_ns: int, end_ns: int | None) -> list[EgoState]:
        """The states from the last one at or before a stamp to the first at or after another, or to the discontinuity."""
        for part, stamps in zip(self._segments, self._stamps, strict=True):
            if stamps[0] <= stamp_ns <= stamps[-1]:
                begin = int(np.searchsorted(stamps, stamp_ns, side="right")) - 1
                return part[begin:] if end_ns is None else part[begin : int(np.searchsorted(stamps, end_ns)) + 1]
        return []

    def jumps_within(self, stamp_ns: int, horizon_s: float) -> bool:
        """Whether the odometry jumps, without a pause, at a stamp or soon after it.

        Args:
            stamp_ns: Start.
            horizon_s: Length of the time after it, s.
        """
        passed_ns = self._jumps_ns - stamp_ns
        return bool(((passed_ns >= 0) & (passed_ns <= horizon_s * 1e9)).any())

    def future(self, stamp_ns: int, time_s_T: FloatArray) -> FloatArray | None:
        """Return the poses after a stamp.

        Args:
            stamp_ns: Start.
            time_s_T: Times after it, s, increasing.

        Returns:
            x (m), y (m), heading (rad) in the odometry's frame (T, 3), or None when the track ends or breaks before.
        """
        end_ns = stamp_ns + round(float(time_s_T[-1]) * 1e9)
        return poses_at(self._between(stamp_ns, end_ns), stamp_ns, time_s_T)


def poses_at(states: Sequence[EgoState], stamp_ns: int, time_s_T: FloatArray) -> FloatArray | None:
    """Return interpolated poses.

    Args:
        states: In order of stamps, without a discontinuity.
        stamp_ns: Start.
        time_s_T: Times after it, s.

    Returns:
        x (m), y (m), heading (rad) (T, 3), or None when a time is outside of the states.
    """
    poses = []
    for time_s in time_s_T:
        state = interpolate(states, stamp_ns + round(float(time_s) * 1e9))
        if state is None:
            return None
        poses.append([state.x_m, state.y_m, state.heading_rad])
    return np.asarray(poses)


class AgentTracks:
    """Recorded agents: states of each message, and interpolated between messages by id.

    Attributes:
        snapshots: (stamp in ns, states of all agents), in order of arrival.
    """

    def __init__(self) -> None:
        self.snapshots: list[tuple[int, AgentStates]] = []
        self._stamps = np.zeros(0, dtype=np.int64)
        self._tracks: dict[int, tuple[NDArray[np.int64], FloatArray]] = {}
        self._info: dict[int, tuple[int, float, float]] = {}
        self._id_N = self._begin_ns_N = self._end_ns_N = np.zeros(0, dtype=np.int64)
        self._num_indexed = 0

    def add(self, stamp_ns: int, agents: AgentStates) -> None:
        """Append one message's agents."""
        self.snapshots.append((stamp_ns, agents))

    @property
    def frame_id(self) -> str:
        """Frame of the newest message, or ""."""
        return self.snapshots[-1][1].frame_id if self.snapshots else ""

    @property
    def info(self) -> dict[int, tuple[int, float, float]]:
        """Id -> class, length and width in m."""
        self._index()
        return self._info

    def __len__(self) -> int:
        """Return the number of agents."""
        return len(self.info)

    def ids(self) -> list[int]:
        """Return the ids of all agents, sorted."""
        return sorted(self.info)

    def ids_within(self, begin_ns: int, end_ns: int) -> list[int]:
        """Return the ids of the agents that were observed at some time of a span, sorted.

        Args:
            begin_ns: Begin of the span, inclusive.
            end_ns: Its end, inclusive.
        """
        self._index()
        found: list[int] = self._id_N[(self._begin_ns_N <= end_ns) & (self._end_ns_N >= begin_ns)].tolist()
        return found

    def ids_around(self, stamp_ns: int, x_m: float, y_m: float, radius_m: float) -> list[int]:
        """Return the ids of the agents that were observed at a stamp and may then be within a radius, sorted.

        Args:
            stamp_ns: The stamp.
            x_m: Center of the circle.
            y_m: Center of the circle.
            radius_m: Its radius; agents up to a meter outside may be among the result.
        """
        reach2, found = (radius_m + 1.0) ** 2, []
        for number in self.ids_within(stamp_ns, stamp_ns):
            known, values = self._tracks[number]
            after = min(int(known.searchsorted(stamp_ns)), len(known) - 1)
            before = max(after - 1, 0)
            begin_ns, end_ns = int(known[before]), int(known[after])
            share = (stamp_ns - begin_ns) / (end_ns - begin_ns) if end_ns > begin_ns else 0.0
            (x0, y0), (x1, y1) = values[before, :2].tolist(), values[after, :2].tolist()
            if (x0 + share * (x1 - x0) - x_m) ** 2 + (y0 + share * (y1 - y0) - y_m) ** 2 < reach2:
                found.append(number)
        return found

    def nearest(self, stamp_ns: int, within_s: float) -> AgentStates | None:
        """Return the states of the message nearest to a stamp.

        Args:
            stamp_ns: Requested time.
            within_s: None is returned if the message is farther away than this.
        """
        if not self.snapshots:
            return None
        if len(self._stamps) != len(self.snapshots):
            self._stamps = np.asarray([stamp for stamp, _ in self.snapshots], dtype=np.int64)
        number = int(np.abs(self._stamps - stamp_ns).argmin())
        found_ns, agents = self.snapshots[number]
        return agents if abs(found_ns - stamp_ns) <= within_s * 1e9 else None

    def at(self, number: int, stamps_ns: NDArray[np.int64]) -> FloatArray | None:
        """Return the interpolated motion of one agent.

        Args:
            number: Its id, of ``ids``.
            stamps_ns: Stamps (T,), increasing.

        Returns:
            x (m), y (m), heading (rad), speed (m/s) (T, 4), NaN where it was not observed; None if at no stamp.
        """
        self._index()
        known, values = self._tracks[number]
        if stamps_ns[0] > known[-1] or stamps_ns[-1] < known[0]:
            return None
        before = (known.searchsorted(stamps_ns, side="right") - 1).clip(0, len(known) - 1)
        since_ns = stamps_ns - known[before]
        after = np.minimum(before + (since_ns != 0), len(known) - 1)
        span_ns = known[after] - known[before]
        slope = (values[after] - values[before]) / np.maximum(span_ns, 1)[:, None]
        found: FloatArray = slope * since_ns[:, None] + values[before]
        found[(stamps_ns < known[0]) | (stamps_ns > known[-1]) | (span_ns * 1e-9 > MAX_TRACK_GAP_S)] = np.nan
        return found

    def _index(self) -> None:
        """Sort the finite states of all messages by agent."""
        if self._num_indexed == len(self.snapshots):
            return
        rows: dict[int, list[tuple[int, FloatArray]]] = {}
        self._info = {}
        for stamp_ns, agents in self.snapshots:
            columns = (agents.x_m_N, agents.y_m_N, agents.heading_rad_N, agents.speed_mps_N)
            state_N4 = np.stack(columns, axis=-1).astype(np.float64)
            for n in np.flatnonzero(np.isfinite(state_N4).all(axis=-1)):
                number = int(agents.id_N[n])
                own = rows.setdefault(number, [])
                if not own or stamp_ns > own[-1][0]:
                    own.append((stamp_ns, state_N4[n]))
                size = (int(agents.class_N[n]), float(agents.length_m_N[n]), float(agents.width_m_N[n]))
                self._info.setdefault(number, size)
        self._tracks = {number: _columns(own) for number, own in rows.items()}
        self._id_N = np.asarray(sorted(self._tracks), dtype=np.int64)
        self._begin_ns_N = np.asarray([self._tracks[n][0][0] for n in self._id_N.tolist()], dtype=np.int64)
        self._end_ns_N = np.asarray([self._tracks[n][0][-1] for n in self._id_N.tolist()], dtype=np.int64)
        self._num_indexed = len(self.snapshots)


def _columns(rows: list[tuple[int, FloatArray]]) -> tuple[NDArray[np.int64], FloatArray]:
    """Stamps (T,), and x, y, unwrapped heading, speed (T, 4)."""
    values = np.asarray([row for _, row in rows])
    values[:, 2] = np.unwrap(values[:, 2])
    return np.asarray([stamp for stamp, _ in rows], dtype=np.int64), values
