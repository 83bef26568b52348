"""What a bag holds that scenes are made of, read once. E odometry messages, N route points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.errors import EvaluationError, InputError
from transdiffuser_planner.core.types import Acceleration, EgoState, Route, TrafficSignal, Trajectory
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages import decode_inputs, decode_outputs
from transdiffuser_planner.messages.decode_outputs import RecordedCandidates
from transdiffuser_planner.messages.encode_outputs import OUTPUT_TYPES
from transdiffuser_planner.messages.topic_map import TopicMap

FloatArray = NDArray[np.float64]


@dataclass(slots=True)
class Recording:
    """One drive with its ground truth, in the odometry's frame; lists are in order of stamps.

    Attributes:
        name: The bag's.
        ego: Odometry.
        acceleration: Of the rear axle; empty where the bag has none.
        objects: Stamp and everyone at it.
        route: The newest.
        pieces: The map's polygons and lines by kind.
        signals: The route's next traffic light; has_signals tells whether the bag has that topic.
        limits: Stamp and speed limit, m/s.
        plans, candidates: The planner's output.
        problems: One line for each message that could not be read.
    """

    name: str
    ego: list[EgoState] = field(default_factory=list)
    acceleration: list[Acceleration] = field(default_factory=list)
    objects: list[tuple[int, AgentStates]] = field(default_factory=list)
    route: Route | None = None
    pieces: list[tuple[int, FloatArray]] = field(default_factory=list)
    signals: list[TrafficSignal] = field(default_factory=list)
    has_signals: bool = False
    limits: list[tuple[int, float]] = field(default_factory=list)
    plans: list[Trajectory] = field(default_factory=list)
    candidates: list[RecordedCandidates] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def frame_id(self) -> str:
        """The frame of everything."""
        return self.ego[0].frame_id


def read_recording(bag: Path, topics: TopicMap) -> Recording:
    """Read a bag once.

    Raises:
        RecordingError: It cannot be opened.
        EvaluationError: It lacks odometry, route, objects or map, or they are in different frames.
    """
    found = Recording(name=(bag.parent if bag.is_file() else bag).name)
    with BagReader(bag) as reader:
        held = reader.topics()
        for what in ("odometry", "route", "objects", "map"):
            topic = getattr(topics, what)
            if topic not in held:
                raise EvaluationError(f"bag {bag}: expected {what} on '{topic or '?'}' to make scenes of, got none")
        found.has_signals = topics.traffic_signal in held
        takers = _takers(found, topics, held)
        for item in reader.messages(set(takers)):
            try:
                takers[item.topic](item.message, item.log_time_ns)
            except InputError as error:
                found.problems.append(f"bag {bag}: {item.topic}: {error}")
        if reader.damage:
            found.problems.append(reader.damage)
    if len(found.ego) < 2 or found.route is None or not found.pieces:
        raise EvaluationError(f"bag {bag}: expected odometry, a route and a map that can be read, got less")
    for frame_id, what in ((found.route.frame_id, "route"), *((o.frame_id, "objects") for _, o in found.objects[:1])):
        if frame_id != found.frame_id:
            raise EvaluationError(
                f"bag {bag}: {what}: expected the odometry's frame '{found.frame_id}', got '{frame_id}'"
            )
    found.ego.sort(key=lambda ego: ego.stamp_ns)
    found.objects.sort(key=lambda item: item[0])
    return found


def _takers(found: Recording, topics: TopicMap, held: dict[str, str]) -> dict[str, Callable[[Any, int], None]]:
    def take_route(message: Any, _: int) -> None:
        found.route = decode_inputs.route(message)

    def take_map(message: Any, _: int) -> None:
        found.pieces = decode_inputs.map_polygons(message)

    takers: dict[str, Callable[[Any, int], None]] = {
        topics.odometry: lambda message, _: found.ego.append(decode_inputs.odometry(message)),
        topics.acceleration: lambda message, _: found.acceleration.append(decode_inputs.acceleration(message)),
        topics.objects: lambda message, _: found.objects.append(
            (decode_inputs.stamp_ns(message), decode_inputs.object_array(message))
        ),
        topics.route: take_route,
        topics.map: take_map,
        topics.traffic_signal: lambda message, _: found.signals.append(decode_inputs.traffic_signal(message)),
        topics.speed_limit: lambda message, log_ns: found.limits.append((log_ns, float(message.data))),
    }
    for topic, kind in held.items():
        if kind == OUTPUT_TYPES["trajectory"]:
            takers[topic] = lambda message, _: found.plans.append(decode_outputs.trajectory(message))
        elif kind == OUTPUT_TYPES["candidates"]:
            takers[topic] = lambda message, _: found.candidates.append(decode_outputs.candidates(message))
    takers.pop("", None)
    return takers
