"""Finds image topics of cameras and topics of the planner's other inputs in a bag, by type and name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_NUMBER = "std_msgs/msg/Float32"
_OTHERS = {
    "nav_msgs/msg/Path": "route",
    "geometry_msgs/msg/AccelWithCovarianceStamped": "acceleration",
    "transdiffuser_msgs/msg/DrivingCommand": "command",
    "transdiffuser_msgs/msg/TrafficSignal": "traffic_signal",
    "transdiffuser_msgs/msg/ActionTokens": "action_tokens",
    "derived_object_msgs/msg/ObjectArray": "objects",
    "transdiffuser_msgs/msg/MapPolygons": "map",
}


def camera_names(info_topics: Sequence[str]) -> dict[str, str]:
    """Name cameras by the part of the topic in which they differ.

    Args:
        info_topics: For example ["/carla/ego/rgb_left/camera_info", "/carla/ego/rgb_front/camera_info"].

    Returns:
        Name -> CameraInfo topic, for example {"rgb_left": ..., "rgb_front": ...}, in the order of the topics.
    """
    words = [topic.strip("/").split("/")[:-1] or ["camera"] for topic in info_topics]
    if len(words) == 1:
        return {words[0][-1]: info_topics[0]}
    shortest = min(map(len, words), default=0)
    front = next((i for i in range(shortest) if len({row[i] for row in words}) > 1), shortest)
    limit = shortest - front
    back = next((i for i in range(limit) if len({row[-1 - i] for row in words}) > 1), limit)
    return {"_".join(row[front : len(row) - back]): topic for row, topic in zip(words, info_topics, strict=True)}


def image_topic(available: Mapping[str, str], info: str) -> str:
    """Find the image topic next to a CameraInfo topic, preferring rectified and uncompressed images.

    Args:
        available: Topic -> type of the bag.
        info: CameraInfo topic.

    Returns:
        The topic; "" when there is none.
    """
    below = info.rsplit("/", 1)[0] + "/"
    found = [
        topic
        for topic, kind in available.items()
        if kind in _IMAGES and topic.startswith(below) and "depth" not in topic.lower()
    ]
    return min(found, key=lambda topic: ("rect" not in topic, topic.endswith("/compressed"), topic), default="")


def other_topics(available: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Find topics of the other inputs, where the bag has exactly one of the type.

    Args:
        available: Topic -> type of the bag.

    Returns:
        Input -> topic, and one note per ambiguous input.
    """
    found, notes = {}, []
    limits = [topic for topic, kind in available.items() if kind == _NUMBER and topic.endswith("speed_limit")]
    if len(limits) == 1:  # a number may mean anything: the name decides
        found["speed_limit"] = limits[0]
    for kind, name in _OTHERS.items():
        topics = sorted(
            topic for topic, other in available.items() if other == kind and "transdiffuser_planner" not in topic
        )
        if len(topics) == 1:
            found[name] = topics[0]
        elif topics:
            notes.append(f"{name}: could be {' or '.join(topics)}; add the right one to the topic map")
    return found, notes
