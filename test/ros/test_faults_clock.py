"""The clock jumps by 30 s, forward and back: that of the data alone, and the whole system's with /clock."""

from collections.abc import Iterator
from functools import partial

import pytest
from fault_stage import RECOVERY_S, FaultStage

JUMP_S = 30.0


@pytest.fixture
def stage() -> Iterator[FaultStage]:
    with FaultStage() as stage:
        yield stage


@pytest.fixture
def simulated() -> Iterator[FaultStage]:
    with FaultStage(has_clock=True) as stage:
        yield stage


def test_a_clock_that_jumps_is_named_and_planned_by_at_once(simulated: FaultStage) -> None:
    for by_s, said in ((JUMP_S, "stamps jumped ahead"), (-JUMP_S, "the clock jumped")):
        began = simulated.endure(partial(simulated.vehicle.jump_clock, by_s), lambda: None, (said,), for_s=0.1)
        assert simulated.longest_silence_s(began) < RECOVERY_S


def test_stamps_that_jump_away_from_the_nodes_clock_and_back_are_named(stage: FaultStage) -> None:
    jump = stage.vehicle.jump_clock
    for by_s in (JUMP_S, -JUMP_S):
        said = ("stamps jumped ahead", "the clock jumped", *(["s old (limit 0.5 s)"] if by_s < 0 else []))
        began = stage.endure(partial(jump, by_s), partial(jump, -by_s), said, for_s=1.5)
        assert stage.longest_silence_s(began) < RECOVERY_S
