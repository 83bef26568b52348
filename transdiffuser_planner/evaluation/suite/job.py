"""One drive of a suite: a scenario and a planner in, its row, its recording and its cost out."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.evaluation.expert_drives import expert_drive
from transdiffuser_planner.evaluation.live_drive import LiveDrive
from transdiffuser_planner.evaluation.suite.drive_recording import DriveRecorder
from transdiffuser_planner.evaluation.suite.measures import DriveMeter
from transdiffuser_planner.evaluation.suite.registry import PlannerSpec, make_planner, suite_config, suite_rig
from transdiffuser_planner.simulation.scenario import Scenario

VERSION = 1
"""Of what is measured; raised when the same drive would give another row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteJob:
    """Attributes:
    key: Stands for everything that decides the row.
    """

    scenario: Scenario
    planner: PlannerSpec
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobOutcome:
    """Attributes:
    row: Of the results; None when the scenario could not be driven.
    reason: Why not.
    recording: For playback.
    cost: What it took; the only part that differs from run to run.
    """

    key: str
    planner: str
    seed: int
    map_name: str
    row: dict[str, Any] | None
    reason: str = ""
    recording: bytes = b""
    cost: dict[str, float]


def make_job(
    scenario: Scenario, planner: PlannerSpec, identity: dict[str, Any], vehicle: VehicleModel
) -> SuiteJob:
    """A job with its key.

    Args:
        scenario: To be driven.
        planner: Drives.
        identity: ``planner.identity()``, which costs reading files.
        vehicle: Of the suite's rig.
    """
    described = {"version": VERSION, "scenario": asdict(scenario), "planner": identity}
    if vehicle.differences():  # rows of the default car that earlier versions drove stay valid
        described["vehicle"] = vehicle.to_dict()
    text = json.dumps(described, sort_keys=True, default=str)
    return SuiteJob(scenario=scenario, planner=planner, key=hashlib.sha256(text.encode()).hexdigest()[:24])


def run_job(job: SuiteJob) -> JobOutcome:
    """Drive. What a user can cause ends as a reason, not as an exception."""
    begin_s, begin_cpu_s = time.perf_counter(), _cpu_s()
    row, reason, recording, plan_ms = None, "", b"", [0.0]
    try:
        row, recording, plan_ms = _drive(job)
    except PlannerError as error:
        reason = str(error)
    return JobOutcome(
        key=job.key,
        planner=job.planner.label,
        seed=job.scenario.seed,
        map_name=job.scenario.map_name,
        row=row,
        reason=reason,
        recording=recording,
        cost={
            "cpu_s": round(_cpu_s() - begin_cpu_s, 2),
            "wall_s": round(time.perf_counter() - begin_s, 2),
            "plan_ms_median": round(float(np.median(plan_ms)), 2),
            "plan_ms_p99": round(float(np.percentile(plan_ms, 99)), 2),
        },
    )


def _drive(job: SuiteJob) -> tuple[dict[str, Any], bytes, list[float]]:
    spec, scenario, rig = job.planner, job.scenario, suite_rig()
    expert_m = expert_drive(scenario, rig.vehicle).progress_m
    meter = DriveMeter(vehicle=rig.vehicle)
    with LiveDrive(scenario, make_planner(spec), rig, suite_config(spec)) as live:
        recorder = DriveRecorder(live)
        for cycle in live.cycles():
            meter.see(cycle)
            recorder.see(cycle)
    row = {"planner": spec.label, **meter.result(cycle, scenario, live.route, expert_m)}
    return row, recorder.packed(), meter.counter.plan_ms or [0.0]


def _cpu_s() -> float:
    """Processor time of this process and of the traffic simulations it has started and ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in usage)
