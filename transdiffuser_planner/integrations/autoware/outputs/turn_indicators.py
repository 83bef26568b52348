"""Turn indicators from the route: on before turns and lane changes, with hysteresis so that they do not flicker.

Turns are announced 30 m or 3 s ahead, whichever is more, lane changes 3 s ahead. An indicator goes on when it has been wanted
for 0.3 s, stays on for at least 1 s, and for 1 s after it is no longer wanted (as ``turn_indicator_hold_duration`` of Autoware's
own planner).
"""

from __future__ import annotations

from enum import IntEnum

from transdiffuser_planner.integrations.autoware.lanelets.route_elements import RouteLine

TURN_DISTANCE_M = 30.0
ANNOUNCE_S = 3.0
CONFIRM_NS = 300_000_000
HOLD_NS = 1_000_000_000


class Indicator(IntEnum):
    """Values of autoware_vehicle_msgs/TurnIndicatorsCommand."""

    NO_COMMAND = 0
    DISABLE = 1
    ENABLE_LEFT = 2
    ENABLE_RIGHT = 3


_TURNS = {"left": Indicator.ENABLE_LEFT, "right": Indicator.ENABLE_RIGHT}


def wanted_indicator(line: RouteLine, s_m: float, speed_mps: float) -> Indicator:
    """What the route asks for at a place, without hysteresis.

    Args:
        line: The route.
        s_m: Arc length of the vehicle.
        speed_mps: Its speed.
    """
    announced_m = ANNOUNCE_S * max(speed_mps, 0.0)
    turns = [
        (item.begin_m, item.end_m, _TURNS[item.turn_direction], max(TURN_DISTANCE_M, announced_m))
        for item in line.stretches
        if item.turn_direction in _TURNS
    ]
    changes = [
        (item.begin_m, item.end_m, Indicator.ENABLE_LEFT if item.is_left else Indicator.ENABLE_RIGHT, announced_m)
        for item in line.lane_changes
    ]
    near = [item for item in sorted(turns + changes) if item[0] - item[3] <= s_m <= item[1]]
    return near[0][2] if near else Indicator.DISABLE


class TurnIndicators:
    """Hysteresis of the command; stamps are those of the plans."""

    def __init__(self) -> None:
        self._command = Indicator.DISABLE
        self._wanted = Indicator.DISABLE
        self._wanted_ns = self._on_ns = self._last_wanted_ns = self._stamp_ns = 0

    def update(self, stamp_ns: int, wanted: Indicator) -> Indicator:
        """Return the command at a stamp.

        Args:
            stamp_ns: Not before the one of the last call; after a jump back it starts from off.
            wanted: Result of ``wanted_indicator``.
        """
        if stamp_ns < self._stamp_ns:
            self._command = self._wanted = Indicator.DISABLE
        self._stamp_ns = stamp_ns
        if wanted != self._wanted:
            self._wanted, self._wanted_ns = wanted, stamp_ns
        if wanted == self._command:
            self._last_wanted_ns = stamp_ns
        elif self._may_change(stamp_ns):
            self._command, self._on_ns, self._last_wanted_ns = wanted, stamp_ns, stamp_ns
        return self._command

    def _may_change(self, stamp_ns: int) -> bool:
        """Whether the present command has lasted long enough, and the new one has been wanted long enough."""
        if self._wanted != Indicator.DISABLE and stamp_ns - self._wanted_ns < CONFIRM_NS:
            return False
        if self._command == Indicator.DISABLE:
            return True
        return stamp_ns - self._last_wanted_ns >= HOLD_NS and stamp_ns - self._on_ns >= HOLD_NS
