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
    def fell_back(began_s: float) -> None:
        assert rungs_since(stage, began_s + 0.4) <= {1, 2, 3}, "a plan came of a broken model"

    stage.endure(lambda: stage.break_model(mode), stage.faults.end, said, for_s=1.6, watch=fell_back)


def test_a_slow_model_makes_fewer_steps_and_says_so(stage: BrokenStage) -> None:
    def fewer(began_s: float) -> None:
        plans = [heard.message for heard in stage.ears.plans(began_s) if not heard.message.fallback_rung]
        assert plans and min(plan.num_denoise_steps for plan in plans) < 10

    stage.endure(lambda: stage.break_model("slow", 0.02), stage.faults.end, ("plans_with_fewer_steps=",), watch=fewer)


def test_a_model_too_slow_for_any_plan_is_answered_for(stage: BrokenStage) -> None:
    stage.endure(lambda: stage.break_model("slow", 0.3), stage.faults.end, ("in time",))


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
    assert rungs_since(stage, began) <= {0, 1}
    stage.check(began)


def test_a_good_model_is_loaded_under_load_without_a_gap(stage: BrokenStage) -> None:
    began = time.monotonic()
    loads = stage.faults.num_loads
    answer = stage.ears.ask("reload_model", TRIGGER)
    ended = time.monotonic()
    assert answer.success and answer.message.startswith("model tiny "), answer.message
    assert stage.faults.num_loads == loads + 1
    stage.wait(lambda: stage.recovered(ended), 1.0, "the new model plans")
    plans = stage.ears.plans(began)
    assert max(b.at_s - a.at_s for a, b in itertools.pairwise(plans)) < 0.4
    stage.check(began)


def test_a_reload_during_another_is_refused(stage: BrokenStage) -> None:
    keeper = stage.planner.keeper
    assert keeper is not None
    first = keeper.reload()
    answer = stage.ears.ask("reload_model", TRIGGER)
    assert answer.success or "being loaded already" in answer.message
    first.result(timeout=10.0)


def test_a_stop_request_makes_every_plan_a_stop_until_it_is_withdrawn(stage: BrokenStage) -> None:
    def stops(began_s: float) -> None:
        plans = [heard for heard in stage.ears.plans(began_s) if heard.message.stop_requested]
        assert plans and all(heard.message.fallback_reason == "stop requested" for heard in plans)
        stamps = {heard.stamp_ns for heard in plans}
        stopping = [heard.message for heard in stage.ears.trajectories(began_s) if heard.stamp_ns in stamps]
        assert stopping and all(message.points[-1].longitudinal_velocity_mps < 0.01 for message in stopping)

    stage.endure(
        lambda: stage.ears.ask("request_stop", SET_BOOL, data=True),
        lambda: stage.ears.ask("request_stop", SET_BOOL, data=False),
        ("stop requested", "stop_requested=True"),
        watch=stops,
    )


def test_a_stop_request_holds_while_sensors_fail(stage: BrokenStage) -> None:
    def on() -> None:
        stage.ears.ask("request_stop", SET_BOOL, data=True)
        stage.vehicle.faults = {name: dropped() for name in CAMERAS}

    def off() -> None:
        stage.vehicle.heal()
        stage.ears.ask("request_stop", SET_BOOL, data=False)

    def stops(began_s: float) -> None:
        assert rungs_since(stage, began_s + 0.3) <= {2, 3}

    stage.endure(on, off, ("0 cameras, need 1",), watch=stops)


def test_in_shadow_mode_nothing_is_for_control_and_the_status_says_so(stage: BrokenStage) -> None:
    asked: list[float] = []

    def on() -> None:
        assert "~/shadow" in stage.ears.ask("set_shadow", SET_BOOL, data=True).message
        asked.append(time.monotonic() + 0.15)  # a plan may be on its way

    def in_shadow(began_s: float) -> None:
        assert len(stage.ears.since("shadow/trajectory", asked[0])) >= 4
        assert not stage.ears.since("output/trajectory", asked[0])
        assert all(heard.message.shadow for heard in stage.ears.plans(asked[0]))
        assert len(stage.ears.since("shadow/status", asked[0])) >= 4

    def off() -> None:
        assert "~/output" in stage.ears.ask("set_shadow", SET_BOOL, data=False).message

    stage.endure(on, off, ("planning in shadow mode", "shadow=True"), for_s=1.2, watch=in_shadow)
    stage.wait(lambda: stage.ears.since("output/trajectory", time.monotonic() - 0.3), 1.0, "plans for control again")
