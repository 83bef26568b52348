"""The model raises, hangs, returns NaN or slows down; its files are corrupted, it is reloaded: over DDS in real time."""

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_injection_fixture import FaultTestbench
from faulty_model import Faults
from sensor_faults import dropped
from synthetic_vehicle import CAMERAS

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.runtime.inference.model_paths import model_folder

STEPS = PlannerConfig().num_denoise_steps

TRIGGER, SET_BOOL = "std_srvs/srv/Trigger", "std_srvs/srv/SetBool"


class BreakableModelTestbench(FaultTestbench):
    """A testbench whose model fails on command and whose folder may be corrupted."""

    def __init__(self, model: Path) -> None:
        self.faults, self.model = Faults(), model
        super().__init__(self.faults.loader, model=str(model))

    def break_model(self, mode: str, slow_s: float = 0.05) -> None:
        self.faults.slow_s, self.faults.mode = slow_s, mode

    def close(self) -> None:
        self.faults.end()
        super().close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BreakableModelTestbench]:
    model = tmp_path_factory.mktemp("model") / "tiny"
    shutil.copytree(model_folder("tiny"), model)
    with BreakableModelTestbench(model) as bench:
        yield bench


def fallback_levels_since(bench: FaultTestbench, at_s: float) -> set[int]:
    return {received.message.fallback_level for received in bench.plans_of_frames_after(at_s)}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("raise", ("planning failed: the session is broken", "the model was loaded again")),
        ("nan", ("planning failed", "NaN", "the model was loaded again")),
        ("hang", ("no plan of the model in time", "the model did not answer", "it is replaced")),
    ],
)
def test_a_failing_session_leads_to_fallbacks_and_is_replaced(
    bench: BreakableModelTestbench, mode: str, expected: tuple[str, ...]
) -> None:
    loads = bench.faults.num_loads

    def replaced(began_s: float) -> bool:
        assert fallback_levels_since(bench, began_s + 0.4) <= {1, 2, 3}, "a plan came from a broken model"
        model_manager = bench.planner.model_manager
        return bench.faults.num_loads > loads and model_manager is not None and not model_manager.is_loading

    bench.inject(lambda: bench.break_model(mode), bench.faults.end, expected, until=replaced)


def test_a_model_that_fails_briefly_is_used_again_at_once(bench: BreakableModelTestbench) -> None:
    expected = ("planning failed: the session is broken",)
    bench.inject(lambda: bench.break_model("raise"), bench.faults.end, expected, for_s=0.4)


def test_a_slow_model_makes_fewer_denoise_steps_and_reports_it(bench: BreakableModelTestbench) -> None:
    def fewer(began_s: float) -> bool:
        plans = [received.message for received in bench.listener.plans(began_s) if not received.message.fallback_level]
        return any(plan.num_denoise_steps < STEPS for plan in plans)

    bench.inject(lambda: bench.break_model("slow", 0.03), bench.faults.end, ("plans_with_fewer_steps=",), until=fewer)


def test_a_model_too_slow_for_any_plan_leads_to_fallbacks(bench: BreakableModelTestbench) -> None:
    def answered(began_s: float) -> bool:
        assert fallback_levels_since(bench, began_s + 0.4) <= {1, 2, 3}, "a plan came from a model that is too slow"
        return len(bench.listener.plans(began_s)) >= 5

    bench.inject(lambda: bench.break_model("slow", 0.3), bench.faults.end, ("of the model in time",), until=answered)


