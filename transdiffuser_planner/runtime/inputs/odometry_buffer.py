"""The recent odometry of one vehicle: plausible stamps, no discontinuity, and the state at any recent time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from transdiffuser_planner.core.types import EgoState, NotReady
from transdiffuser_planner.planning.observation.ego_history import (
    extrapolate,
    interpolate,
    is_discontinuity,
    jump_text,
)

FOREIGN_NS = 3_600_000_000_000
"""Stamps this far apart belong to different clocks."""
CLOCK_RESET_NS = 1_000_000_000
"""Stamps that run back by this much mean that the clock has jumped."""
_HISTORY_NS = 2_500_000_000


class OdometryBuffer:
    """States of base_link, oldest first, up to 2.5 s and not older than the last discontinuity. Not thread-safe."""

    def __init__(self) -> None:
        self.states: deque[EgoState] = deque()
        self._stray_ns: int | None = None

    @property
    def newest(self) -> EgoState | None:
        """The newest state; None without odometry."""
        return self.states[-1] if self.states else None

    @property
    def newest_ns(self) -> int | None:
        """Its stamp."""
        return self.states[-1].stamp_ns if self.states else None

    def refusal(self, stamp_ns: int) -> str | None:
        """Return the reason that a message with this stamp is not used, or None."""
        if self._is_stray(stamp_ns):
            return "odometry: stamp is hours away from the last; used when the next one agrees"
        behind_ns = None if self.newest_ns is None else self.newest_ns - stamp_ns
        if behind_ns is None or not 0 <= behind_ns < CLOCK_RESET_NS:
            return None
        return f"odometry: {'repeated' if behind_ns == 0 else 'out-of-order'} stamp"

    def _is_stray(self, stamp_ns: int) -> bool:
        """Whether one odometry message alone has a stamp hours away from the last; a second one confirms the jump."""
        first_ns, self._stray_ns = self._stray_ns, None
        near = self.newest_ns is None or abs(stamp_ns - self.newest_ns) <= FOREIGN_NS
        if near or (first_ns is not None and 0 < stamp_ns - first_ns <= CLOCK_RESET_NS):
            return False
        self._stray_ns = stamp_ns
        return True

    def is_clock_jump(self, stamp_ns: int, frame_stamps_ns: Iterable[int]) -> bool:
        """Whether an accepted stamp shows that the clock has jumped.

        Args:
            stamp_ns: Stamp of the next state.
            frame_stamps_ns: Newest stamps of the sensors, which decide before the first odometry.
        """
        if self.newest_ns is not None:
            return self.newest_ns - stamp_ns >= CLOCK_RESET_NS or stamp_ns - self.newest_ns > FOREIGN_NS
        return any(abs(frame_ns - stamp_ns) > FOREIGN_NS for frame_ns in frame_stamps_ns)

    def add(self, ego: EgoState) -> str:
        """Append a state; returns a warning when it does not continue the ones before, else the empty string."""
        warning = ""
        if self.states and is_discontinuity(self.states[-1], ego):
            warning = jump_text(self.states[-1], ego)
            self.states.clear()
        self.states.append(ego)
        while ego.stamp_ns - self.states[0].stamp_ns > _HISTORY_NS:
            self.states.popleft()
        return warning

    def at(self, stamp_ns: int, max_age_s: float) -> EgoState | NotReady:
        """Return the state at a stamp, interpolated, or extrapolated up to a limit.

        Args:
            stamp_ns: The stamp.
            max_age_s: Age of the newest state up to which it is extrapolated.
        """
        if not self.states:
            return NotReady(reason="no odometry yet")
        ego = interpolate(self.states, stamp_ns)
        if ego is not None:
            return ego
        gap_s = (stamp_ns - self.states[-1].stamp_ns) * 1e-9
        if 0.0 < gap_s <= max_age_s:
            return extrapolate(self.states[-1], stamp_ns)
        if gap_s > 0.0:
            return NotReady(reason=f"odometry is {gap_s:.2f} s older than the frame")
        return NotReady(reason="odometry begins after the frame")

    def last_known(self, now_ns: int, max_age_s: float) -> EgoState | None:
        """Return the newest state, extrapolated up to a limit and stamped with now; None without odometry."""
        last = self.newest
        if last is None:
            return None
        until_ns = min(now_ns, last.stamp_ns + round(max_age_s * 1e9))
        return replace(extrapolate(last, max(until_ns, last.stamp_ns)), stamp_ns=now_ns)
