"""Checks the planner's connections: its subscriptions after remapping, their publishers, types and QoS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, qos_check_compatible

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.doctor.topic_statistics import AREA, TopicStatistics
from transdiffuser_planner.messages.input_registry import BY_NAME, CAMERA, CAMERA_INFO, SINGLE_INPUTS, is_needed
from transdiffuser_planner.ros.live_doctor.node_state import STATUS_TYPE, Target

_FINDINGS = Findings(AREA)
_SINGLE = {kind: spec.name for spec in SINGLE_INPUTS for kind in spec.message_types}
_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Wiring:
    """Connected inputs and findings about them.

    Attributes:
        topic_statistics: One entry per input with a compatible publisher, still empty.
        findings: Findings about absent publishers, types and QoS.
    """

    topic_statistics: list[TopicStatistics]
    findings: list[Finding]


def wiring(node: Node, target: Target, rig: Rig) -> Wiring:
    """Check the planner's inputs and their publishers.

    Args:
        node: The doctor's.
        target: The planner.
        rig: Its sensors.
    """
    pairs = node.get_subscriber_names_and_types_by_node(target.name, target.namespace)
    topics = [(topic, kind) for topic, kinds in pairs for kind in kinds]
    inputs = name_inputs(topics, [camera.name for camera in rig.cameras], f"{target.full_name}/input/camera")
    cameras = [camera.name for camera in rig.cameras]
    topic_statistics: list[TopicStatistics] = []
    findings: list[Finding] = []
    for name in dict.fromkeys(name for name, _, _ in inputs):
        places = [(topic, kind) for other, topic, kind in inputs if other == name]
        needed = is_needed(BY_NAME[name.split()[0]], target.config, len(cameras))
        live = [place for place in places if node.get_publishers_info_by_topic(place[0])]
        if not live:
            findings.append(_absent(node, target, name, places, needed=needed))
        for topic, kind in live:
            item = TopicStatistics(name=name, topic=topic, type_name=kind, needed=needed)
            sources = node.get_publishers_info_by_topic(topic)
            right = [info for info in sources if info.topic_type == kind]
            findings += _types(item, sources, right)
            incompatible = list(_qos(node, target, item, right))
            findings += incompatible
            if len(right) > len(incompatible):
                topic_statistics.append(item)
    found = len({item.name for item in topic_statistics if item.kind == "camera"})
    if found < target.config.min_cameras:
        text = f"{found} of {len(cameras)} have a compatible publisher, min_cameras is {target.config.min_cameras}"
        findings.append(_FINDINGS.error("cameras", text, "start or remap more cameras, or lower min_cameras"))
    return Wiring(topic_statistics=topic_statistics, findings=findings)


def name_inputs(topics: Sequence[tuple[str, str]], cameras: Sequence[str], private: str) -> list[tuple[str, str, str]]:
    """Match subscriptions to inputs by type, and cameras by the rig's names within the topic.

    Args:
        topics: (topic, type) after remapping.
        cameras: The rig's names.
        private: Prefix of the node's image topics without remapping.

    Returns:
        (input, topic, type), as "camera rgb_left". A camera whose remapped topic does not contain its name is the only
        unmatched one, or "camera ?".
    """
    found = [(_SINGLE[kind], topic, kind) for topic, kind in topics if kind in _SINGLE]
    for kinds, word in ((spec.message_types, spec.name) for spec in (CAMERA, CAMERA_INFO)):
        mine = [(topic, kind) for topic, kind in topics if kind in kinds]
        named = {topic: next((name for name in cameras if name in topic.split("/")), "") for topic, _ in mine}
        for kind in kinds:
            same = [topic for topic, other in mine if other == kind]
            rest = [name for name in cameras if name not in [named[topic] for topic in same]]
            unknown = [topic for topic in same if not named[topic]]
            if len(rest) == 1 and len(unknown) == 1:
                named[unknown[0]] = rest[0]
        found += [(f"{word} {named[topic] or '?'}", topic, kind) for topic, kind in mine]
    return sorted(found, key=lambda row: (row[1].startswith(private), row))


def _absent(node: Node, target: Target, name: str, places: Sequence[tuple[str, str]], *, needed: bool) -> Finding:
    """Report an input without publisher, and topics of the same type that may be meant."""
    kinds = {kind for _, kind in places}
    topic = places[0][0]
    taken = {place for place, _ in places}
    planners = _planners(node)
    others = [
        other
        for other, types in node.get_topic_names_and_types()
        if kinds & set(types) and other not in taken and _is_fed(node, other, target, planners)
    ]
    candidates = sorted(others, key=lambda other: (not other.startswith(target.namespace), other))
    text = f"{topic}: no publisher"
    spec = BY_NAME[name.split()[0]]
    if candidates and spec.is_found_by_type:
        text += f"; {places[0][1]} is published on {', '.join(candidates[:_SHOWN])}"
        remedy = f"if that is meant, remap: --ros-args -r {topic}:={candidates[0]}, or give a topic map with --topics"
    else:
        remedy = "start its source" + ("" if needed else "; without it the input is masked")
    if spec.is_every_cycle:
        return _FINDINGS.fault(name, text, remedy, fatal=needed)
    return (
        _FINDINGS.warn(name, text, remedy)
        if candidates and spec.is_found_by_type
        else _FINDINGS.ok(name, f"{text}; optional")
    )


def _planners(node: Node) -> set[tuple[str, str]]:
    """Return (name, namespace) of all planners: one that publishes a path does not give another its route."""
    topics = [topic for topic, types in node.get_topic_names_and_types() if STATUS_TYPE in types]
    return {
        (info.node_name, info.node_namespace) for topic in topics for info in node.get_publishers_info_by_topic(topic)
    }


def _is_fed(node: Node, topic: str, target: Target, planners: Set[tuple[str, str]]) -> bool:
    """Whether another node than a planner publishes a topic, and it is no other planner's own."""
    mine = (target.name, target.namespace)
    if any(topic.startswith(f"{namespace.rstrip('/')}/{name}/") for name, namespace in planners - {mine}):
        return False
    sources = node.get_publishers_info_by_topic(topic)
    return any((info.node_name, info.node_namespace) not in planners | {mine} for info in sources)


