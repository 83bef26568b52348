"""The clock jumps by 30 s, forward and back: that of the data alone, and the whole system's with /clock."""

from collections.abc import Iterator

import pytest
from fault_stage import FaultStage

JUMP_S = 30.0


@pytest.fixture(scope="module")
def stage() -> Iterator[FaultStage]:
    with FaultStage() as stage:
        yield stage


@pytest.fixture(scope="module")
def simulated() -> Iterator[FaultStage]:
    with FaultStage(has_clock=True) as stage:
        yield stage


@pytest.mark.parametrize(
    ("by_s", "said"), [(JUMP_S, "stamps jumped ahead"), (-JUMP_S, "the clock jumped")], ids=["forward", "back"]
)
def test_a_clock_that_jumps_is_named_and_planned_by_at_once(simulated: FaultStage, by_s: float, said: str) -> None:
    simulated.endure(lambda: simulated.vehicle.jump_clock(by_s), lambda: None, (said,), for_s=0.1)


@pytest.mark.parametrize("by_s", [JUMP_S, -JUMP_S], ids=["forward", "back"])
def test_stamps_that_jump_away_from_the_nodes_clock_and_back_are_named(stage: FaultStage, by_s: float) -> None:
    said = ("stamps jumped ahead", "the clock jumped", *(["s old (limit 0.5 s)"] if by_s < 0 else []))
    stage.endure(lambda: stage.vehicle.jump_clock(by_s), lambda: stage.vehicle.jump_clock(-by_s), said, for_s=1.5)
