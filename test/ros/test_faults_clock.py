"""The clock jumps by 30 s, forward and back: that of the data alone, and the whole system's with /clock."""

from collections.abc import Iterator
from functools import partial

import pytest
from fault_injection_fixture import RECOVERY_S, FaultTestbench

JUMP_S = 30.0


@pytest.fixture
def bench() -> Iterator[FaultTestbench]:
    with FaultTestbench() as bench:
        yield bench


@pytest.fixture
def simulated() -> Iterator[FaultTestbench]:
    with FaultTestbench(has_clock=True) as bench:
        yield bench


def test_a_clock_jump_is_reported_and_planning_continues_at_once(simulated: FaultTestbench) -> None:
    for by_s, expected in ((JUMP_S, "stamps jumped ahead"), (-JUMP_S, "the clock jumped")):
        began = simulated.inject(partial(simulated.vehicle.jump_clock, by_s), lambda: None, (expected,), for_s=0.1)
        assert simulated.longest_gap_s(began) < RECOVERY_S


def test_stamps_that_jump_away_from_the_nodes_clock_and_back_are_reported(bench: FaultTestbench) -> None:
    jump = bench.vehicle.jump_clock
    for by_s in (JUMP_S, -JUMP_S):
        expected = ("stamps jumped ahead", "the clock jumped", *(["s old (limit 0.5 s)"] if by_s < 0 else []))
        began = bench.inject(partial(jump, by_s), partial(jump, -by_s), expected, for_s=1.5)
        assert bench.longest_gap_s(began) < RECOVERY_S
