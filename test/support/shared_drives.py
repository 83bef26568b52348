"""Simulated drives that several files of tests read: each is driven once per test run."""

import contextlib
import io
from pathlib import Path

import pytest
from made_once import made_once
from replay_bags import RIG

SUITE = ["evaluate", "suite", "--seeds", "8003:8005", "--duration", "10", "--planner", "constant-velocity", "idm"]
SEEDS = ["--seeds", "8106:8108", "--duration", "14"]


def town_drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bag of a drive of 12 s with five sensor frames a second."""
    from transdiffuser_planner.simulation.expert_recorder import RecordingPlan, record
    from transdiffuser_planner.simulation.scenario import draw_scenario

    def drive(folder: Path) -> None:
        scenario = draw_scenario(8101, duration_s=12.0)
        record(RecordingPlan(scenario=scenario, rig=RIG, out=folder, sensor_every=2, variants=(0,)))

    (bag,) = made_once(tmp_path_factory, "town_drive", drive).iterdir()
    return bag


def recorded_drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folders "bags" and "samples" of two drives of 14 s, by the commands in one process."""
    from transdiffuser_planner.cli.main import main

    def drive(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        bags, samples = str(folder / "bags"), str(folder / "samples")
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(["simulate", "--record", bags, *SEEDS, "--workers", "1"]) == 0
            assert main(["dataset", bags, "--out", samples, "--workers", "1"]) == 0

    return made_once(tmp_path_factory, "recorded_drives", drive)


def small_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a suite's results: two planners through two scenarios, by the command."""
    from transdiffuser_planner.cli.main import main

    def drive(folder: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            assert main([*SUITE, "--out", str(folder), "--workers", "1"]) == 0

    return made_once(tmp_path_factory, "small_suite", drive)
