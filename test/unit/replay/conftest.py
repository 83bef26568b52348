"""What the tests of replays share: one simulated drive and one loaded planner."""

import pytest
from replay_bags import RIG

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.paths import model_folder
from transdiffuser_planner.runtime.planner import Planner


@pytest.fixture(scope="session")
def planner():
    return Planner.load(model_folder("tiny"), RIG, PlannerConfig(num_threads=1))


@pytest.fixture(scope="session")
def bag(tmp_path_factory):
    """A simulated drive of 12 s with five sensor frames a second."""
    recorder = pytest.importorskip("transdiffuser_planner.simulation.recorder", reason="the simulator is not installed")
    from transdiffuser_planner.simulation.scenario import draw_scenario

    folder = tmp_path_factory.mktemp("bags")
    scenario = draw_scenario(8101, duration_s=12.0)
    plan = recorder.RecordingPlan(scenario=scenario, rig=RIG, out=folder, sensor_every=2, variants=(0,))
    return recorder.record(plan)[0]
