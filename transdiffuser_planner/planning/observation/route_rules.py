"""What a place on a route means for the planner: driving command, and which signal is the next one.

Training, simulation, recorded drives and front ends follow these rules, so that the inputs mean the same in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from transdiffuser_planner.core.types import DrivingCommand

COMMAND_DISTANCE_M: Final = 30.0
"""Length of route before a turn on which its command already holds."""
TURN_ANGLE_RAD: Final = 0.6
"""Larger changes of heading are turns."""
SIGNAL_DISTANCE_M: Final = 100.0
SIGNAL_PASSED_M: Final = 1.5
"""A signal stays the next one until the front bumper is this far past its stop line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteTurn:
    """Junction or whole roundabout on a route.

    Attributes:
        start_m: Arc length of the entry.
        end_m: Arc length of the exit.
        command: Driving command at the junction.
    """

    start_m: float
    end_m: float
    command: DrivingCommand


def turn_command(change_rad: float) -> DrivingCommand:
    """Return the driving command of a junction.

    Args:
        change_rad: Change of the route's heading from entry to exit, positive to the left, within -pi .. pi.
    """
    if abs(change_rad) <= TURN_ANGLE_RAD:
        return DrivingCommand.STRAIGHT
    return DrivingCommand.LEFT if change_rad > 0.0 else DrivingCommand.RIGHT


def command_at(turns: Iterable[RouteTurn], s_m: float) -> DrivingCommand:
    """Return the command of the junction at a place, or of the next one within 30 m; STRAIGHT without one.

    Args:
        turns: In driving order.
        s_m: Arc length.
    """
    near = (turn.command for turn in turns if turn.start_m - COMMAND_DISTANCE_M <= s_m <= turn.end_m)
    return next(near, DrivingCommand.STRAIGHT)


def is_next_signal(distance_m: float) -> bool:
    """Whether a signal on the route is near enough to count, and not passed.

    Args:
        distance_m: From the front bumper to its stop line, along the route.
    """
    return -SIGNAL_PASSED_M < distance_m <= SIGNAL_DISTANCE_M
