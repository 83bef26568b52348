"""Drives a model through live traffic and counts what went right and wrong.

The same parts as in the demo, in one process and in lockstep: simulator, snapshot assembler, planner, tracker. A plan
is made from every 10 Hz frame and drives the following 0.1 s; latency is measured but does not delay the plan.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady, PlanResult
from transdiffuser_planner.evaluation.drive_bag import DriveBag
from transdiffuser_planner.evaluation.drive_events import EventCounter
from transdiffuser_planner.evaluation.expert_drives import expert_drive
from transdiffuser_planner.evaluation.live_drive import STEP_S, LiveDrive
from transdiffuser_planner.evaluation.suite.model_planner import ModelPlanner
from transdiffuser_planner.recording.definitions import make_message
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.simulation.episode import EpisodeStep
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.scenario import Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveJob:
    """One scenario to drive: model folder, rig, planner configuration, and a bag to record the drive into, if any."""

    scenario: Scenario
    model: Path
    rig: Rig
    config: PlannerConfig
    bag: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveResult:
    """What happened in one scenario.

    Attributes:
        at_fault, other_collisions: Contacts, by whose fault; kinds lists them.
        off_road_s: Time with a corner of the vehicle beyond the road's edge.
        progress_m, expert_progress_m: Along the route, in the same time.
        end_reason: duration, route_end or left_route.
        fallback_share: Share of cycles in which the published plan was a fallback.
        plan_ms_median, plan_ms_p99: Planning cycle.
        red_lights: Stop lines passed while red.
    """

    map_name: str
    seed: int
    at_fault: int
    other_collisions: int
    kinds: tuple[str, ...]
    off_road_s: float
    red_lights: int
    progress_m: float
    expert_progress_m: float
    end_reason: str
    duration_s: float
    fallback_share: float
    plan_ms_median: float
    plan_ms_p99: float

    @property
    def is_clean(self) -> bool:
        """No at-fault collision and never off the road nor off the route."""
        return self.at_fault == 0 and self.off_road_s == 0.0 and self.end_reason != "left_route"

    @property
    def progress_share(self) -> float:
        """Progress relative to the expert's, at most 1."""
        return min(self.progress_m / max(self.expert_progress_m, 1.0), 1.0)


def drive(job: DriveJob) -> DriveResult:
    """Drive one scenario to its end.

    Raises:
        PlannerError: The scenario or the model cannot be used, or the bag cannot be made.
    """
    expert_m = expert_drive(job.scenario, job.rig.vehicle).progress_m
    planner = ModelPlanner(Planner.load(job.model, job.rig, job.config))
    counter = EventCounter()
    with LiveDrive(job.scenario, planner, job.rig, job.config) as live, ExitStack() as stack:
        bag = None
        if job.bag is not None:
            stream = MessageStream(make_message, job.rig, live.route, live.road_map)
            bag = stack.enter_context(DriveBag(job.bag, stream, job.config, job.rig.vehicle))
        for cycle in live.cycles():
            counter.see(cycle)
            if bag is not None and cycle.frame is not None:
                assert isinstance(cycle.outcome, (PlanResult, NotReady))
                bag.write(cycle.step, cycle.frame, cycle.outcome, cycle.elapsed_ms)
    return _result(job.scenario, cycle.step, counter, expert_m)


def _result(scenario: Scenario, step: EpisodeStep, counter: EventCounter, expert_m: float) -> DriveResult:
    return DriveResult(
        map_name=Path(scenario.map_name).name,
        seed=scenario.seed,
        at_fault=counter.num_at_fault,
        other_collisions=len(counter.contacts) - counter.num_at_fault,
        kinds=tuple(sorted({f"{c.kind.value} {c.agent_class.name.lower()}" for c in counter.contacts})),
        off_road_s=round(STEP_S * len(counter.off_road_ns), 1),
        red_lights=len(counter.red_light_ns),
        progress_m=round(step.progress_m, 1),
        expert_progress_m=round(expert_m, 1),
        end_reason=step.end_reason,
        duration_s=round(step.world.stamp_ns * 1e-9, 1),
        fallback_share=round(counter.fallback_share, 4),
        plan_ms_median=round(float(np.median(counter.plan_ms)), 1),
        plan_ms_p99=round(float(np.percentile(counter.plan_ms, 99)), 1),
    )


def _drive_or_reason(job: DriveJob) -> tuple[DriveJob, DriveResult | str]:
    try:
        return job, drive(job)
    except PlannerError as error:
        return job, str(error)


def drive_all(jobs: list[DriveJob], workers: int, progress: Any = None) -> tuple[list[DriveResult], list[str]]:
    """Drive many scenarios in parallel.

    Returns:
        Results in order of seed, and one line per scenario that could not be driven.
    """
    results: list[DriveResult] = []
    failures: list[str] = []
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for future in as_completed([pool.submit(_drive_or_reason, job) for job in jobs]):
            job, outcome = future.result()
            if isinstance(outcome, str):
                failures.append(f"seed {job.scenario.seed}: {outcome}")
            else:
                results.append(outcome)
            if progress is not None:
                progress.update(1)
    return sorted(results, key=lambda result: result.seed), sorted(failures)


def summary(results: list[DriveResult]) -> dict[str, Any]:
    """Totals over scenarios."""
    count = max(len(results), 1)
    return {
        "scenarios": len(results),
        "clean": sum(result.is_clean for result in results),
        "without_at_fault_collision": sum(result.at_fault == 0 for result in results),
        "never_off_road": sum(result.off_road_s == 0.0 for result in results),
        "red_lights_run": sum(result.red_lights for result in results),
        "mean_progress_share": round(sum(result.progress_share for result in results) / count, 3),
        "mean_fallback_share": round(sum(result.fallback_share for result in results) / count, 4),
        "plan_ms_median": round(float(np.median([result.plan_ms_median for result in results] or [0.0])), 1),
        "plan_ms_p99_worst": max((result.plan_ms_p99 for result in results), default=0.0),
    }


def as_rows(results: list[DriveResult]) -> list[dict[str, Any]]:
    """JSON-serialisable rows."""
    return [{**asdict(result), "clean": result.is_clean} for result in results]
