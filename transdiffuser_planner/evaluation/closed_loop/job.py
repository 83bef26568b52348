"""One drive of a suite: from a scenario and a planner to its row, its recording and its cost."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import MachineError, PlannerError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.evaluation.closed_loop.drive_metrics import DriveMetrics
from transdiffuser_planner.evaluation.closed_loop.playback_recorder import PlaybackRecorder
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.planners.registry import PlannerSpec, make_planner, suite_config, suite_rig
from transdiffuser_planner.simulation.expert_cache import expert_drive
from transdiffuser_planner.simulation.log_world.log_images import log_images
from transdiffuser_planner.simulation.log_world.log_scenario import LogScenario
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.rollout.rollout import Rollout
from transdiffuser_planner.simulation.rollout.rollout_bag import RolloutBag
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.worlds import rig_of

VERSION = 2
"""Version of the metrics; increased when the same drive would give another row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteJob:
    """One drive to run.

    Attributes:
        scenario: Scenario to drive.
        planner: Planner that drives.
        key: Hash of everything that decides the row.
        bag: Folder of the bag to record; None records none. It does not decide the row.
        rig: Vehicle and sensors of scenarios without a rig of their own; None for the suites'.
    """

    scenario: Scenario
    planner: PlannerSpec
    key: str
    bag: Path | None = None
    rig: Rig | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobOutcome:
    """Result of one job.

    Attributes:
        key: Key of the job.
        planner: Label of the planner.
        seed: Seed of the scenario.
        map_name: Map of the scenario.
        row: Row of the results; None when the scenario could not be driven.
        reason: Reason of the failure, if any.
        may_succeed: Whether the machine failed, not the scenario, so that the job is retried.
        recording: Packed data for playback.
        cost: Processor time and latency; the only part that differs from run to run.
    """

    key: str
    planner: str
    seed: int
    map_name: str
    row: dict[str, Any] | None
    reason: str = ""
    may_succeed: bool = False
    recording: bytes = b""
    cost: dict[str, float]


def make_job(
    scenario: Scenario,
    planner: PlannerSpec,
    identity: dict[str, Any],
    vehicle: VehicleModel,
    bags: Path | None = None,
    rig: Rig | None = None,
) -> SuiteJob:
    """Make a job with its key.

    Args:
        scenario: Scenario to drive.
        planner: Planner that drives.
        identity: ``planner.identity()``, passed in because it reads files.
        vehicle: Vehicle of the suite's rig.
        bags: Folder for bags of the drives of models, one subfolder per planner; None records none.
        rig: Vehicle and sensors instead of the suites' own.
    """
    described = {"version": VERSION, "scenario": scenario.described(), "planner": identity}
    if vehicle.differences():  # rows of the default vehicle by earlier versions stay valid
        described["vehicle"] = vehicle.to_dict()
    if rig is not None:
        described["rig"] = asdict(rig)
    text = json.dumps(described, sort_keys=True, default=str)
    key = hashlib.sha256(text.encode()).hexdigest()[:24]
    bag = bags / planner.label.replace(" ", "_") / scenario.file_name if bags and planner.is_model else None
    return SuiteJob(scenario=scenario, planner=planner, key=key, bag=bag, rig=rig)


def run_job(job: SuiteJob) -> JobOutcome:
    """Run one job. Errors that a user can cause end as a reason, not as an exception."""
    begin_s, begin_cpu_s = time.perf_counter(), _cpu_s()
    row, reason, may_succeed, recording, plan_ms = None, "", False, b"", [0.0]
    try:
        row, recording, plan_ms = _drive(job)
    except PlannerError as error:
        reason, may_succeed = str(error), isinstance(error, MachineError)
    return JobOutcome(
        key=job.key,
        planner=job.planner.label,
        seed=job.scenario.seed,
        map_name=job.scenario.map_name,
        row=row,
        reason=reason,
        may_succeed=may_succeed,
        recording=recording,
        cost={
            "cpu_s": round(_cpu_s() - begin_cpu_s, 2),
            "wall_s": round(time.perf_counter() - begin_s, 2),
            "plan_ms_median": round(float(np.median(plan_ms)), 2),
            "plan_ms_p99": round(float(np.percentile(plan_ms, 99)), 2),
        },
    )


def _drive(job: SuiteJob) -> tuple[dict[str, Any], bytes, list[float]]:
    spec, scenario = job.planner, job.scenario
    rig = rig_of(scenario, job.rig or suite_rig())
    expert_m = expert_drive(scenario, rig.vehicle).progress_m
    metrics = DriveMetrics(vehicle=rig.vehicle)
    with Rollout(scenario, make_planner(spec, rig), rig, suite_config(spec)) as rollout, ExitStack() as stack:
        recorder = PlaybackRecorder(rollout)
        if isinstance(scenario, LogScenario):
            recorder.add_log_images(log_images(scenario))
        bag = None
        if job.bag is not None:
            stream = MessageStream(make_message, rollout.rig, rollout.route, rollout.road_map)
            bag = stack.enter_context(RolloutBag(job.bag, stream, rollout.config, rig.vehicle))
        for cycle in rollout.steps():
            metrics.on_step(cycle)
            recorder.on_step(cycle)
            if bag is not None:
                bag.write(cycle)
    row = {"planner": spec.label, **metrics.result(cycle, scenario, rollout.route, expert_m)}
    return row, recorder.packed(), metrics.counter.plan_ms or [0.0]


def _cpu_s() -> float:
    """Processor time (s) of this process and of the traffic simulations that it started and ended."""
    usage = [resource.getrusage(target) for target in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in usage)
