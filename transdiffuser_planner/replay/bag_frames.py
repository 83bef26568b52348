"""Runs a bag through the node's scheduler in the bag's time: every cycle with its first half, which needs no earlier plan."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.bags.bag_reader import BagMessage, BagReader
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.input_registry import CAMERA, SINGLE_INPUTS, Need, mapped_inputs
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.replay.arrival_clock import ArrivalClock
from transdiffuser_planner.runtime.cycle.frame_encoder import PreparedFrame
from transdiffuser_planner.runtime.inputs.input_notices import InputNotices
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleDecision, CycleScheduler


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedCycle:
    """One planning cycle before its plan.

    Attributes:
        log_time_ns: Log time at which its frame was complete.
        decision: The scheduler's: a frame to plan from, or why there is none.
        forget: The planner must discard agents and the last plan first.
        frame: The frame, encoded; None when there is none.
        failure: Why the frame cannot be planned from, or "".
        prepared_ms: Time from the frame's last message until it was prepared.
    """

    log_time_ns: int
    decision: CycleDecision
    forget: bool = False
    frame: PreparedFrame | None = None
    failure: str = ""
    prepared_ms: float = 0.0


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


class BagFrames:
    """Routes one bag's messages to the node's scheduler and prepares the frames that it decides to plan from."""

    def __init__(self, planner: Planner, rig: Rig, topics: TopicMap, absent: Sequence[str]) -> None:
        """Create the scheduler.

        Args:
            planner: Loaded for the same rig.
            rig: Sensors of the vehicle.
            topics: Topic map of the inputs.
            absent: Result of ``check_inputs``: frames are complete without these, and every plan lists them as missing.
        """
        self._planner = planner
        present = tuple(camera for camera in rig.cameras if f"camera '{camera.name}'" not in absent)
        self._absent = absent_cameras(rig, absent)
        self._scheduler = CycleScheduler(replace(rig, cameras=present), planner.config)
        self._scheduler.assembler.codebook = planner.codebook
        self._scheduler.assembler.plausibility.supported.top_speed_mps = planner.top_speed_mps
        self._topics = topics
        self._feeder = InputRouter(topics, self._scheduler.assembler)
        self._arrival_clock = ArrivalClock()
        self._notices = InputNotices(self._scheduler.assembler)
        self._names = {topic: camera or spec.name for spec, camera, topic in mapped_inputs(topics)}
        self._now_ns = 0
        self._pending: CycleDecision | None = None
        sensors = [topics.lidar] if rig.lidar is not None and "lidar" not in absent else []
        sensors += [topics.images[camera.name] for camera in present]
        self._frame_topic = sensors[0] if sensors else ""
        self.log = InputLog()

    def take(self, item: BagMessage, begin: float | None = None, *, hold: bool = False) -> Iterator[PreparedCycle]:
        """Process one message. Odometry is the clock.

        Args:
            item: The message.
            begin: Arrival time in seconds on perf_counter's clock; now by default.
            hold: Prepare no frame yet: in real time, more messages have arrived while the last plan was computed.

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
            yield self._prepared(item.log_time_ns)

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

    def finish(self, log_time_ns: int) -> Iterator[PreparedCycle]:
        """Prepare the last frame if it is still pending at the end of the bag.

        Args:
            log_time_ns: Log time of the last message.

        Yields:
            The cycle, if any.
        """
        yield from self._answer(self._scheduler.stop_waiting(self._now_ns), log_time_ns)
        if self._pending is not None:
            yield self._prepared(log_time_ns)

    def _answer(self, decision: CycleDecision | None, log_time_ns: int) -> Iterator[PreparedCycle]:
        """Yield the cycle of a decision without a frame; keep one with a frame as pending, in the place of an older one."""
        if decision is None:
            return
        if decision.request is None:
            yield PreparedCycle(log_time_ns=log_time_ns, decision=decision)
            return
        before = None if self._pending is None else self._pending.request
        if before is not None:
            self.log.num_skipped_busy += 1
            forget = decision.request.forget or before.forget
            decision = replace(decision, request=replace(decision.request, forget=forget))
        self._pending = decision

    def _prepared(self, log_time_ns: int) -> PreparedCycle:
        """Prepare the pending frame."""
        decision, self._pending = self._pending, None
        assert decision is not None and decision.request is not None
        request = decision.request
        snapshot = replace(request.snapshot, missing=self._absent + request.snapshot.missing)
        forget, frame, failure = request.forget or self._planner.goes_back(snapshot), None, ""
        if forget:
            self._planner.reset_prepared()
        try:
            frame = self._planner.prepare(snapshot)
        except InputError as error:  # too few images can be decoded
            failure = str(error)
        self.log.refused.update(self._planner.pop_refused())
        return PreparedCycle(
            log_time_ns=log_time_ns,
            decision=replace(decision, request=replace(request, snapshot=snapshot)),
            forget=forget,
            frame=frame,
            failure=failure,
            prepared_ms=(time.perf_counter() - request.arrived_s) * 1e3,
        )


def absent_cameras(rig: Rig, absent: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the rig's cameras that a bag does not hold.

    Args:
        rig: Sensors of the vehicle.
        absent: Result of ``check_inputs``.
    """
    return tuple(camera.name for camera in rig.cameras if f"camera '{camera.name}'" in absent)
