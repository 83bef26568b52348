"""Requirements of every planner of a suite."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo")
pytest.importorskip("embreex")

from extra_planner import StraightOn
from plugin_package import write_package

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import ConfigError, EvaluationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import NotReady, Trajectory
from transdiffuser_planner.planners.planner_plugins import GROUP
from transdiffuser_planner.planners.registry import (
    PlannerSpec,
    make_planner,
    make_specs,
    suite_config,
    suite_rig,
)
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
    PlannerInterface,
    trajectory_of,
)
from transdiffuser_planner.simulation.rollout.rollout import Rollout
from transdiffuser_planner.simulation.scenario import draw_scenario

SCENARIO = draw_scenario(8003, duration_s=10.0)
STEPS = 8
START_M = 1.5
"""Proposals of PDM-Closed lie up to 1 m to either side of the route; all other plans start within centimeters."""


class RecordedPlanner:
    """Records inputs and outputs of a planner during a drive."""

    def __init__(self, planner: PlannerInterface) -> None:
        self.observation_level, self.plan_every, self._planner = planner.observation_level, 1, planner
        self.initialization: PlannerInitialization | None = None
        self.inputs: list[PlannerInput] = []
        self.trajectories: list[Trajectory] = []

    def reset(self, initialization: PlannerInitialization) -> None:
        self.initialization = initialization
        self._planner.reset(initialization)

    def plan(self, planner_input: PlannerInput):  # type: ignore[no-untyped-def]
        outcome = self._planner.plan(planner_input)
        if not isinstance(outcome, NotReady):
            trajectory = trajectory_of(outcome)
            assert trajectory is not None
            self.inputs.append(planner_input)
            self.trajectories.append(trajectory)
        return outcome


def _recorded(planner: PlannerInterface) -> RecordedPlanner:
    watched = RecordedPlanner(planner)
    with Rollout(SCENARIO, watched, suite_rig(), PlannerConfig(num_threads=1)) as live:
        for _ in zip(live.steps(), range(STEPS), strict=False):
            pass
    return watched


def _again(planner: PlannerInterface, drive: RecordedPlanner, inputs: list[PlannerInput]) -> list[Trajectory]:
    """Plan again after a reset."""
    assert drive.initialization is not None
    planner.reset(drive.initialization)
    found = [trajectory_of(planner.plan(planner_input)) for planner_input in inputs]
    return [trajectory for trajectory in found if trajectory is not None]


def _is_same(first: list[Trajectory], second: list[Trajectory]) -> bool:
    names = ("x_m_T", "y_m_T", "heading_rad_T", "speed_mps_T", "time_s_T")
    pairs = list(zip(first, second, strict=True))
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for a, b in pairs for name in names)


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with baselines of random weights."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from untrained_baselines import export_untrained

    return export_untrained(tmp_path_factory.mktemp("baselines"))


@pytest.fixture(
    scope="module", params=["constant-velocity", "idm", "pdm-closed", "log-future", "tiny", "plug-in", *BASELINES]
)
def planner(request: pytest.FixtureRequest) -> PlannerInterface:
    if request.param == "plug-in":
        return StraightOn(1)
    if request.param in BASELINES:
        (spec,), skipped = make_specs([request.param], baselines=request.getfixturevalue("baselines"))
        assert not skipped
        return make_planner(spec)
    if request.param == "tiny":
        return make_planner(PlannerSpec(name="tiny", model=model_folder("tiny")))
    return make_planner(make_specs([request.param])[0][0])


@pytest.fixture(scope="module")
def drive(planner: PlannerInterface) -> RecordedPlanner:
    """A few steps of a drive with the planner."""
    found = _recorded(planner)
    assert len(found.trajectories) >= 2
    return found


def test_it_has_the_interface(planner: PlannerInterface) -> None:
    assert isinstance(planner, PlannerInterface)
    assert isinstance(planner.observation_level, ObservationLevel) and planner.plan_every >= 1


def test_its_input_matches_its_observation_level(planner: PlannerInterface, drive: RecordedPlanner) -> None:
    for planner_input in drive.inputs:
        if planner.observation_level is ObservationLevel.WORLD:
            assert planner_input.snapshot is None
        else:
            snapshot = planner_input.snapshot
            assert snapshot is not None and not isinstance(snapshot, NotReady)
            assert bool(snapshot.images) is (planner.observation_level is ObservationLevel.SENSORS)


def test_plans_are_finite_trajectories_in_the_map_frame_that_start_at_the_vehicle(drive: RecordedPlanner) -> None:
    for planner_input, plan in zip(drive.inputs, drive.trajectories, strict=True):
        ego = planner_input.ego
        values = (plan.time_s_T, plan.x_m_T, plan.y_m_T, plan.heading_rad_T, plan.speed_mps_T)
        assert all(np.isfinite(value).all() and len(value) == len(plan.time_s_T) >= 2 for value in values)
        assert plan.frame_id == ego.frame_id == "map" and plan.stamp_ns == ego.stamp_ns
        assert (np.diff(plan.time_s_T) > 0.0).all()
        assert plan.time_s_T[0] == 0.0 and np.hypot(plan.x_m_T[0] - ego.x_m, plan.y_m_T[0] - ego.y_m) < START_M


def test_the_same_drive_gives_the_same_plans_and_a_reset_discards_the_one_before(
    planner: PlannerInterface, drive: RecordedPlanner
) -> None:
    first = _again(planner, drive, drive.inputs[:3])
    assert _is_same(first, _again(planner, drive, drive.inputs[:3]))
    _again(planner, drive, drive.inputs[3:])  # another part of the drive in between must not matter
    assert _is_same(first, _again(planner, drive, drive.inputs[:3]))


SUITE = ["evaluate", "suite", "--seeds", "8003:8004", "--duration", "10", "--workers", "1"]
POINTS = {
    "straight-on": "extra_planner:StraightOn",
    "broken": "no_such_module:Planner",
    "number": "math:pi",
    "raises": "extra_planner:Raises",
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with planners."""
    monkeypatch.syspath_prepend(write_package(tmp_path / "site", GROUP, POINTS))


@pytest.mark.usefixtures("installed")
def test_a_planner_of_another_package_drives_in_a_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SUITE, "--planner", "straight-on", "raises", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "| Straight on, from a package* | 1 |" in printed.out
    assert "planner 'raises': planning failed (ZeroDivisionError: no plan today)" in printed.err
    (spec,), _ = make_specs(["straight-on"], plan_every=2)
    assert spec.label == "straight-on 5 Hz" and not spec.is_model and suite_config(spec).num_threads == 1
    assert spec.identity()["plugin"] == "extra-planners 1.0 extra_planner:StraightOn"


@pytest.mark.usefixtures("installed")
def test_a_broken_plug_in_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SUITE, "--planner", "broken", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "'broken'" in line and "package extra-planners cannot be imported (ModuleNotFoundError" in line
    with pytest.raises(EvaluationError, match="'number': its entry point is no factory"):
        make_specs(["number"])
    with pytest.raises(EvaluationError, match=r"planners are constant-velocity, .*straight-on, all"):
        make_specs(["nothing"])
    make_specs(["idm"])  # a broken package affects no other
    with pytest.raises(ConfigError, match="cannot be imported"):
        make_specs(["broken"])