def _types(item: TopicStatistics, sources: Sequence[Any], right: Sequence[Any]) -> Iterator[Finding]:
    """Yield findings about publishers of another type, and about several publishers of the right type."""
    wrong = [info for info in sources if info not in right]
    if wrong:
        text = f"{item.topic}: '{wrong[0].node_name}' publishes {wrong[0].topic_type}, the planner expects {item.type_name}"
        remedy = f"publish {item.type_name}, or remap {item.topic} to a topic of that type"
        yield _FINDINGS.fault(item.name, text, remedy, fatal=item.needed and not right)
    if len(right) > 1:
        names = ", ".join(sorted(f"'{info.node_name}'" for info in right))
        yield _FINDINGS.warn(
            item.name, f"{item.topic}: {len(right)} publishers, {names}; their stamps mix", "keep one of them"
        )


def _qos(node: Node, target: Target, item: TopicStatistics, sources: Sequence[Any]) -> Iterator[Finding]:
    """Yield one finding for each publisher with incompatible QoS."""
    own = [
        info
        for info in node.get_subscriptions_info_by_topic(item.topic)
        if (info.node_name, info.node_namespace, info.topic_type) == (target.name, target.namespace, item.type_name)
    ]
    for info in sources:
        answers = [qos_check_compatible(info.qos_profile, mine.qos_profile) for mine in own]
        if not answers or any(answer != QoSCompatibility.ERROR for answer, _ in answers):
            continue
        reason = answers[0][1].removeprefix("ERROR: ").strip().rstrip(";")
        text = f"{item.topic}: QoS of '{info.node_name}' is not compatible with the planner's: {reason}"
        remedy = f"publish reliable, and latched for a route; or set qos_overrides.{item.topic}.subscription.* of the planner"
        yield _FINDINGS.fault(item.name, text, remedy, fatal=item.needed)
