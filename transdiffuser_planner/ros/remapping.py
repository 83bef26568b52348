"""Remappings of the planner's private topics to those of a vehicle, from a topic map."""

from __future__ import annotations

from transdiffuser_planner.messages.input_registry import COMPRESSED_IMAGE, COMPRESSED_SUFFIX, mapped_inputs
from transdiffuser_planner.messages.topic_map import TopicMap


def planner_remappings(topics: TopicMap) -> list[tuple[str, str]]:
    """Return (private topic, vehicle's topic) of every input of a map.

    Images are compressed if their topic ends in ``/compressed``.

    Args:
        topics: The vehicle's topic map.
    """
    return [
        (spec.private_topic(camera, COMPRESSED_IMAGE if _is_compressed(topic, spec.message_types) else ""), topic)
        for spec, camera, topic in mapped_inputs(topics)
    ]


def as_ros_arguments(remappings: list[tuple[str, str]]) -> list[str]:
    """Return remappings as command-line arguments for ``--ros-args``.

    Args:
        remappings: (private topic, topic).
    """
    return [word for name, topic in remappings for word in ("-r", f"{name}:={topic}")]


def _is_compressed(topic: str, message_types: tuple[str, ...]) -> bool:
    return COMPRESSED_IMAGE in message_types and topic.endswith(COMPRESSED_SUFFIX)
