"""Triggers planning once per sensor frame: when the frame is complete, or when what is missing is overdue."""

from __future__ import annotations

from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

_EARLY_SHARE = 0.8  # a frame may be stamped this share of the interval after its predecessor's place in the schedule
_LATE_SHARE = 0.25  # of the interval by which the schedule lags behind a late frame, at most


class FrameTrigger:
    """Triggers the cycles of one assembler, in the node and in replays.

    The schedule advances by one interval per cycle, so that jitter of stamps or a sensor rate that is no multiple of the
    planning rate costs no cycles.

    Args:
        assembler: Source of frame stamps.
    """

    def __init__(self, assembler: SnapshotAssembler) -> None:
        self._assembler = assembler
        self._resets = assembler.num_resets
        self._scheduled_ns: int | None = None
        self._waiting_ns: int | None = None

    def poll(self, now_ns: int, *, is_final: bool = False) -> int | None:
        """Return the stamp of the frame to plan from now, or None to wait.

        Args:
            now_ns: Current time on the data's clock.
            is_final: No more messages will arrive: nothing is waited for.
        """
        if self._assembler.num_resets != self._resets:
            self._resets = self._assembler.num_resets
            self._scheduled_ns = self._waiting_ns = None
        newest_ns, earliest_ns = self._assembler.latest_stamp_ns(), self.earliest_ns
        if newest_ns is None or (earliest_ns is not None and newest_ns < earliest_ns):
            return None
        if self._waiting_ns is None:
            self._waiting_ns = now_ns
        if is_final:
            return newest_ns
        return self._assembler.complete_stamp_ns(earliest_ns, (now_ns, self._waiting_ns))

    @property
    def earliest_ns(self) -> int | None:
        """Stamps before this belong to planned frames; None before the first cycle."""
        if self._scheduled_ns is None:
            return None
        return self._scheduled_ns + round(_EARLY_SHARE * self._interval_ns)

    @property
    def _interval_ns(self) -> float:
        return 1e9 / self._assembler.config.planning_rate_hz

    @property
    def is_waiting(self) -> bool:
        """Whether an incomplete frame has begun to arrive."""
        return self._waiting_ns is not None

    def done(self, stamp_ns: int) -> None:
        """Record that a cycle was run, or was not possible, for a frame.

        Args:
            stamp_ns: The frame's stamp.
        """
        lagging_ns = stamp_ns - round(_LATE_SHARE * self._interval_ns)
        next_ns = stamp_ns if self._scheduled_ns is None else self._scheduled_ns + round(self._interval_ns)
        self._scheduled_ns = min(stamp_ns, max(next_ns, lagging_ns))
        self._waiting_ns = None
