"""Fixtures of the tests of replays: one simulated drive and one loaded planner."""

import pytest
from replay_bags import RIG, TOPICS, as_it_is, rewritten

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.replay.runner import ReplayJob, replay
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner


@pytest.fixture(scope="session")
def planner():
    return Planner.load(model_folder("tiny"), RIG, PlannerConfig(num_threads=1, num_candidates=12, num_denoise_steps=4))


@pytest.fixture(scope="session")
def bag(tmp_path_factory):
    """A simulated drive of 12 s with five sensor frames a second."""
    recorder = pytest.importorskip(
        "transdiffuser_planner.simulation.expert_recorder", reason="the simulator is not installed"
    )
    from transdiffuser_planner.simulation.scenario import draw_scenario

    folder = tmp_path_factory.mktemp("bags")
    scenario = draw_scenario(8101, duration_s=12.0)
    plan = recorder.RecordingPlan(scenario=scenario, rig=RIG, out=folder, sensor_every=2, variants=(0,))
    return recorder.record(plan)[0]


@pytest.fixture(scope="session")
def short_bag(bag, tmp_path_factory):
    """Its first five seconds."""
    folder = tmp_path_factory.mktemp("short")
    return rewritten(bag, folder / "short", lambda item, since_s: as_it_is(item) if since_s <= 5.0 else [])


@pytest.fixture(scope="session")
def replayed(short_bag, planner):
    """The result of replaying it."""
    return replay(ReplayJob(bag=short_bag, topics=TOPICS, rig=RIG), planner)


def pytest_collection_modifyitems(items):
    """Tests that replay the simulated drive are slow."""
    for item in items:
        if "bag" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
