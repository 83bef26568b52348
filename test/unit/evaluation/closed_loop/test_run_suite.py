"""A suite gives the same results however it is run, can be interrupted, and reports skipped scenarios."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("libsumo")
pytest.importorskip("tqdm")

from plugin_package import write_package
from shared_drives import SUITE, small_suite
from vehicles import Truck

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import ConfigError, MachineError, SimulationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.evaluation.closed_loop import run
from transdiffuser_planner.evaluation.closed_loop.job import make_job
from transdiffuser_planner.evaluation.closed_loop.playback_recorder import unpacked
from transdiffuser_planner.evaluation.closed_loop.results_writer import read_summary
from transdiffuser_planner.evaluation.closed_loop.run import Store, run_jobs
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planners.planner_plugins import GROUP
from transdiffuser_planner.planners.registry import make_specs
from transdiffuser_planner.simulation.scenario import draw_scenario

pytestmark = pytest.mark.slow

SUPPORT = Path(__file__).resolve().parents[3] / "support"


def jobs(seeds: tuple[int, ...] = (8003, 8004)):
    (spec,), _ = make_specs(["constant-velocity"])
    return [make_job(draw_scenario(seed, duration_s=10.0), spec, spec.identity(), EGO_VEHICLE) for seed in seeds]


def without_cost(entries):
    return [{name: value for name, value in entry.items() if name != "cost"} for entry in entries]


@pytest.fixture(scope="module")
def driven(tmp_path_factory) -> Path:
    """The results of SUITE, driven one after the other in one process."""
    return small_suite(tmp_path_factory)


@pytest.fixture
def finished(driven: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(driven, tmp_path / "finished"))


@pytest.fixture(scope="module")
def store(driven: Path) -> Store:
    """The drives of a planner among them; the command's jobs and those of ``jobs`` are the same."""
    found = Store(folder=driven)
    assert {job.key for job in jobs()} <= set(found.finished())
    return found


def without_seed(folder: Path, seed: int) -> list[str]:
    """Remove the finished drives of one seed; returns the command that drives them again."""
    lines = folder / run.RESULTS
    kept = [line for line in lines.read_text(encoding="utf-8").splitlines() if json.loads(line)["seed"] != seed]
    assert len(kept) == 2
    lines.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return [*SUITE, "--out", str(folder), "--workers", "1"]


def test_results_do_not_depend_on_the_number_of_workers(store: Store, tmp_path: Path) -> None:
    other = Store(folder=tmp_path)
    found = run_jobs(jobs(), other, workers=2)
    assert without_cost(found) == without_cost(run_jobs(jobs(), store, workers=1))
    for job in jobs():
        assert other.recording(job.key).read_bytes() == store.recording(job.key).read_bytes()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_results_are_the_same_over_ray(store: Store, tmp_path: Path) -> None:
    found = run_jobs(jobs(), Store(folder=tmp_path), workers=1, ray_address="local")
    assert without_cost(found) == without_cost(run_jobs(jobs(), store, workers=1))


def test_without_ray_one_line_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match="Ray is not installed; install the ray extra"):
        run_jobs(jobs(), Store(folder=tmp_path), workers=1, ray_address="local")


def test_ctrl_c_ends_a_run_at_once_and_the_same_command_resumes(tmp_path: Path, monkeypatch, capsys) -> None:
    site, waiting, out = tmp_path / "site", tmp_path / "waiting", tmp_path / "out"
    monkeypatch.syspath_prepend(write_package(site, GROUP, {"waits": "extra_planner:Waits"}))
    monkeypatch.setenv("WAITING_PLANNER", str(waiting))
    words = ["evaluate", "suite", "--seeds", "8003:8004", "--duration", "10", "--out", str(out)]
    words += ["--planner", "constant-velocity", "waits"]
    waiting.touch()
    command = [sys.executable, "-m", "transdiffuser_planner.cli.main", *words, "--workers", "2"]
    paths = [str(site), str(SUPPORT), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    results = out / run.RESULTS
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        deadline = time.monotonic() + 600.0
        while not (results.is_file() and results.stat().st_size) and process.poll() is None:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=300.0)  # the planner that waits would never end by itself
        finally:
            process.kill()
    assert process.returncode == 130
    assert "resumes from" in error and "Traceback" not in error
    (before,) = results.read_text(encoding="utf-8").splitlines()
    waiting.unlink()
    assert main([*words, "--workers", "1"]) == 0
    first, second = results.read_text(encoding="utf-8").splitlines()
    assert first == before and json.loads(second)["planner"] == "waits" and json.loads(second)["row"]


def test_another_planner_scenario_or_duration_is_another_job() -> None:
    (first,), (second,) = jobs((8003,)), jobs((8004,))
    assert first.key != second.key and first.key == jobs((8003,))[0].key
    (spec,), _ = make_specs(["idm"])
    assert make_job(first.scenario, spec, spec.identity(), EGO_VEHICLE).key != first.key
    longer = draw_scenario(8003, duration_s=11.0)
    assert make_job(longer, first.planner, first.planner.identity(), EGO_VEHICLE).key != first.key


def test_another_vehicle_is_another_job() -> None:
    (first,) = jobs((8003,))
    other = make_job(first.scenario, first.planner, first.planner.identity(), Truck)
    assert other.key != first.key


