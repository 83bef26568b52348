"""Notices about messages that were accepted: what is odd about them, in one line each, for node and replay alike."""

from __future__ import annotations

from transdiffuser_planner.runtime.inputs.rate_monitor import RateMonitor
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler


class InputNotices:
    """Collects jumps of odometry and clock, changes of rate, and a route that is masked. Not thread-safe.

    Args:
        assembler: Receives the messages.
    """

    def __init__(self, assembler: SnapshotAssembler) -> None:
        self._assembler, self.rates = assembler, RateMonitor()
        self._route = ""

    def after(self, name: str, stamp_ns: int | None) -> list[str]:
        """Return the notices that an accepted message gives rise to.

        Args:
            name: Its input: the sensor's name, or that of the input.
            stamp_ns: Its stamp; None for inputs that are not needed in every cycle, whose rate does not matter.
        """
        found = self._assembler.pop_warnings()
        changed = "" if stamp_ns is None else self.rates.update(name, stamp_ns)
        route = self._assembler.route_notice
        is_new, self._route = route != self._route, route
        return [*found, *(text for text in (changed, route if is_new else "") if text)]
