"""When to plan: once per sensor frame, as soon as it is complete, or when the rest has been waited for long enough."""

from __future__ import annotations

from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

_EARLY_SHARE = 0.9  # a frame may come this share of the interval after the last


class FrameTrigger:
    """Decides for one assembler; the same for the node and for replays."""

    def __init__(self, assembler: SnapshotAssembler) -> None:
        self._assembler = assembler
        self._resets = assembler.num_resets
        self._planned_ns: int | None = None
        self._waiting_ns: int | None = None

    def poll(self, now_ns: int) -> bool:
        """Whether a cycle is due.

        Args:
            now_ns: Current time on the data's clock.
        """
        if self._assembler.num_resets != self._resets:
            self._resets = self._assembler.num_resets
            self._planned_ns = self._waiting_ns = None
        stamp_ns = self._assembler.latest_stamp_ns()
        if stamp_ns is None or (self.earliest_ns is not None and stamp_ns < self.earliest_ns):
            return False
        if self._waiting_ns is None:
            self._waiting_ns = now_ns  # not the stamp: all sensors may be late alike
        wait_ns = self._assembler.config.frame_wait_ms * 1e6
        return self._assembler.is_complete(stamp_ns) or now_ns - self._waiting_ns > wait_ns

    @property
    def earliest_ns(self) -> int | None:
        """Stamps before this belong to frames that were planned from already; None before the first cycle."""
        if self._planned_ns is None:
            return None
        return self._planned_ns + round(_EARLY_SHARE * 1e9 / self._assembler.config.planning_rate_hz)

    @property
    def is_waiting(self) -> bool:
        """Whether a frame has begun to arrive and was not planned from."""
        return self._waiting_ns is not None

    def done(self, stamp_ns: int | None) -> None:
        """A cycle was run (or was not possible) for a frame stamp; None takes the newest."""
        self._planned_ns = self._assembler.latest_stamp_ns() if stamp_ns is None else stamp_ns
        self._waiting_ns = None
