"""A bag through the snapshot assembler and the planner, in the bag's own time, as the node would do it live."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, NotReady, PlanResult
from transdiffuser_planner.pipeline.ego_history import odometry_in_base
from transdiffuser_planner.recording import decode
from transdiffuser_planner.recording.bag_reader import BagMessage, BagReader
from transdiffuser_planner.recording.feed import MessageFeeder
from transdiffuser_planner.recording.input_registry import CAMERA, SINGLE_INPUTS, Need
from transdiffuser_planner.recording.topics import TopicMap
from transdiffuser_planner.runtime.budget import CycleBudget
from transdiffuser_planner.runtime.frame_trigger import FrameTrigger
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.snapshot_assembler import SnapshotAssembler


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """One planning cycle.

    Attributes:
        log_time_ns: When its frame was complete on the bag's clock.
        stamp_ns: The frame's stamp.
        ego: The state it was planned from; None when not ready.
        outcome: The plan, or why there is none.
        latency_ms: From taking in the frame's last message to the plan, on this machine.
    """

    log_time_ns: int
    stamp_ns: int
    ego: EgoState | None
    outcome: PlanResult | NotReady
    latency_ms: float


@dataclass(kw_only=True, slots=True)
class InputLog:
    """What reading the bag brought to light.

    Attributes:
        refused: Messages that were not used, by reason.
        ego: All odometry in base_link.
        num_frames: Messages of the sensor that frames are counted by.
        num_skipped_busy: Frames that passed while the planner was at work.
        begin_ns, end_ns: Log times of the first and the last odometry.
    """

    refused: Counter[str] = field(default_factory=Counter)
    ego: list[EgoState] = field(default_factory=list)
    num_frames: int = 0
    num_skipped_busy: int = 0
    begin_ns: int = 0
    end_ns: int = 0


def check_inputs(bag: BagReader, topics: TopicMap, camera_names: tuple[str, ...], *, has_lidar: bool) -> list[str]:
    """Compare what the planner needs with what the bag holds.

    Args:
        bag: An opened bag.
        topics: The topic map.
        camera_names, has_lidar: The rig's sensors.

    Returns:
        Names of the planner's inputs that the bag lacks and that will be masked.

    Raises:
        InputError: No odometry, none of the rig's sensors, or a topic of another type.
    """
    held = bag.topics()
    wanted = {f"camera '{name}'": (topics.images.get(name, ""), CAMERA.message_types) for name in camera_names}
    wanted |= {spec.name: (str(getattr(topics, spec.name)), spec.message_types) for spec in SINGLE_INPUTS}
    absent = []
    for name, (topic, kinds) in wanted.items():
        if not topic or topic not in held:
            absent.append(name)
        elif held[topic] not in kinds:
            raise InputError(
                f"bag {bag.path}: {name} is read from {topic}, expected {kinds[0]}, got {held[topic]}; give --topics"
            )
    sensors = [f"camera '{name}'" for name in camera_names] + (["lidar"] if has_lidar else [])
    needed = ["odometry"] if "odometry" in absent else sensors if set(sensors) <= set(absent) else []
    if needed:
        listed = ", ".join(sorted(held)) or "no topic at all"
        sought = ", ".join(f"{name} on '{wanted[name][0]}'" for name in needed)
        raise InputError(f"bag {bag.path}: holds no {sought}; it has {listed}; choose --preset or give --topics")
    unmissed = {spec.name for spec in SINGLE_INPUTS if spec.need is Need.UNREPORTED} | (set() if has_lidar else {"lidar"})
    return [name for name in absent if name not in unmissed]


class BagPlanner:
    """Feeds one bag's messages and plans once per frame, at most at the configured rate."""

    def __init__(
        self, planner: Planner, rig: Rig, topics: TopicMap, absent: Sequence[str], budget_ms: float | None = None
    ) -> None:
        """Plan with a rig.

        Args:
            planner: Loaded for the same rig.
            rig: The vehicle's sensors.
            topics: Where the inputs come from.
            absent: Result of ``check_inputs``: frames are complete without these, and every plan names them as missing.
            budget_ms: From a frame's last message to its plan; None for no limit.
        """
        self._budget_ms = budget_ms
        self._planner = planner
        present = tuple(camera for camera in rig.cameras if f"camera '{camera.name}'" not in absent)
        self._absent = tuple(camera.name for camera in rig.cameras if camera not in present)
        self._assembler = SnapshotAssembler(replace(rig, cameras=present), planner.config)
        self._assembler.codebook = planner.codebook
        self._offset_m = rig.base_from_odometry_child_x_m
        self._topics = topics
        self._feeder = MessageFeeder(topics, self._assembler)
        self._trigger = FrameTrigger(self._assembler)
        self._now_ns = 0
        self._held: tuple[int | None, float] | None = None
        sensors = [topics.lidar] if rig.lidar is not None and "lidar" not in absent else []
        sensors += [topics.images[camera.name] for camera in present]
        self._frame_topic = sensors[0] if sensors else ""
        self.log = InputLog()

    def take(self, item: BagMessage, begin: float | None = None, *, hold: bool = False) -> Iterator[Cycle]:
        """Take in one message; yields the cycle that it completes, if any. Odometry is the clock.

        Args:
            item: The message.
            begin: When it arrived, on perf_counter's clock; now by default.
            hold: Do not plan yet: in real time, more messages have arrived while the last plan was computed.
        """
        begin = time.perf_counter() if begin is None else begin
        resets = self._assembler.num_resets
        reason = self._feeder.feed(item.topic, item.log_time_ns, item.message)
        if reason:
            self.log.refused[reason] += 1
        elif item.topic == self._topics.odometry:
            self.log.ego.append(odometry_in_base(decode.odometry(item.message), self._offset_m))
            self._now_ns = self.log.ego[-1].stamp_ns
            self.log.begin_ns = self.log.begin_ns or item.log_time_ns
            self.log.end_ns = item.log_time_ns
        self.log.num_frames += not reason and item.topic == self._frame_topic
        if self._assembler.num_resets != resets:
            self._planner.reset()
        if self._trigger.poll(self._now_ns):
            begin = self._arrival(begin)
            if not hold:
                self._held = None
                yield self._plan(item.log_time_ns, begin)

    def _arrival(self, begin: float) -> float:
        """When the frame that is due became complete; one that a newer frame has replaced was skipped."""
        stamp_ns = self._assembler.latest_stamp_ns()
        if self._held is None or self._held[0] != stamp_ns:
            self.log.num_skipped_busy += self._held is not None
            self._held = (stamp_ns, begin)
        return self._held[1]

    def finish(self, log_time_ns: int) -> Iterator[Cycle]:
        """The cycle of a last frame that never became complete, if any."""
        if self._trigger.is_waiting:
            yield self._plan(log_time_ns, time.perf_counter())

    def _plan(self, log_time_ns: int, begin: float) -> Cycle:
        """One cycle at a time of the data's clock."""
        newest_ns = self._assembler.latest_stamp_ns() or self._now_ns
        snapshot = self._assembler.assemble(max(self._now_ns, newest_ns), self._trigger.earliest_ns)
        if isinstance(snapshot, NotReady):
            self._trigger.done(None)
            return Cycle(log_time_ns=log_time_ns, stamp_ns=newest_ns, ego=None, outcome=snapshot, latency_ms=0.0)
        self._trigger.done(snapshot.stamp_ns)
        snapshot = replace(snapshot, missing=self._absent + snapshot.missing)
        budget = None if self._budget_ms is None else CycleBudget(end_s=begin + self._budget_ms * 1e-3)
        result = self._planner.plan(snapshot, budget)
        return Cycle(
            log_time_ns=log_time_ns,
            stamp_ns=snapshot.stamp_ns,
            ego=snapshot.ego,
            outcome=result,
            latency_ms=(time.perf_counter() - begin) * 1e3,
        )
