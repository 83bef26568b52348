"""Replays one drive: checks and evaluates every cycle, and writes the outputs alongside the inputs."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import PlanResult, Trajectory
from transdiffuser_planner.data.bags.bag_reader import BagMessage, BagReader
from transdiffuser_planner.data.bags.losses import MAX_LINES, num_lost_of
from transdiffuser_planner.data.logs.tracks import AgentTracks
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.input_registry import GROUND_TRUTH_TYPES, mapped_inputs
from transdiffuser_planner.messages.missing_fields import reject_missing_fields
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.replay.bag_frames import BagFrames, PreparedCycle, check_inputs
from transdiffuser_planner.replay.bag_planner import BagPlanner, Cycle
from transdiffuser_planner.replay.checks.trajectory_checks import trajectory_violations
from transdiffuser_planner.replay.cycle_records import CycleRecord, DriveRecord, record
from transdiffuser_planner.replay.metrics.drive_metrics import compute_replay_metrics
from transdiffuser_planner.replay.metrics.pdm_metrics import RecordedMap
from transdiffuser_planner.replay.output.copied_topics import uncopied_topics
from transdiffuser_planner.replay.output.output_bag import OutputBag
from transdiffuser_planner.replay.output.viewer_transforms import FrameWriter
from transdiffuser_planner.replay.playback_clock import PlaybackClock
from transdiffuser_planner.replay.qos_check import qos_notices
from transdiffuser_planner.replay.read_ahead import read_ahead
from transdiffuser_planner.replay.replay_result import ReplayResult
from transdiffuser_planner.runtime.planner import Planner

_STEPS_AHEAD = 1
_MAX_STEP_ITEMS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayJob:
    """One drive to replay.

    Attributes:
        bag, more: The bag, and further bags of the same drive.
        topics, rig: Topic map and sensors.
        out: The bag to write, or None.
        is_realtime: Play messages at recorded speed and skip frames that arrive while the planner is busy; plans use
            fewer steps where the deadline requires it, as in the node.
        node: Full name of the node that the replay stands for.
        qos_overrides: The node's parameters of QoS, by name.
        budget_ms: Time limit from a frame's last message to the plan; without a limit (None) plans are deterministic.
        is_pipelined: Read, decode and encode the next frames while the last is planned from; the result is the same, but
            a watcher receives messages ahead of cycles. Never in real time.
    """

    bag: Path
    topics: TopicMap
    rig: Rig
    out: Path | None = None
    more: tuple[Path, ...] = ()
    is_realtime: bool = False
    node: str = "/transdiffuser_planner"
    qos_overrides: Mapping[str, Any] = field(default_factory=dict)
    budget_ms: float | None = None
    is_pipelined: bool = True


class ReplayWatcher(Protocol):
    """Observer of a running replay, for progress bars and for playing the bag to a node in parallel."""

    def message(self, item: BagMessage) -> None:
        """Handle a message before the planner processes it.

        Args:
            item: The message.
        """

    def cycle(self, cycle: Cycle) -> None:
        """Handle a cycle after planning.

        Args:
            cycle: The cycle with its outcome.
        """


def replay(job: ReplayJob, planner: Planner, watch: ReplayWatcher | None = None) -> ReplayResult:
    """Plan from every frame of a bag at the configured rate of data time.

    Args:
        job: The bag, its topic map, and the output.
        planner: Loaded for the job's rig; its history is reset.
        watch: Receives every message and cycle.

    Returns:
        Cycles and metrics.

    Raises:
        RecordingError: The bag cannot be opened, or the output exists already.
        InputError: The bag has no odometry or none of the rig's sensors.
    """
    planner.reset()
    with BagReader(job.bag, *job.more) as bag:
        names = tuple(camera.name for camera in job.rig.cameras)
        absent = check_inputs(bag, job.topics, names, has_lidar=job.rig.lidar is not None)
        return _Run(job, planner, watch, absent).over(bag)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """Messages to copy, then a cycle to answer."""

    items: list[BagMessage]
    cycle: PreparedCycle | None = None


class _Run:
    """The state of one replay."""

    def __init__(self, job: ReplayJob, planner: Planner, watch: ReplayWatcher | None, absent: list[str]) -> None:
        self._job, self._watch, self._config, self._absent = job, watch, planner.config, absent
        self._manifest = planner.backend.manifest
        budget_ms = job.budget_ms
        if budget_ms is None and job.is_realtime and planner.config.anytime:
            budget_ms = planner.config.deadline_ms - planner.config.fallback_margin_ms
        self._is_pipelined = job.is_pipelined and not job.is_realtime and budget_ms is None
        self._frames = BagFrames(planner, job.rig, job.topics, absent)
        self._bag_planner = BagPlanner(planner, job.rig, absent, budget_ms)
        self._tracks, self._road = AgentTracks(), RecordedMap()
        self._ground_truth_refused: Counter[str] = Counter()
        self._not_copied: Counter[str] = Counter()
        self._hash = hashlib.sha256()
        self._violations: Counter[str] = Counter()
        self._cycles: list[CycleRecord] = []
        self._output: OutputBag | None = None
        self._notices = Counter((planner.vehicle_notice,) if planner.vehicle_notice else ())
        self._notices.update(qos_notices((job.bag, *job.more), job.topics, job.qos_overrides, job.node))

    def over(self, bag: BagReader) -> ReplayResult:
        """Every message once, in order of time."""
        begin = time.perf_counter()
        if self._job.out is None:
            self._read(bag)
        else:
            frames = FrameWriter(bag.topics(), self._job.topics, self._job.rig)
            with OutputBag(self._job.out, self._config, self._job.rig.vehicle, frames) as self._output:
                self._read(bag)
            self._notices.update(frames.notices)
            _copy_scenario(self._job.bag, self._job.out)
        log = self._frames.log
        refused = log.refused + bag.unreadable + self._ground_truth_refused
        num_lost = num_lost_of(bag.losses, {topic for _, _, topic in mapped_inputs(self._job.topics)})
        drive = DriveRecord(
            deadline_ms=self._config.deadline_ms,
            cycles=self._cycles,
            ego=log.ego,
            num_frames=log.num_frames,
            num_skipped_busy=log.num_skipped_busy,
            begin_ns=log.begin_ns,
            end_ns=log.end_ns,
        )
        return ReplayResult(
            bag=self._job.bag,
            out=self._job.out,
            model_name=self._manifest.name,
            model_hash=self._manifest.model_hash,
            masked=tuple(self._absent),
            drive=drive,
            metrics=compute_replay_metrics(drive, self._tracks, self._road, sum(refused.values()), num_lost),
            refused=refused,
            notices=self._notices + log.notices,
            not_copied=self._not_copied,
            violations=self._violations,
            plan_hash=self._hash.hexdigest(),
            damages=tuple(bag.damages),
            losses=tuple(bag.losses),
            notes=(*bag.notes, *_undecodable(bag, self._job.topics)),
            num_lost=num_lost,
            is_simulated=GROUND_TRUTH_TYPES["map"][0] in bag.topics().values(),
            wall_s=time.perf_counter() - begin,
        )

    def _read(self, bag: BagReader) -> None:
        """Write and answer what the bag holds, step by step."""
        definitions, not_copied = self._definitions(bag)
        steps = self._steps(bag)
        with closing(read_ahead(steps, _STEPS_AHEAD) if self._is_pipelined else steps) as steps_in_order:
            for step in steps_in_order:
                for item in step.items:
                    if item.topic in not_copied:
                        self._not_copied[not_copied[item.topic]] += 1
                    elif self._output is not None:
                        self._output.copy(item, definitions[item.topic])
                if step.cycle is not None:
                    self._account(self._bag_planner.answer(step.cycle))

    def _steps(self, bag: BagReader) -> Generator[_Step, None, None]:
        """Read, decode and prepare: the part of a replay that needs no plan.

        Yields:
            Steps in order of time.
        """
        used_topics, items = self._job.topics.all_topics(), list[BagMessage]()
        last: BagMessage | None = None
        playback_clock: PlaybackClock | None = None
        has_output = self._output is not None
        for item, following in _with_next(bag.messages(None if has_output else used_topics, decoded=used_topics)):
            last = item
            if self._job.is_realtime:
                playback_clock = playback_clock or PlaybackClock(item.log_time_ns)
                playback_clock.wait(item.log_time_ns)
            if has_output:
                items.append(item)
            if item.topic in used_topics:
                self._collect_ground_truth(item)
                if self._watch is not None:
                    self._watch.message(item)
                begin = None if playback_clock is None else playback_clock.due(item.log_time_ns)
                hold = (
                    playback_clock is not None
                    and following is not None
                    and playback_clock.is_due(following.log_time_ns)
                )
                for cycle in self._frames.take(item, begin, hold=hold):
                    yield _Step(items=items, cycle=cycle)
                    items = []
            if len(items) >= _MAX_STEP_ITEMS:
                yield _Step(items=items)
                items = []
        for cycle in self._frames.finish(last.log_time_ns) if last is not None else ():
            yield _Step(items=items, cycle=cycle)
            items = []
        yield _Step(items=items)

    def _definitions(self, bag: BagReader) -> tuple[dict[str, tuple[str, str] | None], dict[str, str]]:
        """Return topic -> definition, and topic -> reason for not copying it; both empty without an output bag."""
        if self._output is None:
            return {}, {}
        return {topic: bag.definition(topic) for topic in bag.topics()}, uncopied_topics(bag)

    def _collect_ground_truth(self, item: BagMessage) -> None:
        """Collect ground truth for the metrics; the planner does not receive it."""
        topics = self._job.topics
        if item.topic not in (topics.objects, topics.map, topics.route):
            return
        try:
            with reject_missing_fields(item.topic):
                self._add_ground_truth(item)
        except InputError as error:
            if item.topic != topics.route:  # already counted by the planner
                self._ground_truth_refused[str(error)] += 1

    def _add_ground_truth(self, item: BagMessage) -> None:
        topics, message = self._job.topics, item.message
        if item.topic == topics.objects and item.type_name in GROUND_TRUTH_TYPES["objects"]:
            self._tracks.add(decode_inputs.stamp_ns(message), decode_inputs.object_array(message))
        elif item.topic == topics.map and item.type_name in GROUND_TRUTH_TYPES["map"]:
            self._road.pieces = decode_inputs.map_polygons(message)
        elif item.topic == topics.route:
            self._road.routes.append((decode_inputs.stamp_ns(message), decode_inputs.route(message).xy_N2))

    def _account(self, cycle: Cycle) -> None:
        violations: tuple[str, ...] = ()
        if isinstance(cycle.outcome, PlanResult):
            assert cycle.ego is not None
            trajectory = cycle.outcome.trajectory
            violations = trajectory_violations(trajectory, cycle.ego, self._config)
            self._violations.update(violations)
            self._hash.update(trajectory_bytes(trajectory))
        self._cycles.append(record(cycle, violations))
        if self._output is not None:
            self._output.write(cycle)
        if self._watch is not None:
            self._watch.cycle(cycle)


def _with_next(items: Iterable[BagMessage]) -> Iterator[tuple[BagMessage, BagMessage | None]]:
    """Yield every message with the following one."""
    before: BagMessage | None = None
    for item in items:
        if before is not None:
            yield before, item
        before = item
    if before is not None:
        yield before, None


def trajectory_bytes(trajectory: Trajectory) -> bytes:
    """Serialize all numbers of a trajectory for hashing.

    Args:
        trajectory: The trajectory.
    """
    columns = [
        trajectory.time_s_T,
        trajectory.x_m_T,
        trajectory.y_m_T,
        trajectory.heading_rad_T,
        trajectory.speed_mps_T,
    ]
    head = f"{trajectory.stamp_ns} {trajectory.frame_id} ".encode()
    return head + np.ascontiguousarray(np.stack(columns), dtype="<f8").tobytes()


def _undecodable(bag: BagReader, topics: TopicMap) -> list[str]:
    """Describe topics that are left out because their messages cannot be decoded."""
    lines = [f"{topic} is left out: {why}" for topic, why in bag.problems.items() if topic not in topics.all_topics()]
    return (
        lines if len(lines) <= MAX_LINES else [*lines[:MAX_LINES], f"{len(lines) - MAX_LINES} more topics are left out"]
    )


def _copy_scenario(bag: Path, out: Path) -> None:
    """Copy the simulator's description of the drive to the output."""
    scenario = bag / "scenario.json"
    if scenario.is_file():
        shutil.copy(scenario, out / scenario.name)
