"""Alternative topic names of one source.

nuscenes2mcap wrote /LIDAR_TOP and now writes /lidar_top; CARLA's native interface moved point clouds from /carla/hero/lidar
to /carla/hero/lidar/point_cloud; image_transport publishes JPEG on .../compressed in addition to the raw images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from transdiffuser_planner.messages.input_registry import CAMERA, CAMERA_INFO, SINGLE_TYPES
from transdiffuser_planner.messages.topic_map import TopicMap

_ENDINGS = ("/compressed", "/point_cloud")


def spelled_as_held(topics: TopicMap, held: Mapping[str, str]) -> TopicMap:
    """Replace the names of a map by the aliases in a bag.

    Args:
        topics: The map.
        held: The bag's topics and types.

    Returns:
        The map; names that the bag has are unchanged, others become the bag's only alias with the right type.
    """
    single = {name: _held_name(getattr(topics, name), kinds, held) for name, kinds in SINGLE_TYPES.items()}
    images = {camera: _held_name(topic, CAMERA.message_types, held) for camera, topic in topics.images.items()}
    info_types = CAMERA_INFO.message_types
    infos = {camera: _held_name(topic, info_types, held) for camera, topic in topics.camera_infos.items()}
    return replace(topics, images=images, camera_infos=infos, **single)


def _held_name(topic: str, kinds: tuple[str, ...], held: Mapping[str, str]) -> str:
    if not topic or held.get(topic) in kinds:
        return topic
    others = [other for other, kind in held.items() if kind in kinds and _plain(other) == _plain(topic)]
    return others[0] if len(others) == 1 else topic


def _plain(topic: str) -> str:
    """Normalize a name so that its aliases are equal."""
    for ending in _ENDINGS:
        topic = topic.removesuffix(ending)
    return topic.lower()
