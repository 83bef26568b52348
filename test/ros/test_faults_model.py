"""The model raises, hangs, gives NaN, gets slow; its files are spoilt, it is loaded again: over DDS in real time."""

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_stage import FaultStage
from faulty_model import Faults
from live_vehicle import CAMERAS
from sensor_faults import dropped

from transdiffuser_planner.core.paths import model_folder

TRIGGER, SET_BOOL = "std_srvs/srv/Trigger", "std_srvs/srv/SetBool"


class BrokenStage(FaultStage):
    """A stage whose model breaks on command and whose folder may be spoilt."""

    def __init__(self, model: Path) -> None:
        self.faults, self.model = Faults(), model
        super().__init__(self.faults.loader, model=str(model))

    def break_model(self, mode: str, slow_s: float = 0.05) -> None:
        self.faults.slow_s, self.faults.mode = slow_s, mode

    def close(self) -> None:
        self.faults.end()
        super().close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenStage]:
    model = tmp_path_factory.mktemp("model") / "tiny"
    shutil.copytree(model_folder("tiny"), model)
    with BrokenStage(model) as stage:
        yield stage


def rungs_since(stage: FaultStage, at_s: float) -> set[int]:
    return {heard.message.fallback_rung for heard in stage.ears.plans(at_s)}


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("raise", ("planning failed: the session is broken", "the model was loaded again")),
        ("nan", ("planning failed", "NaN", "the model was loaded again")),
        ("hang", ("no plan of the model in time", "the model did not answer", "it is replaced")),
    ],
)
def test_a_broken_session_is_answered_for_and_replaced(stage: BrokenStage, mode: str, said: tuple[str, ...]) -> None:
    loads = stage.faults.num_loads

    def replaced(began_s: float) -> bool:
        assert rungs_since(stage, began_s + 0.4) <= {1, 2, 3}, "a plan came of a broken model"
        keeper = stage.planner.keeper
        return stage.faults.num_loads > loads and keeper is not None and not keeper.is_loading

    stage.endure(lambda: stage.break_model(mode), stage.faults.end, said, until=replaced)


def test_a_model_that_fails_for_a_moment_is_used_again_at_once(stage: BrokenStage) -> None:
    said = ("planning failed: the session is broken",)
    stage.endure(lambda: stage.break_model("raise"), stage.faults.end, said, for_s=0.4)


def test_a_slow_model_makes_fewer_steps_and_says_so(stage: BrokenStage) -> None:
    def fewer(began_s: float) -> bool:
        plans = [heard.message for heard in stage.ears.plans(began_s) if not heard.message.fallback_rung]
        return any(plan.num_denoise_steps < 10 for plan in plans)

    stage.endure(lambda: stage.break_model("slow", 0.02), stage.faults.end, ("plans_with_fewer_steps=",), until=fewer)


def test_a_model_too_slow_for_any_plan_is_answered_for(stage: BrokenStage) -> None:
    def answered(began_s: float) -> bool:
        assert rungs_since(stage, began_s + 0.4) <= {1, 2, 3}, "a plan came of a model that is too slow"
        return len(stage.ears.plans(began_s)) >= 5

    stage.endure(lambda: stage.break_model("slow", 0.3), stage.faults.end, ("of the model in time",), until=answered)


def test_a_truncated_file_is_refused_at_reload_by_name_and_the_old_model_goes_on(stage: BrokenStage) -> None:
    path = stage.model / "denoise.onnx"
    good, began = path.read_bytes(), time.monotonic()
    path.write_bytes(good[: len(good) // 2])
    try:
        answer = stage.ears.ask("reload_model", TRIGGER)
    finally:
        path.write_bytes(good)
    assert not answer.success
    assert "the old model goes on" in answer.message and "denoise.onnx" in answer.message
    stage.wait(lambda: stage.recovered(time.monotonic() - 0.3), 1.0, "the old model plans")
    stage.wait(lambda: "denoise.onnx" in stage.ears.said(began), 2.0, "diagnostics name the file")
    stage.check(began)


def test_a_good_model_is_loaded_under_load_without_a_gap(stage: BrokenStage) -> None:
    began = time.monotonic()
    loads = stage.faults.num_loads
    answer = stage.ears.ask("reload_model", TRIGGER)
    ended = time.monotonic()
    assert answer.success and answer.message.startswith("model tiny "), answer.message
    assert stage.faults.num_loads == loads + 1
    stage.wait(lambda: stage.recovered(ended), 1.0, "the new model plans")
    times_s = [heard.at_s for heard in stage.ears.plans(began)]
    gaps_s = [later - earlier - stage.starvation.between(earlier, later) for earlier, later in itertools.pairwise(times_s)]
    assert max(gaps_s) < 0.3
    stage.check(began)


def test_a_reload_during_another_is_refused(stage: BrokenStage) -> None:
    keeper = stage.planner.keeper
    assert keeper is not None
    first = keeper.reload()
    answer = stage.ears.ask("reload_model", TRIGGER)
    assert answer.success or "being loaded already" in answer.message
    first.result(timeout=10.0)


def test_a_stop_request_makes_every_plan_a_stop_until_it_is_withdrawn(stage: BrokenStage) -> None:
    def stops(began_s: float) -> bool:
        """From the second plan that says so: the first may have been under way."""
        stamps = [heard.stamp_ns for heard in stage.ears.plans(began_s) if heard.message.stop_requested][1:]
        stopping = [heard.message for heard in stage.ears.trajectories(began_s) if heard.stamp_ns in stamps]
        assert all(message.points[-1].longitudinal_velocity_mps < 0.01 for message in stopping)
        return len(stopping) >= 5

    stage.endure(
        lambda: stage.ears.ask("request_stop", SET_BOOL, data=True),
        lambda: stage.ears.ask("request_stop", SET_BOOL, data=False),
        ("stop requested", "stop_requested=True"),
        until=stops,
    )


def test_a_stop_request_holds_while_sensors_fail(stage: BrokenStage) -> None:
    def on() -> None:
        stage.ears.ask("request_stop", SET_BOOL, data=True)
        stage.vehicle.faults = {name: dropped() for name in CAMERAS}

    def off() -> None:
        stage.vehicle.heal()
        stage.ears.ask("request_stop", SET_BOOL, data=False)

    def stops(began_s: float) -> bool:
        assert rungs_since(stage, began_s + 0.3) <= {2, 3}
        return len(stage.ears.plans(began_s + 0.3)) >= 5

    stage.endure(on, off, ("0 cameras, need 1",), until=stops)


def test_in_shadow_mode_nothing_is_for_control_and_the_status_says_so(stage: BrokenStage) -> None:
    asked: list[float] = []

    def on() -> None:
        assert "~/shadow" in stage.ears.ask("set_shadow", SET_BOOL, data=True).message
        asked.append(time.monotonic() + 0.25)  # a plan may be on its way

    def in_shadow(began_s: float) -> bool:
        assert not stage.ears.since("output/trajectory", asked[0])
        assert all(heard.message.shadow for heard in stage.ears.plans(asked[0]))
        return min(len(stage.ears.since(f"shadow/{name}", asked[0])) for name in ("trajectory", "status")) >= 5

    def off() -> None:
        assert "~/output" in stage.ears.ask("set_shadow", SET_BOOL, data=False).message

    stage.endure(on, off, ("shadow=True",), until=in_shadow)
    stage.wait(lambda: stage.ears.since("output/trajectory", time.monotonic() - 0.3), 1.0, "plans for control again")
