"""Topics of CARLA's ROS bridge under any role name, for planner and tracker.

The simulator of this package uses the same topics.
"""

from __future__ import annotations

from pathlib import Path

from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.params import TOPICS

ROLE_NAME = "ego_vehicle"
_PLANNER_OUTPUT = "/transdiffuser_planner/output"


def topic_map(role_name: str = ROLE_NAME, topics_file: Path = TOPICS / "carla.yaml") -> TopicMap:
    """Return the topics of CARLA's bridge for one vehicle.

    Args:
        role_name: Role name of the vehicle.
        topics_file: Topic map for the default role name.

    Raises:
        ConfigError: The topic map is invalid.
    """
    found = TopicMap.load(topics_file)
    if role_name == ROLE_NAME:
        return found

    def renamed(topic: str) -> str:
        return topic.replace(f"/carla/{ROLE_NAME}/", f"/carla/{role_name}/")

    single = {
        name: renamed(getattr(found, name))
        for name in TopicMap.__dataclass_fields__
        if name not in ("images", "camera_infos")
    }
    return TopicMap(
        images={name: renamed(topic) for name, topic in found.images.items()},
        camera_infos={name: renamed(topic) for name, topic in found.camera_infos.items()},
        **single,
    )


def tracker_remappings(topics: TopicMap, role_name: str = ROLE_NAME) -> list[tuple[str, str]]:
    """Return (private name, topic) of the tracker's inputs and output.

    Args:
        topics: The vehicle's topics.
        role_name: Role name of the vehicle.
    """
    return [
        ("~/input/trajectory", f"{_PLANNER_OUTPUT}/trajectory"),
        ("~/input/odometry", topics.odometry),
        ("~/output/ackermann_cmd", f"/carla/{role_name}/ackermann_cmd"),
    ]
