"""Fixtures of the tests of replays: one simulated drive and one loaded planner."""

import pytest
from replay_bags import RIG, TOPICS, as_it_is, rewritten
from shared_drives import town_drive

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
    pytest.importorskip("libsumo", reason="the simulator is not installed")
    pytest.importorskip("embreex", reason="the simulator is not installed")
    return town_drive(tmp_path_factory)


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
