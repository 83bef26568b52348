"""Drives a model through live traffic and counts what went right and wrong.

The same parts as in the demo, in one process and in lockstep: simulator, snapshot assembler, planner, tracker. A plan
is made from every 10 Hz frame and drives the following 0.1 s; latency is measured but does not delay the plan.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    CameraImage,
    EgoState,
    NotReady,
    PlanResult,
    PointCloud,
    Route,
    SensorSnapshot,
)
from transdiffuser_planner.evaluation.drive_bag import DriveBag
from transdiffuser_planner.pipeline.tracking import TrajectoryTracker
from transdiffuser_planner.recording.definitions import make_message
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode, EpisodeStep, LoggedEpisode
from transdiffuser_planner.simulation.message_stream import MAP_FRAME, MessageStream, ego_acceleration, ego_state
from transdiffuser_planner.simulation.networks import network_file
from transdiffuser_planner.simulation.road_map import RoadMap
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensor_suite import SensorFrame, SensorSuite


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


def feed_assembler(assembler: SnapshotAssembler, step: EpisodeStep, frame: SensorFrame) -> None:
    """Give one instant of the simulation to the assembler, as the messages of its topics would."""
    stamp_ns, ego = step.world.stamp_ns, step.world.ego
    assembler.add_odometry(ego_state(ego, stamp_ns))
    assembler.add_acceleration(ego_acceleration(ego, stamp_ns))
    assembler.add_command(stamp_ns, step.command)
    assembler.add_speed_limit(stamp_ns, step.speed_limit_mps)
    if step.signal is not None:
        assembler.add_signal(step.signal)
    for name, rgb in frame.images.items():
        assembler.add_image(CameraImage(stamp_ns=stamp_ns, name=name, rgb_HW3=rgb))
    if frame.lidar_N4 is not None:
        assembler.add_cloud(PointCloud(stamp_ns=stamp_ns, xyz_N3=np.ascontiguousarray(frame.lidar_N4[:, :3])))


class _Score:
    """Counts along a drive."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.at_fault = self.others = self.off_road_steps = self.red_lights = 0
        self.fallbacks = self.cycles = 0
        self.plan_ms: list[float] = []
        self._signal: tuple[str, float] | None = None

    def see(self, step: EpisodeStep) -> None:
        """Take in one instant."""
        for collision in step.new_collisions:
            self.kinds[f"{collision.kind.value} {collision.agent_class.name.lower()}"] += 1
            self.at_fault += collision.at_fault
            self.others += not collision.at_fault
        self.off_road_steps += not step.on_road
        signal = None if step.signal is None else (step.signal.state.name, step.signal.distance_m)
        if self._signal is not None and self._signal[0] == "RED" and 0.0 < self._signal[1] < 1.5:
            passed = signal is None or signal[1] < 0.0 or signal[1] > self._signal[1] + 5.0
            self.red_lights += passed and step.world.ego.speed_mps > 0.5
        self._signal = signal

    def plan(self, result: PlanResult | NotReady, elapsed_ms: float) -> None:
        """Take in one cycle."""
        self.cycles += 1
        self.plan_ms.append(elapsed_ms)
        self.fallbacks += isinstance(result, NotReady) or result.rung != 0


def drive(job: DriveJob) -> DriveResult:
    """Drive one scenario to its end.

    Raises:
        PlannerError: The scenario or the model cannot be used, or the bag cannot be made.
    """
    scenario = job.scenario
    expert_m = LoggedEpisode(scenario).progress_m()
    planner = Planner.load(job.model, job.rig, job.config)
    tracker, score = TrajectoryTracker(), _Score()
    assembler = SnapshotAssembler(job.rig, job.config)
    with ClosedLoopEpisode(scenario) as episode, ExitStack() as stack:
        step = episode.start()
        road_map = RoadMap.load(network_file(scenario.map_name), episode.route.xy_N2)
        suite = SensorSuite(road_map, job.rig, scenario.weather, scenario.seed)
        bag = None
        if job.bag is not None:
            stream = MessageStream(make_message, job.rig, episode.route, road_map)
            bag = stack.enter_context(DriveBag(job.bag, stream, job.config))
        assembler.add_route(Route(stamp_ns=0, frame_id=MAP_FRAME, xy_N2=episode.route.xy_N2))
        trajectory = None
        while True:
            score.see(step)
            if step.end_reason:
                break
            frame = suite.render(step.world)
            feed_assembler(assembler, step, frame)
            begin = time.perf_counter()
            snapshot = assembler.assemble(step.world.stamp_ns)
            result = planner.plan(snapshot) if isinstance(snapshot, SensorSnapshot) else snapshot
            elapsed_ms = (time.perf_counter() - begin) * 1e3
            score.plan(result, elapsed_ms)
            if isinstance(result, PlanResult):
                trajectory = result.trajectory
            if bag is not None:
                bag.write(step, frame, result, elapsed_ms)
            ego: EgoState = ego_state(step.world.ego, step.world.stamp_ns)
            command = tracker.command(trajectory, ego, step.world.stamp_ns)
            step = episode.step(command.acceleration_mps2, command.steering_rad)
    return _result(scenario, step, score, expert_m)


def _result(scenario: Scenario, step: EpisodeStep, score: _Score, expert_m: float) -> DriveResult:
    return DriveResult(
        map_name=Path(scenario.map_name).name,
        seed=scenario.seed,
        at_fault=score.at_fault,
        other_collisions=score.others,
        kinds=tuple(sorted(score.kinds)),
        off_road_s=round(0.1 * score.off_road_steps, 1),
        red_lights=score.red_lights,
        progress_m=round(step.progress_m, 1),
        expert_progress_m=round(expert_m, 1),
        end_reason=step.end_reason,
        duration_s=round(step.world.stamp_ns * 1e-9, 1),
        fallback_share=round(score.fallbacks / max(score.cycles, 1), 4),
        plan_ms_median=round(float(np.median(score.plan_ms)), 1),
        plan_ms_p99=round(float(np.percentile(score.plan_ms, 99)), 1),
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