def test_another_rig_is_another_job_and_one_without_lidar_needs_plans_without(tmp_path: Path, capsys) -> None:
    (first,) = jobs((8003,))
    whole = Rig.load(RIGS / "carla.yaml")
    known = (first.scenario, first.planner, first.planner.identity(), EGO_VEHICLE)
    keys = {make_job(*known, rig=rig).key for rig in (None, whole, replace(whole, lidar=None))}
    assert len(keys) == 3 and first.key in keys
    cameras = tmp_path / "cameras.yaml"
    lines = (RIGS / "carla.yaml").read_text(encoding="utf-8").splitlines()
    cameras.write_text("\n".join(line for line in lines if not line.startswith("lidar:")), encoding="utf-8")
    command = ["evaluate", "suite", "--seeds", "8003:8004", "--rig", str(cameras), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "has no lidar, which plans need; add --set require_lidar=false" in capsys.readouterr().err


def test_a_recording_holds_the_drive_its_plans_and_its_traffic(store: Store) -> None:
    (job, *_), (entry, *_) = jobs(), run_jobs(jobs(), store, workers=1)
    content = unpacked(store.recording(job.key).read_bytes())
    assert content["duration"] == pytest.approx(entry["row"]["duration_s"])
    assert len(content["ego"]["t"]) == round(10 * entry["row"]["duration_s"]) + 1
    assert content["map"] and content["routes"] and content["plans"] and content["objects"] and content["cameras"] == []


def test_the_command_prints_a_table_writes_all_files_and_can_be_compared(
    finished: Path, tmp_path: Path, capsys
) -> None:
    first, second = finished, tmp_path / "second"
    (first / "report.html").unlink()
    # Run again into the same folder: nothing is driven, everything is written again.
    assert main([*SUITE, "--out", str(first), "--workers", "1"]) == 0
    assert len((first / run.RESULTS).read_text(encoding="utf-8").splitlines()) == 4
    output = capsys.readouterr().out
    assert "| constant velocity | 2 |" in output and "| IDM lane follower* | 2 |" in output
    content = read_summary(first)
    assert [planner["planner"] for planner in content["planners"]] == ["constant-velocity", "idm"]
    assert len(content["rows"]) == 4 and content["num_scenarios"] == 2
    assert (first / "report.html").stat().st_size > 50_000
    markdown = (first / "report.md").read_text(encoding="utf-8")
    assert "## Worst drives" in markdown and "bootstrap" in markdown
    second.mkdir()
    (second / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    capsys.readouterr()
    out = tmp_path / "compared"
    assert main(["evaluate", "compare", str(first), str(second), "--out", str(out)]) == 0
    assert "better in 0, worse in 0, equal in 2" in capsys.readouterr().out
    assert main(["evaluate", "compare", str(first), str(second), "--planners", "constant-velocity", "idm"]) == 0
    output = capsys.readouterr().out
    assert "# second compared with finished" in output and "## idm - constant-velocity" in output
    assert json.loads((out / "compare.json").read_text(encoding="utf-8"))["comparisons"][0]["scenarios"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suite", "--out", "x"], "give either one of val"),
        (["suite", "val", "--seeds", "8000:8001", "--out", "x"], "give either one of val"),
        (["suite", "val20", "--out", "x", "--duration", "5"], "--duration 5: expected 10"),
        (["suite", "val20", "--out", "x", "--workers", "0"], "--workers 0"),
        (["suite", "val20", "--out", "x", "--plan-every", "11"], "--plan-every 11"),
        (["suite", "val20", "--out", "x", "--planner", "unknown"], "planners are constant-velocity"),
        (["compare", "nowhere", "nowhere"], "run nowhere: no summary.json"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_scenarios_that_cannot_be_driven_are_named_and_the_others_run(finished: Path, capsys, monkeypatch) -> None:
    from transdiffuser_planner.evaluation.closed_loop import job

    real = job.expert_drive

    def failing(scenario, vehicle):
        if scenario.seed == 8004:
            raise SimulationError("made to fail")
        return real(scenario, vehicle)

    monkeypatch.setattr(job, "expert_drive", failing)
    assert main(without_seed(finished, 8004)) == 0
    captured = capsys.readouterr()
    assert "skipped: seed 8004: made to fail" in captured.err and "| constant velocity | 1 |" in captured.out


def test_drives_that_the_machine_failed_are_counted_apart(finished: Path, capsys, monkeypatch) -> None:
    from transdiffuser_planner.evaluation.closed_loop import job

    real = job.expert_drive

    def failing(scenario, vehicle):
        if scenario.seed == 8004:
            raise MachineError("made to stall")
        return real(scenario, vehicle)

    monkeypatch.setattr(job, "expert_drive", failing)
    assert main(without_seed(finished, 8004)) == 1
    captured = capsys.readouterr()
    assert "not finished, the same command tries again: seed 8004: made to stall" in captured.err
    assert "skipped" not in captured.err and "| constant velocity | 1 |" in captured.out
    summary = read_summary(finished)
    assert summary["left_out"] == [] and summary["unfinished"] == ["seed 8004: made to stall"]
    assert "## Not finished" in (finished / "report.md").read_text(encoding="utf-8")
