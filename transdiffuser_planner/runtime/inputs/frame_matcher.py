"""Matches the frames of sensors with different latencies, rates and phases into sets to plan from.

A set belongs to a stamp. Each sensor contributes its frame nearest to the stamp, within the tolerance; a sensor without
one, as at a lower rate, contributes its last frame before the stamp up to the limit of age. A set is complete when no better
frame of any sensor is still to come: sensors are waited for as long as they usually take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import PointCloud
from transdiffuser_planner.runtime.inputs.arrival_timing import ArrivalTiming
from transdiffuser_planner.runtime.inputs.frame_buffer import FrameBuffer, SensorFrame

_KEEP_NS = 250_000_000
_RECENT_NS = 150_000_000
_SILENT_NS = 1_000_000_000


class FrameMatcher:
    """Recent frames of all sensors of one vehicle. Not thread-safe.

    Args:
        names: The sensors.
        timing: Delays and periods of the sensors.
    """

    def __init__(self, names: Iterable[str], timing: ArrivalTiming) -> None:
        self._timing = timing
        self._buffers = {name: FrameBuffer() for name in names}
        self._first_ns: int | None = None
        self.masked: frozenset[str] = frozenset()
        """Sensors whose frames are kept but not used."""

    @property
    def names(self) -> list[str]:
        """All sensors."""
        return list(self._buffers)

    def newest(self, name: str) -> SensorFrame | None:
        """Return a sensor's newest frame."""
        return self._buffers[name].newest

    def newest_stamps_ns(self) -> list[int]:
        """Return the newest stamp of every sensor that has one, masked or not."""
        return [buffer.newest_ns for buffer in self._buffers.values() if buffer.newest_ns is not None]

    def add(self, name: str, frame: SensorFrame) -> None:
        """Append a sensor's next frame."""
        if self._first_ns is None:
            self._first_ns = frame.stamp_ns
        late_ns = [self._timing.late_ns(other) for other in self._used()]
        self._buffers[name].add(frame, _KEEP_NS + (max(late_ns) - min(late_ns) if late_ns else 0))

    def usual_age_ns(self) -> int:
        """Return how old a frame usually is when it is complete: the delay of the slowest sensor in use, at least 0."""
        return max([0, *(self._timing.late_ns(name) for name in self._used())])

    def forget(self, name: str) -> None:
        """Drop a sensor's frames."""
        self._buffers[name] = FrameBuffer()

    def latest_stamp_ns(self) -> int | None:
        """Return the newest stamp of the sensors in use."""
        stamps = [buffer.newest_ns for buffer in self._used().values() if buffer.newest_ns is not None]
        return max(stamps, default=None)

    def _used(self) -> dict[str, FrameBuffer]:
        return {name: buffer for name, buffer in self._buffers.items() if name not in self.masked}

    def at(self, stamp_ns: int, tolerance_ns: int, oldest_ns: int) -> dict[str, SensorFrame]:
        """Return the set of a stamp.

        Args:
            stamp_ns: The stamp.
            tolerance_ns: Largest difference of frames that belong together.
            oldest_ns: Stamp of the oldest frame of a sensor without a frame within the tolerance.
        """
        found: dict[str, SensorFrame] = {}
        for name, buffer in self._used().items():
            frame = buffer.nearest(stamp_ns, tolerance_ns) or buffer.last_before(stamp_ns, oldest_ns)
            if frame is not None:
                found[name] = frame
        return found

    def last_clouds(self, name: str, stamp_ns: int, count: int) -> list[PointCloud]:
        """Return the newest clouds of a sensor up to a stamp, at most this many, newest first."""
        return [frame for frame in self._buffers[name].up_to(stamp_ns, count) if isinstance(frame, PointCloud)]

    def _num_matching(self, stamp_ns: int, tolerance_ns: int) -> int:
        """Count the sensors with a frame within the tolerance of a stamp."""
        return sum(buffer.nearest(stamp_ns, tolerance_ns) is not None for buffer in self._used().values())

    def best_stamp_ns(self, newest_ns: int, earliest_ns: int | None, tolerance_ns: int) -> int:
        """Return the recent stamp with matching frames of most sensors; the newest of equals.

        Args:
            newest_ns: Stamps after this are not considered; there is a frame with this one.
            earliest_ns: Stamps before this are not considered unless all are.
            tolerance_ns: Largest difference of frames that belong together.
        """
        oldest_ns = newest_ns - _RECENT_NS
        if earliest_ns is not None:
            oldest_ns = max(oldest_ns, min(earliest_ns, newest_ns))
        recent = self.stamps_ns(oldest_ns, newest_ns)
        return max(recent, key=lambda stamp: (self._num_matching(stamp, tolerance_ns), stamp))

    def complete_stamp_ns(
        self, ego_ns: int | None, config: PlannerConfig, earliest_ns: int | None, wait: tuple[int, int] | None
    ) -> int | None:
        """Return the newest stamp whose set is complete, not before the earliest; see ``is_complete``."""
        stamps = self.stamps_ns(earliest_ns, None)
        return next((stamp for stamp in stamps if self.is_complete(stamp, ego_ns, config, wait)), None)

    def is_complete(
        self, stamp_ns: int, ego_ns: int | None, config: PlannerConfig, wait: tuple[int, int] | None = None
    ) -> bool:
        """Whether odometry and every better frame for a stamp have arrived or are overdue.

        A sensor without messages for a second is not waited for until it publishes again.

        Args:
            stamp_ns: The stamp.
            ego_ns: Stamp of the newest odometry.
            config: Tolerance and waiting time.
            wait: Time now, and since when the frame has been waited for; None to wait forever.
        """
        # Odometry is extrapolated well: that it is late makes no plan older.
        if ego_ns is None or (ego_ns < stamp_ns and not _is_overdue(stamp_ns, config, wait)):
            return False
        tolerance_ns = round(config.sync_tolerance_s * 1e9)
        for name, buffer in self._used().items():
            if buffer.nearest(stamp_ns, tolerance_ns) is not None or self._is_silent(buffer, stamp_ns):
                continue
            next_ns = self._timing.next_stamp_ns(name, stamp_ns - tolerance_ns)
            if next_ns is not None and next_ns > stamp_ns + tolerance_ns:
                continue  # of a lower rate: none is to come for this stamp
            due_ns = (stamp_ns if next_ns is None else next_ns) + self._timing.late_ns(name)
            if not _is_overdue(due_ns, config, wait):
                return False
        return True

    def _is_silent(self, buffer: FrameBuffer, stamp_ns: int) -> bool:
        since_ns = self._first_ns if buffer.newest_ns is None else buffer.newest_ns
        return since_ns is not None and stamp_ns - since_ns > _SILENT_NS

    def stamps_ns(self, oldest_ns: int | None, newest_ns: int | None) -> Iterator[int]:
        """Yield the stamps of all frames in use within bounds, newest first."""
        stamps = {stamp for buffer in self._used().values() for stamp in buffer.stamps_ns}
        for stamp in sorted(stamps, reverse=True):
            if oldest_ns is not None and stamp < oldest_ns:
                return
            if newest_ns is None or stamp <= newest_ns:
                yield stamp


def _is_overdue(due_ns: int, config: PlannerConfig, wait: tuple[int, int] | None) -> bool:
    """Whether a message takes longer than usual and than the waiting time."""
    if wait is None:
        return False
    now_ns, since_ns = wait
    # Not its usual arrival alone: when all sensors are late, waiting begins with the first.
    return now_ns - max(due_ns, since_ns) > config.frame_wait_ms * 1e6