def test_a_truncated_file_is_refused_at_reload_and_the_old_model_keeps_running(
    bench: BreakableModelTestbench,
) -> None:
    path = bench.model / "denoise.onnx"
    good, began = path.read_bytes(), time.monotonic()
    path.write_bytes(good[: len(good) // 2])
    try:
        answer = bench.listener.call("reload_model", TRIGGER)
    finally:
        path.write_bytes(good)
    assert not answer.success
    assert "the old model stays in use" in answer.message and "denoise.onnx" in answer.message
    bench.wait(lambda: bench.recovered(time.monotonic() - 0.3), 2.0, "the old model plans")
    bench.wait(lambda: "denoise.onnx" in bench.listener.reported(began), 2.0, "diagnostics name the file")
    bench.check(began)


def test_a_good_model_is_loaded_under_load_without_a_gap(bench: BreakableModelTestbench) -> None:
    began = time.monotonic()
    loads = bench.faults.num_loads
    answer = bench.listener.call("reload_model", TRIGGER)
    ended = time.monotonic()
    assert answer.success and answer.message.startswith("model tiny "), answer.message
    assert bench.faults.num_loads == loads + 1
    bench.wait(lambda: bench.recovered(ended), 1.0, "the new model plans")
    times_s = [received.at_s for received in bench.listener.plans(began)]
    gaps_s = [
        later - earlier - bench.cpu_starvation.between(earlier, later) for earlier, later in itertools.pairwise(times_s)
    ]
    assert max(gaps_s) < 0.3
    bench.check(began)


def test_a_reload_during_another_is_refused(bench: BreakableModelTestbench) -> None:
    model_manager = bench.planner.model_manager
    assert model_manager is not None
    first = model_manager.reload()
    answer = bench.listener.call("reload_model", TRIGGER)
    assert answer.success or "being loaded already" in answer.message
    first.result(timeout=90.0)


def test_a_stop_request_makes_every_plan_a_stop_until_it_is_withdrawn(bench: BreakableModelTestbench) -> None:
    def stops(began_s: float) -> bool:
        """Check from the second such plan on: the first may have been in progress."""
        stamps = [received.stamp_ns for received in bench.listener.plans(began_s) if received.message.stop_requested][
            1:
        ]
        stopping = [
            received.message for received in bench.listener.trajectories(began_s) if received.stamp_ns in stamps
        ]
        assert all(message.points[-1].longitudinal_velocity_mps < 0.01 for message in stopping)
        return len(stopping) >= 5

    bench.inject(
        lambda: bench.listener.call("request_stop", SET_BOOL, data=True),
        lambda: bench.listener.call("request_stop", SET_BOOL, data=False),
        ("stop requested", "stop_requested=True"),
        until=stops,
    )


def test_a_stop_request_holds_while_sensors_fail(bench: BreakableModelTestbench) -> None:
    def on() -> None:
        bench.listener.call("request_stop", SET_BOOL, data=True)
        bench.vehicle.faults = {name: dropped() for name in CAMERAS}

    def off() -> None:
        bench.vehicle.heal()
        bench.listener.call("request_stop", SET_BOOL, data=False)

    def stops(began_s: float) -> bool:
        assert fallback_levels_since(bench, began_s + 0.3) <= {2, 3}
        return len(bench.listener.plans(began_s + 0.3)) >= 5

    bench.inject(on, off, ("0 cameras, need 1",), until=stops)


def test_shadow_mode_publishes_nothing_for_control_and_is_reported_in_the_status(
    bench: BreakableModelTestbench,
) -> None:
    asked: list[float] = []

    def on() -> None:
        assert "~/shadow" in bench.listener.call("set_shadow", SET_BOOL, data=True).message
        asked.append(time.monotonic())

    def in_shadow(began_s: float) -> bool:
        after_ns = bench.vehicle.stamp_ns(asked[0])
        assert not [one for one in bench.listener.since("output/trajectory", asked[0]) if one.stamp_ns >= after_ns]
        assert all(received.message.shadow for received in bench.plans_of_frames_after(asked[0]))
        return min(len(bench.listener.since(f"shadow/{name}", asked[0])) for name in ("trajectory", "status")) >= 5

    def off() -> None:
        assert "~/output" in bench.listener.call("set_shadow", SET_BOOL, data=False).message

    bench.inject(on, off, ("shadow=True",), until=in_shadow)
    bench.wait(
        lambda: bench.listener.since("output/trajectory", time.monotonic() - 0.3), 1.0, "plans for control again"
    )
