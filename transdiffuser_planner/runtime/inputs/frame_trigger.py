"""Triggers planning once per sensor frame: when the frame is complete, or after a maximum wait."""

from __future__ import annotations

from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

_EARLY_SHARE = 0.9  # a frame may arrive this share of the interval after the last


class FrameTrigger:
    """Triggers the cycles of one assembler, in the node and in replays.

    Args:
        assembler: Source of frame stamps.
    """

    def __init__(self, assembler: SnapshotAssembler) -> None:
        self._assembler = assembler
        self._resets = assembler.num_resets
        self._planned_ns: int | None = None
        self._waiting_ns: int | None = None

    def poll(self, now_ns: int) -> bool:
        """Return whether a cycle is due.

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
            self._waiting_ns = now_ns  # not the stamp: all sensors may be late
        wait_ns = self._assembler.config.frame_wait_ms * 1e6
        return self._assembler.is_complete(stamp_ns) or now_ns - self._waiting_ns > wait_ns

    @property
    def earliest_ns(self) -> int | None:
        """Stamps before this belong to planned frames; None before the first cycle."""
        if self._planned_ns is None:
            return None
        return self._planned_ns + round(_EARLY_SHARE * 1e9 / self._assembler.config.planning_rate_hz)

    @property
    def is_waiting(self) -> bool:
        """Whether an incomplete frame has begun to arrive."""
        return self._waiting_ns is not None

    def done(self, stamp_ns: int | None) -> None:
        """Record that a cycle was run, or was not possible, for a frame.

        Args:
            stamp_ns: The frame's stamp; None for the newest.
        """
        self._planned_ns = self._assembler.latest_stamp_ns() if stamp_ns is None else stamp_ns
        self._waiting_ns = None
