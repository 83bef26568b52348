"""Looks at a bag without planning: topics, rates, gaps, clock problems, and what the planner would use and lacks."""

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
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.messages.topic_matching import Choice, choose
from transdiffuser_planner.replay.bag_planner import check_inputs

GAP_FACTOR = 3.0
MIN_GAP_S = 0.15
MAX_CLOCK_OFFSET_S = 1.0
JUMP_S = 1.0
CLOCK_TYPE = "rosgraph_msgs/msg/Clock"


@dataclass(kw_only=True, slots=True)
class TopicFacts:
    """One topic of a bag.

    Attributes:
        topic, type_name: Name and type.
        log_ns, stamp_ns: Per message; stamp_ns is empty for types without a header.
        num_bytes: All messages together.
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
        """Holes as (seconds since the topic's first message, length in seconds)."""
        step_s = np.diff(self._log()) * 1e-9
        if len(step_s) < 3:
            return []
        limit_s = max(GAP_FACTOR * float(np.median(step_s)), MIN_GAP_S)
        return [(float(step_s[:i].sum()), float(step_s[i])) for i in np.flatnonzero(step_s > limit_s)]

    def problems(self) -> list[str]:
        """What is wrong with its clock, and its gaps."""
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
    """What a look at a bag found.

    Attributes:
        paths: The bags.
        topics: By name.
        choice: What the planner would read; None when that cannot be decided, and why_not says why.
        absent: Inputs of the planner that are not there and would be masked.
        problems: Sentences about the whole bag.
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
    """Read a bag once, without decoding more than stamps.

    Raises:
        ConfigError: A given preset or file is wrong.
    """
    held = bag.topics()
    facts = {topic: TopicFacts(topic=topic, type_name=kind) for topic, kind in held.items()}
    stamped = {topic for topic in held if bag.has_stamp(topic)}
    for item in bag.messages(decoded=set()):
        seen = facts[item.topic]
        seen.log_ns.append(item.log_time_ns)
        seen.num_bytes += len(item.raw)
        if item.topic in stamped and len(item.raw) >= 12:
            seen.stamp_ns.append(_stamp_ns(bytes(item.raw[:12])))
    found = Inspection(paths=bag.paths, topics=facts)
    try:
        choice = choose(held, f"bag {bag.path}", preset=preset, topics_file=topics_file, rig_file=rig_file)
        names = tuple(camera.name for camera in choice.rig.cameras)
        found.choice = choice
        found.absent = check_inputs(bag, choice.topics, names, has_lidar=choice.rig.lidar is not None)
    except PlannerError as error:
        found.why_not = str(error)
    found.problems = list(_problems(bag, found))
    return found


def _stamp_ns(head: bytes) -> int:
    """The stamp that a serialized header begins with."""
    order = "<" if head[1] & 1 else ">"
    sec, nanosec = struct.unpack_from(f"{order}iI", head, 4)
    return int(sec) * 10**9 + int(nanosec)


def _problems(bag: BagReader, found: Inspection) -> Iterator[str]:
    if bag.damage:
        yield bag.damage
    yield from (f"{count} messages of {reason}" for reason, count in bag.unreadable.items())
    if not any(facts.log_ns for facts in found.topics.values()):
        yield "the bag holds no message"
    for topic, facts in found.topics.items():
        if facts.type_name == CLOCK_TYPE:
            yield f"{topic} was recorded: it is left out, header stamps are the clock here (ros2 bag play --clock would fight it)"
        if topic.startswith(OUTPUT_NAMESPACE):
            yield f"{topic} is a planner's own output: it is kept as /reference{topic} beside the new one"
    if found.choice is not None:
        yield from _alignment(found.choice.topics, found.choice.rig, found.topics)


def _alignment(topics: TopicMap, rig: Rig, facts: dict[str, TopicFacts]) -> Iterator[str]:
    """Whether the clocks of sensors and odometry overlap."""
    odometry = facts.get(topics.odometry)
    if odometry is None or not odometry.stamp_ns:
        return
    begin, end = min(odometry.stamp_ns), max(odometry.stamp_ns)
    sensors = [topics.images.get(camera.name, "") for camera in rig.cameras] + [topics.lidar]
    for topic in sensors:
        seen = facts.get(topic)
        if seen is None or not seen.stamp_ns:
            continue
        outside = sum(not begin <= stamp <= end for stamp in seen.stamp_ns)
        if outside == len(seen.stamp_ns):
            yield f"{topic}: no stamp lies within the odometry's time; the two run on different clocks"
        elif outside > max(2, len(seen.stamp_ns) // 10):
            yield f"{topic}: {outside} of {len(seen.stamp_ns)} stamps lie outside the odometry's time"


def lines(found: Inspection) -> Iterator[str]:
    """An inspection as lines for people."""
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
        yield f"cannot be replayed as it is: {found.why_not}"
    elif found.absent:
        yield f"lacks  {', '.join(found.absent)}; these inputs are masked"
    else:
        yield "lacks  nothing"
    yield from (f"note   {problem}" for problem in found.problems)


def _uses(found: Inspection) -> dict[str, str]:
    """Topic -> the planner's input that is read from it."""
    if found.choice is None:
        return {}
    topics = found.choice.topics
    used = {topic: spec.title(camera) for spec, camera, topic in mapped_inputs(topics)}
    return used | {getattr(topics, name): name for name in GROUND_TRUTH_TYPES if getattr(topics, name)}
