"""Inspects a bag without planning: topics, rates, gaps, clock problems, used and missing inputs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE
from transdiffuser_planner.messages.input_registry import GROUND_TRUTH_TYPES, mapped_inputs
from transdiffuser_planner.messages.topic_map import TopicMap, own_files
from transdiffuser_planner.messages.topic_matching import Choice, choose
from transdiffuser_planner.replay.bag_frames import check_inputs

GAP_FACTOR = 3.0
MIN_GAP_S = 0.15
MAX_CLOCK_OFFSET_S = 1.0
JUMP_S = 1.0
CLOCK_TYPE = "rosgraph_msgs/msg/Clock"


@dataclass(kw_only=True, slots=True)
class TopicFacts:
    """Statistics of one topic of a bag.

    Attributes:
        topic, type_name: Name and type.
        log_ns, stamp_ns: Log time and stamp of each message; stamp_ns is empty for types without a header.
        num_bytes: Total size of all messages.
    """

    topic: str
    type_name: str
    log_ns: list[int] = field(default_factory=list)
    stamp_ns: list[int] = field(default_factory=list)
    num_bytes: int = 0

    @property
    def rate_hz(self) -> float:
        """Mean rate by log time; 0 for a single message."""
        span_s = (self.log_ns[-1] - self.log_ns[0]) * 1e-9 if self.log_ns else 0.0
        return (len(self.log_ns) - 1) / span_s if span_s > 0.0 else 0.0

    def gaps(self) -> list[tuple[float, float]]:
        """Return gaps as (seconds since the topic's first message, length in seconds)."""
        step_s = np.diff(self._log()) * 1e-9
        if len(step_s) < 3:
            return []
        limit_s = max(GAP_FACTOR * float(np.median(step_s)), MIN_GAP_S)
        return [(float(step_s[:i].sum()), float(step_s[i])) for i in np.flatnonzero(step_s > limit_s)]

    def problems(self) -> list[str]:
        """Describe clock problems and gaps, one line each."""
        found = []
        if self.stamp_ns:
            stamps = np.asarray(self.stamp_ns, dtype=np.int64)
            step = np.diff(stamps)
            counts = {
                "stamps are zero": int((stamps == 0).sum()) if (stamps == 0).sum() > 1 else 0,
                "stamps repeat": int((step == 0).sum()),
                "stamps run backwards": int(((step < 0) & (step > -JUMP_S * 1e9)).sum()),
                f"stamps jump back by more than {JUMP_S:.0f} s": int((step <= -JUMP_S * 1e9).sum()),
            }
            found += [f"{count} {text}" for text, count in counts.items() if count]
            offset_s = float(np.median(self._log() - stamps)) * 1e-9
            if abs(offset_s) > MAX_CLOCK_OFFSET_S:
                found.append(f"log time is {offset_s:+.3f} s from the stamps")
        gaps = self.gaps()
        if gaps:
            at_s, worst_s = max(gaps, key=lambda gap: gap[1])
            found.append(f"{len(gaps)} gaps, the longest {worst_s:.2f} s at {at_s:.1f} s")
        return found

    def _log(self) -> NDArray[np.int64]:
        return np.asarray(self.log_ns, dtype=np.int64)


@dataclass(kw_only=True, slots=True)
class Inspection:
    """Result of inspecting a bag.

    Attributes:
        paths: The bags.
        topics: By name.
        choice: Mapping of topics and rig; None when it is ambiguous.
        why_not: Reason why the bag cannot be replayed, or "".
        absent: Missing inputs of the planner, which would be masked.
        problems: One line per problem of the whole bag.
    """

    paths: tuple[Path, ...]
    topics: dict[str, TopicFacts]
    choice: Choice | None = None
    why_not: str = ""
    absent: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def inspect(
    bag: BagReader, *, preset: str | None = None, topics_file: Path | None = None, rig_file: Path | None = None
) -> Inspection:
    """Read a bag once, decoding only stamps.

    Args:
        bag: An opened bag.
        preset: Name of the topic preset; None selects it automatically.
        topics_file: Topic map.
        rig_file: Rig.

    Returns:
        Topics, mapping and problems. Errors of the mapping are in ``why_not``.
    """
    available = bag.topics()
    facts = {topic: TopicFacts(topic=topic, type_name=kind) for topic, kind in available.items()}
    stamped = {topic for topic in available if bag.has_stamp(topic)}
    for item in bag.messages(decoded=set()):
        statistics = facts[item.topic]
        statistics.log_ns.append(item.log_time_ns)
        statistics.num_bytes += len(item.raw)
        if item.topic in stamped and len(item.raw) >= 12:
            statistics.stamp_ns.append(_stamp_ns(bytes(item.raw[:12])))
    found = Inspection(paths=bag.paths, topics=facts)
    try:
        choice = choose(
            available,
            f"bag {bag.path}",
            preset=preset,
            topics_file=topics_file,
            rig_file=rig_file,
            own=own_files(bag.path),
        )
        names = tuple(camera.name for camera in choice.rig.cameras)
        found.choice = choice
        found.absent = check_inputs(bag, choice.topics, names, has_lidar=choice.rig.lidar is not None)
    except PlannerError as error:
        found.why_not = str(error)
    found.problems = list(_problems(bag, found))
    return found


def _stamp_ns(head: bytes) -> int:
    """Read the stamp at the start of a serialized header."""
    order = "<" if head[1] & 1 else ">"
    sec, nanosec = struct.unpack_from(f"{order}iI", head, 4)
    return int(sec) * 10**9 + int(nanosec)


def _problems(bag: BagReader, found: Inspection) -> Iterator[str]:
    yield from bag.notes
    yield from (f"damage: {line}" for line in bag.damages)
    yield from (f"{topic} cannot be decoded: {why}" for topic, why in bag.problems.items())
    yield from (f"{count} messages of {reason}" for reason, count in bag.unreadable.items())
    if not any(facts.log_ns for facts in found.topics.values()):
        yield "the bag holds no message"
    for topic, facts in found.topics.items():
        if facts.type_name == CLOCK_TYPE:
            yield f"{topic} was recorded: it is not copied (ros2 bag play --clock publishes its own); header stamps are the clock"
        if topic.startswith(OUTPUT_NAMESPACE):
            yield f"{topic} is the output of a planner: it is kept as /reference{topic}, next to the new one"
    if found.choice is not None:
        yield from _alignment(found.choice.topics, found.choice.rig, found.topics)


def _alignment(topics: TopicMap, rig: Rig, facts: dict[str, TopicFacts]) -> Iterator[str]:
    """Yield sensors whose stamps lie outside the time of odometry."""
    odometry = facts.get(topics.odometry)
    if odometry is None or not odometry.stamp_ns:
        return
    begin, end = min(odometry.stamp_ns), max(odometry.stamp_ns)
    sensors = [topics.images.get(camera.name, "") for camera in rig.cameras] + [topics.lidar]
    for topic in sensors:
        sensor = facts.get(topic)
        if sensor is None or not sensor.stamp_ns:
            continue
        outside = sum(not begin <= stamp <= end for stamp in sensor.stamp_ns)
        if outside == len(sensor.stamp_ns):
            yield f"{topic}: no stamp lies within the odometry's time; the two run on different clocks"
        elif outside > max(2, len(sensor.stamp_ns) // 10):
            yield f"{topic}: {outside} of {len(sensor.stamp_ns)} stamps lie outside the odometry's time"


def lines(found: Inspection) -> Iterator[str]:
    """Format an inspection.

    Args:
        found: Result of ``inspect``.

    Yields:
        Human-readable lines.
    """
    for path in found.paths:
        yield f"bag    {path}"
    used = _uses(found)
    width = max((len(topic) for topic in found.topics), default=0)
    for topic in sorted(found.topics):
        facts = found.topics[topic]
        rate = f"{facts.rate_hz:6.1f} Hz" if facts.rate_hz else "         "
        use = f"  <- {used[topic]}" if topic in used else ""
        yield f"  {topic:<{width}}  {len(facts.log_ns):>6} x {rate}  {facts.num_bytes / 1e6:8.2f} MB  {facts.type_name}{use}"
        yield from (f"  {'':<{width}}  ! {problem}" for problem in facts.problems())
    if found.choice is not None:
        yield f"source {found.choice.name}: {found.choice.why}; rig {found.choice.rig_file.name}"
    if found.why_not:
        yield f"cannot be replayed unchanged: {found.why_not}"
    elif found.absent:
        yield f"missing {', '.join(found.absent)}; these inputs are masked"
    else:
        yield "missing nothing"
    yield from (f"note   {problem}" for problem in found.problems)


def _uses(found: Inspection) -> dict[str, str]:
    """Return topic -> name of the planner's input."""
    if found.choice is None:
        return {}
    topics = found.choice.topics
    used = {topic: spec.title(camera) for spec, camera, topic in mapped_inputs(topics)}
    return used | {getattr(topics, name): name for name in GROUND_TRUTH_TYPES if getattr(topics, name)}
