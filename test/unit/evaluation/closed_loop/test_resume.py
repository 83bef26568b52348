"""A run of a suite resumes: finished drives stay, missing and failed ones are driven again. No drive is simulated here."""

import json
from pathlib import Path

import pytest

pytest.importorskip("libsumo")

from transdiffuser_planner.core.errors import MachineError, SimulationError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.evaluation.closed_loop import run
from transdiffuser_planner.evaluation.closed_loop.job import JobOutcome, make_job
from transdiffuser_planner.evaluation.closed_loop.run import Store, run_jobs
from transdiffuser_planner.planners.registry import make_specs
from transdiffuser_planner.simulation.scenario import draw_scenario


def jobs(bags: Path | None = None, planner: str = "constant-velocity"):
    (spec,), _ = make_specs([planner])
    return [
        make_job(draw_scenario(seed, duration_s=10.0), spec, spec.identity(), EGO_VEHICLE, bags)
        for seed in (8003, 8004)
    ]


def _failing(seeds: dict[int, list[Exception]]):
    """``run_job`` whose drives fail with the errors of their seed, one after the other, and then succeed; and its calls."""
    calls = []

    def attempt(job):
        calls.append(job.scenario.seed)
        errors = seeds.get(job.scenario.seed, [])
        error = errors.pop(0) if errors else None
        row = None if error else {"planner": job.planner.label, "seed": job.scenario.seed}
        reason, may_succeed = str(error or ""), isinstance(error, MachineError)
        known = {"key": job.key, "planner": job.planner.label, "seed": job.scenario.seed, "map_name": "any", "cost": {}}
        return JobOutcome(row=row, reason=reason, may_succeed=may_succeed, **known)

    return attempt, calls


def test_an_interrupted_run_resumes_with_the_missing_drives(tmp_path: Path, monkeypatch) -> None:
    attempt, calls = _failing({8004: [KeyboardInterrupt()]})

    def interrupted(job):
        outcome = attempt(job)
        if outcome.row is None:
            raise KeyboardInterrupt
        return outcome

    monkeypatch.setattr(run, "run_job", interrupted)
    part = Store(folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs(), part, workers=1)
    with (tmp_path / run.RESULTS).open("a", encoding="utf-8") as lines:
        lines.write('{"key": "cut sho')
    assert len(part.finished()) == 1
    calls.clear()
    found = run_jobs(jobs(), part, workers=1)
    assert calls == [8004] and [entry["row"]["seed"] for entry in found] == [8003, 8004]


def test_drives_that_the_machine_failed_are_retried_in_the_same_run(tmp_path: Path, monkeypatch) -> None:
    attempt, calls = _failing({8003: [MachineError("stalled")]})
    monkeypatch.setattr(run, "run_job", attempt)
    entries = run_jobs(jobs(), Store(folder=tmp_path), workers=1)
    assert calls == [8003, 8004, 8003] and all(entry["row"] for entry in entries)


def test_on_resume_drives_that_the_machine_failed_are_retried_and_others_are_not(tmp_path: Path, monkeypatch) -> None:
    failures = {8003: [MachineError("stalled")] * run.TRIES, 8004: [SimulationError("no route")] * 9}
    attempt, calls = _failing(failures)
    monkeypatch.setattr(run, "run_job", attempt)
    first = run_jobs(jobs(), Store(folder=tmp_path), workers=1)
    assert [entry["reason"] for entry in first] == ["stalled", "no route"]
    calls.clear()
    second = run_jobs(jobs(), Store(folder=tmp_path), workers=1)
    assert calls == [8003]
    assert second[0]["row"] and second[1]["reason"] == "no route"


def test_a_failure_of_an_earlier_version_is_retried(tmp_path: Path, monkeypatch) -> None:
    attempt, calls = _failing({})
    monkeypatch.setattr(run, "run_job", attempt)
    (job, _), store = jobs(), Store(folder=tmp_path)
    store.add(attempt(job))
    lines = tmp_path / run.RESULTS
    entry = json.loads(lines.read_text(encoding="utf-8"))
    del entry["may_succeed"]
    lines.write_text(
        json.dumps(entry | {"row": None, "reason": "SUMO gave no answer within 120 s"}) + "\n", encoding="utf-8"
    )
    calls.clear()
    assert run_jobs([job], store, workers=1)[0]["row"] and calls == [8003]


def test_rows_of_an_earlier_version_are_read_with_current_names(tmp_path: Path, monkeypatch) -> None:
    attempt, calls = _failing({})
    monkeypatch.setattr(run, "run_job", attempt)
    (job, _), store = jobs(), Store(folder=tmp_path)
    store.add(attempt(job))
    lines = tmp_path / run.RESULTS
    entry = json.loads(lines.read_text(encoding="utf-8"))
    events = [
        {"kind": kind, "time_s": 1.0, "text": ""} for kind in ("hit by others", "close", "left route", "collision")
    ]
    old = {"at_fault": 1, "others_fault": 2, "left_route": True, "ttc_short": 0.5, "jitter_m": 0.2, "events": events}
    lines.write_text(json.dumps(entry | {"row": old}) + "\n", encoding="utf-8")
    calls.clear()
    row = run_jobs([job], store, workers=1)[0]["row"]
    assert calls == [] and [event["kind"] for event in row.pop("events")] == [
        "not-at-fault collision",
        "TTC violation",
        "route deviation",
        "collision",
    ]
    assert row == {
        "at_fault_collisions": 1,
        "not_at_fault_collisions": 2,
        "route_deviation": True,
        "ttc_violations": 0.5,
        "plan_deviation_m": 0.2,
    }


def test_drives_whose_bag_is_missing_are_driven_again(tmp_path: Path, monkeypatch) -> None:
    attempt, calls = _failing({})
    monkeypatch.setattr(run, "run_job", attempt)
    recorded, store = jobs(tmp_path / "bags", "tiny"), Store(folder=tmp_path)
    for job in recorded:
        job.bag.mkdir(parents=True)
    run_jobs(recorded, store, workers=1)
    calls.clear()
    recorded[1].bag.rmdir()
    run_jobs(recorded, store, workers=1)
    assert calls == [8004]
    assert not any(job.bag for job in jobs(tmp_path / "bags")), "bags are for models"
