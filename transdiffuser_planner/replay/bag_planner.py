"""Runs a bag through the node's scheduler and the planner in the bag's time, with the outputs of a live node."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, NotReady, PlanResult
from transdiffuser_planner.data.bags.bag_reader import BagMessage, BagReader
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.input_registry import CAMERA, SINGLE_INPUTS, Need, mapped_inputs
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.replay.arrival_clock import ArrivalClock
from transdiffuser_planner.runtime.cycle.fallback_planner import FallbackPlanner
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget
from transdiffuser_planner.runtime.inputs.input_notices import InputNotices
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleDecision, CycleScheduler
from transdiffuser_planner.runtime.supervision.supervisor import PlanningRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """One planning cycle.

    Attributes:
        log_time_ns: Log time at which its frame was complete.
        stamp_ns: The frame's stamp.
        ego: Ego state at the start of the plan; None when not ready.
        outcome: The plan or fallback that the node would publish, or the reason why it would publish none.
        latency_ms: Time from the frame's last message to the plan, on this machine.
        is_planned: The model planned from a frame; else inputs were missing.
        has_frame: A sensor frame triggered the cycle; else a timeout.
    """

    log_time_ns: int
    stamp_ns: int
    ego: EgoState | None
    outcome: PlanResult | NotReady
    latency_ms: float
    is_planned: bool
    has_frame: bool


@dataclass(kw_only=True, slots=True)
class InputLog:
    """Inputs of a replay.

    Attributes:
        refused: Number of messages that were not used, by reason.
        notices: What the node would notice about accepted messages, and how often.
        ego: All odometry in base_link.
        num_frames: Number of messages of the sensor by which frames are counted.
        num_skipped_busy: Number of frames that arrived while the planner was busy.
        begin_ns, end_ns: Log times of the first and the last odometry.
    """

    refused: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    ego: list[EgoState] = field(default_factory=list)
    num_frames: int = 0
    num_skipped_busy: int = 0
    begin_ns: int = 0
    end_ns: int = 0


def check_inputs(bag: BagReader, topics: TopicMap, camera_names: tuple[str, ...], *, has_lidar: bool) -> list[str]:
    """Compare the inputs of the planner with the topics of a bag.

    Args:
        bag: An opened bag.
        topics: The topic map.
        camera_names: Cameras of the rig.
        has_lidar: The rig has a LiDAR.

    Returns:
        Names of the planner's inputs that are missing in the bag and will be masked.

    Raises:
        InputError: No odometry, none of the rig's sensors, or a topic of another type or that cannot be decoded.
    """
    available = bag.topics()
    inputs = {f"camera '{name}'": (topics.images.get(name, ""), CAMERA.message_types) for name in camera_names}
    inputs |= {spec.name: (str(getattr(topics, spec.name)), spec.message_types) for spec in SINGLE_INPUTS}
    absent = []
    for name, (topic, kinds) in inputs.items():
        if not topic or topic not in available:
            absent.append(name)
        elif topic in bag.problems:
            raise InputError(f"bag {bag.path}: {name} is read from {topic}, and {bag.problems[topic]}; give --topics")
        elif available[topic] not in kinds:
            raise InputError(
                f"bag {bag.path}: {name} is read from {topic}, expected {kinds[0]}, got {available[topic]}; give --topics"
            )
    sensors = [f"camera '{name}'" for name in camera_names] + (["lidar"] if has_lidar else [])
    needed = ["odometry"] if "odometry" in absent else sensors if set(sensors) <= set(absent) else []
    if needed:
        listed = ", ".join(sorted(available)) or "no topic"
        sought = ", ".join(f"{name} on '{inputs[name][0]}'" for name in needed)
        raise InputError(f"bag {bag.path}: holds no {sought}; it has {listed}; choose --preset or give --topics")
    optional = {spec.name for spec in SINGLE_INPUTS if spec.need is Need.UNREPORTED} | (
        set() if has_lidar else {"lidar"}
    )
    return [name for name in absent if name not in optional]


class BagPlanner:
    """Routes one bag's messages to the node's scheduler and executes its decisions, in one thread."""

    def __init__(
        self, planner: Planner, rig: Rig, topics: TopicMap, absent: Sequence[str], budget_ms: float | None = None
    ) -> None:
        """Create the scheduler.

        Args:
            planner: Loaded for the same rig.
            rig: Sensors of the vehicle.
            topics: Topic map of the inputs.
            absent: Result of ``check_inputs``: frames are complete without these, and every plan lists them as missing.
            budget_ms: Time limit from a frame's last message to its plan; None for no limit.
        """
        self._budget_ms = budget_ms
        self._planner = planner
        present = tuple(camera for camera in rig.cameras if f"camera '{camera.name}'" not in absent)
        self._absent = tuple(camera.name for camera in rig.cameras if camera not in present)
        self._scheduler = CycleScheduler(replace(rig, cameras=present), planner.config)
        self._scheduler.assembler.codebook = planner.codebook
        self._scheduler.assembler.plausibility.supported.top_speed_mps = planner.top_speed_mps
        self._fallback = FallbackPlanner(planner.contract, rig, planner.memory)
        self._topics = topics
        self._feeder = InputRouter(topics, self._scheduler.assembler)
        self._arrival_clock = ArrivalClock()
        self._notices = InputNotices(self._scheduler.assembler)
        self._names = {topic: camera or spec.name for spec, camera, topic in mapped_inputs(topics)}
        self._now_ns = 0
        self._pending: PlanningRequest | None = None
        self._has_published = False
        sensors = [topics.lidar] if rig.lidar is not None and "lidar" not in absent else []
        sensors += [topics.images[camera.name] for camera in present]
        self._frame_topic = sensors[0] if sensors else ""
        self.log = InputLog()

    def take(self, item: BagMessage, begin: float | None = None, *, hold: bool = False) -> Iterator[Cycle]:
        """Process one message. Odometry is the clock.

        Args:
            item: The message.
            begin: Arrival time in seconds on perf_counter's clock; now by default.
            hold: Do not plan yet: in real time, more messages have arrived while the last plan was computed.

        Yields:
            The cycles that the message triggers.
        """
        self._scheduler.arrived(time.perf_counter() if begin is None else begin)
        self._scheduler.assembler.now_ns = self._arrival_clock.now_ns(item.log_time_ns)
        reason = self._feeder.feed(item.topic, item.log_time_ns, item.message)
        if reason:
            self.log.refused[reason] += 1
        else:
            self._notice(item)
        if not reason and item.topic == self._topics.odometry:
            self._take_odometry(item.log_time_ns)
            self.log.begin_ns = self.log.begin_ns or item.log_time_ns
            self.log.end_ns = item.log_time_ns
        self.log.num_frames += not reason and item.topic == self._frame_topic
        if self.log.ego:  # before the first odometry there is no time
            yield from self._answer(self._scheduler.poll(self._now_ns), item.log_time_ns)
        if self._pending is not None and not hold:
            yield self._plan(item.log_time_ns)

    def _take_odometry(self, log_time_ns: int) -> None:
        ego = self._scheduler.assembler.newest_ego
        if ego is not None:
            self.log.ego.append(ego)
            self._now_ns = ego.stamp_ns
            self._arrival_clock.odometry(log_time_ns, ego.stamp_ns)

    def _notice(self, item: BagMessage) -> None:
        """Count what the node would notice about an accepted message."""
        stamp = decode_inputs.stamp_ns(item.message) if item.topic in self._feeder.every_cycle_topics else None
        self.log.notices.update(self._notices.after(self._names.get(item.topic, item.topic), stamp))

    def finish(self, log_time_ns: int) -> Iterator[Cycle]:
        """Plan from the last frame if it is still pending at the end of the bag.

        Args:
            log_time_ns: Log time of the last message.

        Yields:
            The cycle, if any.
        """
        yield from self._answer(self._scheduler.stop_waiting(self._now_ns), log_time_ns)
        if self._pending is not None:
            yield self._plan(log_time_ns)

    def _answer(self, decision: CycleDecision | None, log_time_ns: int) -> Iterator[Cycle]:
        """Yield the cycle of a decision without a plan; keep a request as pending, in the place of an older one."""
        if decision is None:
            return
        if decision.request is None:
            yield self._without_plan(decision, log_time_ns)
            return
        request, before = decision.request, self._pending
        if before is not None:
            self.log.num_skipped_busy += 1
            request = replace(request, forget=request.forget or before.forget)
        self._pending = request

    def _plan(self, log_time_ns: int) -> Cycle:
        """Plan from the pending frame."""
        request, self._pending = self._pending, None
        assert request is not None
        if request.forget:
            self._planner.reset()
        snapshot = replace(request.snapshot, missing=self._absent + request.snapshot.missing)
        begin = request.arrived_s
        budget = None if self._budget_ms is None else CycleBudget(end_s=begin + self._budget_ms * 1e-3)
        is_planned = True
        try:
            outcome = self._planner.plan(snapshot, budget)
        except InputError as error:  # too few images can be decoded; the node's supervisor does the same
            source, config, is_planned = self._planner.source(), self._planner.config, False
            outcome = self._fallback.plan(snapshot, str(error), config, source, is_stopping=False)
        self.log.refused.update(self._planner.pop_refused())
        self._has_published = True
        return Cycle(
            log_time_ns=log_time_ns,
            stamp_ns=snapshot.stamp_ns,
            ego=snapshot.ego,
            outcome=outcome,
            latency_ms=(time.perf_counter() - begin) * 1e3,
            is_planned=is_planned,
            has_frame=True,
        )

    def _without_plan(self, decision: CycleDecision, log_time_ns: int) -> Cycle:
        """Create the fallback that the node would publish, or the reason why it would publish none."""
        start = decision.fallback_to_publish(has_published=self._has_published)
        outcome: PlanResult | NotReady = NotReady(reason=decision.reason)
        if start is not None:
            start = replace(start, missing=self._absent + start.missing)
            source, config = self._planner.source(), self._planner.config
            outcome = self._fallback.plan(start, decision.reason, config, source, is_stopping=decision.must_stop)
            self._has_published = True
        return Cycle(
            log_time_ns=log_time_ns,
            stamp_ns=decision.stamp_ns,
            ego=None if start is None else start.ego,
            outcome=outcome,
            latency_ms=0.0,
            is_planned=False,
            has_frame=decision.has_frame,
        )
