"""Driving commands and next signals along a route."""

import pytest

from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.planning.observation.route_rules import RouteTurn, command_at, is_next_signal, turn_command

LEFT, STRAIGHT, RIGHT = DrivingCommand.LEFT, DrivingCommand.STRAIGHT, DrivingCommand.RIGHT


@pytest.mark.parametrize(
    ("change_rad", "command"), [(0.6, STRAIGHT), (0.61, LEFT), (-0.61, RIGHT), (-0.3, STRAIGHT), (1.57, LEFT)]
)
def test_a_turn_is_a_change_of_heading_beyond_0_6_rad(change_rad, command):
    assert turn_command(change_rad) is command


def test_a_command_holds_from_30_m_before_a_turn_to_its_end_and_of_two_turns_the_first_counts():
    turns = [RouteTurn(start_m=50.0, end_m=60.0, command=LEFT), RouteTurn(start_m=70.0, end_m=80.0, command=RIGHT)]
    found = [command_at(turns, s_m) for s_m in (19.0, 20.0, 60.0, 61.0, 80.0, 81.0)]
    assert found == [STRAIGHT, LEFT, LEFT, RIGHT, RIGHT, STRAIGHT]
    assert command_at([], 5.0) is STRAIGHT


def test_a_signal_is_the_next_one_from_100_m_on_until_it_is_1_5_m_behind():
    assert [is_next_signal(m) for m in (100.1, 100.0, 0.0, -1.4, -1.5)] == [False, True, True, True, False]
