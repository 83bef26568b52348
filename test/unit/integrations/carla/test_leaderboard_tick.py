"""The agent behind the leaderboard's own classes: its ScenarioManager ticks, its wrapper makes the sensors and calls the agent.

The leaderboard is no package: TRANSDIFFUSER_CARLA_CHECKOUTS names a folder with checkouts of carla-simulator/leaderboard and
carla-simulator/scenario_runner.
"""

import importlib
import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("carla")
pytest.importorskip("onnxruntime")

import carla
from fake_carla_world import MEASUREMENTS, Circle, World
from opendrive_maps import straight_road

from transdiffuser_planner.core.types import PlanResult
from transdiffuser_planner.integrations.carla import agent as agent_package
from transdiffuser_planner.runtime.inference.model_paths import model_folder

CHECKOUTS = Path(os.environ.get("TRANSDIFFUSER_CARLA_CHECKOUTS", "/nonexistent"))
AGENT_FOLDER = Path(agent_package.__file__).parent
NUM_TICKS = 60
RADIUS_M, SPEED_MPS = 40.0, 6.0


@pytest.fixture
def leaderboard(monkeypatch: pytest.MonkeyPatch):
    if not (CHECKOUTS / "leaderboard").is_dir() or not (CHECKOUTS / "scenario_runner").is_dir():
        pytest.skip("TRANSDIFFUSER_CARLA_CHECKOUTS does not name a folder with leaderboard and scenario_runner")
    for needed in ("py_trees", "dictor", "simple_watchdog_timer"):  # of the leaderboard's requirements
        pytest.importorskip(needed)
    for kind in MEASUREMENTS:  # the package's own cannot be constructed without a server
        monkeypatch.setattr(carla.libcarla, kind.__name__, kind)
    mocks = CHECKOUTS / "scenario_runner" / "srunner" / "tests" / "carla_mocks"
    for folder in (CHECKOUTS / "leaderboard", CHECKOUTS / "scenario_runner", AGENT_FOLDER):
        monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    sys.path.append(str(mocks))  # only for `agents`; its sibling `carla` must not win
    yield importlib.import_module("leaderboard.scenarios.scenario_manager")
    sys.path.remove(str(mocks))
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("leaderboard", "srunner", "agents", "transdiffuser_agent"):
            del sys.modules[name]


def _gps(x_m: float, y_m: float) -> dict[str, float]:
    degrees = 180.0 / (math.pi * 6378137.0)
    return {"lat": y_m * degrees, "lon": x_m * degrees, "z": 0.0}


def _scenario(vehicle: object) -> SimpleNamespace:
    import py_trees

    tree = SimpleNamespace(status=py_trees.common.Status.RUNNING, tick_once=lambda: None)
    return SimpleNamespace(
        scenario_tree=tree,
        ego_vehicles=[vehicle],
        other_actors=[],
        build_scenarios=lambda *_args, **_options: None,
        spawn_parked_vehicles=lambda *_args: None,
        terminate=lambda: None,
    )


@pytest.mark.parametrize("track", ["SENSORS", "MAP"])
def test_the_real_scenario_manager_ticks_the_agent_on_a_circle(
    leaderboard, tmp_path: Path, track: str, request: pytest.FixtureRequest
) -> None:
    world = World(
        carla.Map("straight", straight_road(400.0, "+proj=tmerc +lat_0=0 +lon_0=0")), Circle(RADIUS_M, SPEED_MPS)
    )
    provider = importlib.import_module("srunner.scenariomanager.carla_data_provider").CarlaDataProvider
    provider._world, provider._map, provider._sync_flag = world, world.get_map(), True
    wrapper = importlib.import_module("leaderboard.autoagents.agent_wrapper")
    module = importlib.import_module("transdiffuser_agent")
    settings = tmp_path / "agent.yaml"
    settings.write_text(f"track: {track}\nmodel: {model_folder('tiny')}\nparameters: {{num_threads: 1}}\n")

    agent = getattr(module, module.get_entry_point())("localhost", 2000, 0)
    option = importlib.import_module("agents.navigation.local_planner").RoadOption.LANEFOLLOW
    places = [carla.Transform(carla.Location(x=x, y=0.0)) for x in (0.0, 150.0, 300.0)]
    agent.set_global_plan([(_gps(p.location.x, -p.location.y), option) for p in places], [(p, option) for p in places])
    agent.setup(f"{settings}+run_of_bench2drive")
    wrapper.validate_sensor_configuration(agent.sensors(), agent.track, track)

    manager = leaderboard.ScenarioManager(60.0, None)
    manager.load_scenario(_scenario(world.vehicle), agent, 0, 0)
    for name in ("_watchdog", "_agent_watchdog"):
        setattr(manager, name, leaderboard.Watchdog(60.0))
        getattr(manager, name).start()
    request.addfinalizer(manager._watchdog.stop)
    request.addfinalizer(manager._agent_watchdog.stop)
    manager._running = True
    errors = []
    for _ in range(NUM_TICKS):
        manager._tick_scenario()
        ego, truth = agent.core.ego, world.vehicle.get_transform()
        axle = truth.transform(carla.Location(x=-1.649))
        errors.append(math.hypot(ego.x_m - axle.x, ego.y_m + axle.y))
        assert math.cos(ego.heading_rad + math.radians(truth.rotation.yaw)) > 1.0 - 1e-6
        assert ego.yaw_rate_radps == pytest.approx(SPEED_MPS / RADIUS_M, rel=1e-3)
        assert ego.vx_mps == pytest.approx(SPEED_MPS, abs=0.05)
    statistics, core = agent.core.driver.statistics, agent.core
    manager._agent_wrapper.cleanup()
    agent.destroy()

    assert np.median(errors[NUM_TICKS // 2 :]) < 0.3 and max(errors) < 2.0
    assert len(world.vehicle.controls) == NUM_TICKS
    assert statistics.num_ticks == NUM_TICKS and statistics.num_cycles == NUM_TICKS // 2
    assert statistics.refusals == {}
    assert isinstance(core.driver.outcome, PlanResult)
    assert core.driver._scheduler.assembler._sweeps.num_parts == 2
    assert all(
        0.0 <= c.throttle <= 1.0 and 0.0 <= c.brake <= 1.0 and abs(c.steer) <= 1.0 for c in world.vehicle.controls
    )
    if track == "MAP":
        assert core.guide.route.length_m == pytest.approx(300.0, abs=4.0)
