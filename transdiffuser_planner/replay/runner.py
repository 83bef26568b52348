"""Runs the planner over a recorded drive, headless and without ROS, and says what came out."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import FallbackRung, NotReady, PlanResult, Trajectory
from transdiffuser_planner.recording.bag_reader import BagMessage, BagReader
from transdiffuser_planner.recording.topics import TopicMap
from transdiffuser_planner.replay.checks import trajectory_faults
from transdiffuser_planner.replay.cycles import BagPlanner, Cycle, check_inputs
from transdiffuser_planner.replay.metrics import DisplacementErrors, DisplacementScore, RecordedDrive
from transdiffuser_planner.replay.output_bag import OutputBag
from transdiffuser_planner.runtime.planner import Planner

GROUND_TRUTH_MAP = "transdiffuser_msgs/msg/MapPolygons"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayJob:
    """One drive to run over.

    Attributes:
        bag, more: The bag, and further bags of the same drive.
        topics, rig: What its topics mean, and the sensors.
        out: The bag to write, or None.
    """

    bag: Path
    topics: TopicMap
    rig: Rig
    out: Path | None = None
    more: tuple[Path, ...] = ()


class ReplayWatcher(Protocol):
    """Sees a replay as it goes: for progress bars, and for playing the bag to a node beside it."""

    def message(self, item: BagMessage) -> None:
        """Called with every message before the planner takes it in."""

    def cycle(self, cycle: Cycle) -> None:
        """Called once per cycle, after planning."""


@dataclass(kw_only=True, slots=True)
class ReplayResult:
    """What happened.

    Attributes:
        num_plans, not_ready: Cycles with a plan, and those without by reason.
        refused: Messages that were not used, by reason.
        masked: Inputs that the bag does not hold.
        faults: Plans that a check found wrong, by fault; must stay empty.
        rungs: Plans per fallback rung.
        latency_ms: Per plan.
        errors: Against the recorded future.
        plan_hash: SHA-256 over all published trajectories: the same bag, model and seed give the same.
        damage: Why the bag could not be read to its end, or "".
        is_simulated: Whether the bag carries a simulator's ground truth.
    """

    bag: Path
    out: Path | None
    model_name: str
    masked: tuple[str, ...]
    num_plans: int = 0
    not_ready: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    rungs: Counter[FallbackRung] = field(default_factory=Counter)
    latency_ms: list[float] = field(default_factory=list)
    errors: DisplacementErrors = field(default_factory=lambda: DisplacementErrors(num_cycles=0))
    plan_hash: str = ""
    damage: str = ""
    is_simulated: bool = False


def replay(job: ReplayJob, planner: Planner, watch: ReplayWatcher | None = None) -> ReplayResult:
    """Plan from every frame of a bag at the configured rate of data time.

    Args:
        job: The bag, what its topics mean, and where to write.
        planner: Loaded for the job's rig; it forgets what it planned before.
        watch: Told of every message and cycle.

    Raises:
        RecordingError: The bag cannot be opened, or the output exists already.
        InputError: The bag lacks odometry or every sensor of the rig, or nothing could be planned from it.
    """
    planner.reset()
    with BagReader(job.bag, *job.more) as bag:
        names = tuple(camera.name for camera in job.rig.cameras)
        absent = check_inputs(bag, job.topics, names, has_lidar=job.rig.lidar is not None)
        result = ReplayResult(
            bag=job.bag,
            out=job.out,
            model_name=planner.backend.manifest.name,
            masked=tuple(absent),
            is_simulated=GROUND_TRUTH_MAP in bag.topics().values(),
        )
        _Run(job, planner, result, watch, absent).over(bag)
        result.damage = bag.damage
    if not result.num_plans:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in (result.not_ready or result.refused).items())
        raise InputError(f"bag {job.bag}: not one plan could be made ({reasons or 'no sensor frame'})")
    return result


class _Run:
    """The state of one replay."""

    def __init__(
        self, job: ReplayJob, planner: Planner, result: ReplayResult, watch: ReplayWatcher | None, absent: list[str]
    ) -> None:
        self._job, self._result, self._watch, self._config = job, result, watch, planner.config
        self._bag_planner = BagPlanner(planner, job.rig, job.topics, absent)
        self._score = DisplacementScore()
        self._hash = hashlib.sha256()
        self._output: OutputBag | None = None

    def over(self, bag: BagReader) -> None:
        """Every message once, in order of time."""
        if self._job.out is None:
            self._read(bag)
        else:
            with OutputBag(self._job.out, self._config) as self._output:
                self._read(bag)
            _copy_scenario(self._job.bag, self._job.out)
        self._result.errors = self._score.errors(RecordedDrive(self._bag_planner.log.ego))
        self._result.refused = self._bag_planner.log.refused + bag.unreadable
        self._result.plan_hash = self._hash.hexdigest()

    def _read(self, bag: BagReader) -> None:
        item: BagMessage | None = None
        wanted, topics = self._job.topics.all_topics(), bag.topics()
        definitions = {topic: bag.definition(topic) for topic in topics} if self._output is not None else {}
        for item in bag.messages(None if self._output is not None else wanted, decoded=wanted):
            if self._output is not None:
                self._output.copy(item, definitions[item.topic])
            if item.topic not in wanted:
                continue
            if self._watch is not None:
                self._watch.message(item)
            for cycle in self._bag_planner.take(item):
                self._account(cycle)
        if item is not None:
            for cycle in self._bag_planner.finish(item.log_time_ns):
                self._account(cycle)

    def _account(self, cycle: Cycle) -> None:
        outcome, result = cycle.outcome, self._result
        if isinstance(outcome, NotReady):
            result.not_ready[outcome.reason] += 1
        else:
            self._judge(cycle, outcome)
        if self._output is not None:
            self._output.write(cycle)
        if self._watch is not None:
            self._watch.cycle(cycle)

    def _judge(self, cycle: Cycle, plan: PlanResult) -> None:
        assert cycle.ego is not None
        self._result.num_plans += 1
        self._result.latency_ms.append(cycle.latency_ms)
        self._result.rungs[plan.rung] += 1
        self._result.faults.update(trajectory_faults(plan.trajectory, cycle.ego, self._config))
        self._hash.update(trajectory_bytes(plan.trajectory))
        self._score.add(cycle.ego, plan.trajectory, plan.candidates)


def trajectory_bytes(trajectory: Trajectory) -> bytes:
    """Every number of a trajectory, for hashing."""
    columns = [
        trajectory.time_s_T,
        trajectory.x_m_T,
        trajectory.y_m_T,
        trajectory.heading_rad_T,
        trajectory.speed_mps_T,
    ]
    head = f"{trajectory.stamp_ns} {trajectory.frame_id} ".encode()
    return head + np.ascontiguousarray(np.stack(columns), dtype="<f8").tobytes()


def _copy_scenario(bag: Path, out: Path) -> None:
    """The simulator's note of what was recorded travels with the bag."""
    note = bag / "scenario.json"
    if note.is_file():
        shutil.copy(note, out / note.name)
