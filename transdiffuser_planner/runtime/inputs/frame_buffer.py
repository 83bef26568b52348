"""The recent frames of one sensor, in order of their stamps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from transdiffuser_planner.core.types import CameraImage, PointCloud

SensorFrame = CameraImage | PointCloud
_MIN_KEPT = 2
_MAX_KEPT = 32


class FrameBuffer:
    """Frames of one sensor; stamps increase. Not thread-safe."""

    def __init__(self) -> None:
        self.stamps_ns: list[int] = []
        self._frames: list[SensorFrame] = []

    @property
    def newest_ns(self) -> int | None:
        """The newest stamp; None when empty."""
        return self.stamps_ns[-1] if self.stamps_ns else None

    @property
    def newest(self) -> SensorFrame | None:
        """The newest frame; None when empty."""
        return self._frames[-1] if self._frames else None

    def add(self, frame: SensorFrame, keep_ns: int) -> None:
        """Append a frame that is newer than all others and drop those that are too old.

        Args:
            frame: The frame.
            keep_ns: Age, relative to this frame, up to which frames are kept.
        """
        self.stamps_ns.append(frame.stamp_ns)
        self._frames.append(frame)
        too_old = bisect_left(self.stamps_ns, frame.stamp_ns - keep_ns)
        num_dropped = max(min(too_old, len(self._frames) - _MIN_KEPT), len(self._frames) - _MAX_KEPT, 0)
        del self.stamps_ns[:num_dropped], self._frames[:num_dropped]

    def nearest(self, stamp_ns: int, tolerance_ns: int) -> SensorFrame | None:
        """Return the frame nearest to a stamp, if within the tolerance; the older of equals."""
        index = bisect_left(self.stamps_ns, stamp_ns)
        near = [i for i in (index - 1, index) if 0 <= i < len(self._frames)]
        best = min(near, key=lambda i: abs(self.stamps_ns[i] - stamp_ns), default=None)
        return None if best is None or abs(self.stamps_ns[best] - stamp_ns) > tolerance_ns else self._frames[best]

    def up_to(self, stamp_ns: int, count: int) -> list[SensorFrame]:
        """Return the newest frames up to a stamp, at most this many, newest first."""
        index = bisect_right(self.stamps_ns, stamp_ns)
        return self._frames[max(0, index - count) : index][::-1]

    def last_before(self, stamp_ns: int, oldest_ns: int) -> SensorFrame | None:
        """Return the newest frame up to a stamp, if not older than another stamp."""
        index = bisect_right(self.stamps_ns, stamp_ns) - 1
        return self._frames[index] if index >= 0 and self.stamps_ns[index] >= oldest_ns else None
