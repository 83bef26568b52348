"""The fixture `replay` comes with the installed package and works in any folder of tests."""

import importlib.metadata
import subprocess
import sys

import pytest
from replay_bags import as_it_is, rewritten

pytestmark = pytest.mark.slow

PLUGIN = "transdiffuser_planner.replay.pytest_plugin"
TESTS = """
def test_good(replay):
    drive = replay({bag!r}, conditions="slack.yaml", num_threads=1)
    assert drive.metrics.statistic("ade_1s_m", "mean") < 50.0

def test_bad(replay):
    replay({bag!r}, conditions="strict.yaml", num_threads=1)

def test_absent(replay):
    replay("no_such_bag")

def test_condition_for_another_drive(replay):
    replay({bag!r}, conditions="other.yaml", num_threads=1)

def test_verdict_only(replay):
    assert not replay({bag!r}, conditions="strict.yaml", num_threads=1, must_pass=False).has_passed
"""
CONDITIONS = {
    "slack.yaml": "conditions: [{metric: ade_1s_m, range: {max: 50.0}}]",
    "strict.yaml": "conditions: [{name: impossible, metric: ade_1s_m, range: {max: 1.0e-6}}]",
    "other.yaml": "conditions: [{metric: ade_1s_m, range: {max: 50.0}, drive: other}]",
}


def run_tests(folder, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder).stdout


@pytest.fixture
def team(short_bag, tmp_path):
    """A folder outside of this repository, with nothing in it that names the plugin."""
    bag = rewritten(short_bag, tmp_path / "brief", lambda item, s: as_it_is(item) if s <= 2.0 else [])
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in CONDITIONS.items():
        (folder / name).write_text(text)
    (folder / "test_team.py").write_text(TESTS.format(bag=str(bag)))
    return folder


def is_registered():
    return any(point.value == PLUGIN for point in importlib.metadata.entry_points(group="pytest11"))


def test_a_vehicle_team_writes_a_test_with_the_fixture(team):
    if not is_registered():
        pytest.skip("the package is not installed, so nothing registers its fixture; run 'make dev'")
    out = run_tests(team)
    assert "2 passed" in out and "3 failed" in out, out
    assert "- condition impossible: mean of ade_1s_m is" in out
    assert "could not run: bag" in out and "does not exist" in out
    assert "is for drive 'other', which is not replayed; drives are brief" in out
    assert "Traceback" not in out


def test_without_an_installation_the_plugin_is_named_by_hand_and_naming_it_twice_does_no_harm(team):
    out = run_tests(team, "-p", PLUGIN, "-k", "test_absent")
    assert "1 failed" in out and "could not run: bag" in out, out
