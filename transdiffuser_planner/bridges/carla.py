"""CARLA's ROS bridge: which of its topics are the planner's and the tracker's inputs and outputs.

The simulator of this package speaks the same topics, so everything here serves both.
"""

from __future__ import annotations

from pathlib import Path

from transdiffuser_planner.recording.topics import PARAMS, TopicMap

ROLE_NAME = "ego_vehicle"
_PLANNER_OUTPUT = "/transdiffuser_planner/output"


def topic_map(role_name: str = ROLE_NAME, topics_file: Path = PARAMS / "topics_carla.yaml") -> TopicMap:
    """Topics of CARLA's bridge for a vehicle with the given role name."""
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


def planner_remappings(topics: TopicMap) -> list[tuple[str, str]]:
    """(private name, topic) of every input of the planner that the map has; compressed pictures are told by their topic."""
    pairs = []
    for camera, topic in topics.images.items():
        suffix = "/compressed" if topic.endswith("/compressed") else ""
        pairs.append((f"~/input/camera/{camera}{suffix}", topic))
    pairs += [(f"~/input/camera/{camera}/camera_info", topic) for camera, topic in topics.camera_infos.items()]
    names = ("lidar", "odometry", "acceleration", "route", "command", "speed_limit", "traffic_signal")
    return pairs + [(f"~/input/{name}", getattr(topics, name)) for name in names if getattr(topics, name)]


def tracker_remappings(topics: TopicMap, role_name: str = ROLE_NAME) -> list[tuple[str, str]]:
    """(private name, topic) of the tracker."""
    return [
        ("~/input/trajectory", f"{_PLANNER_OUTPUT}/trajectory"),
        ("~/input/odometry", topics.odometry),
        ("~/output/ackermann_cmd", f"/carla/{role_name}/ackermann_cmd"),
    ]


def as_ros_arguments(remappings: list[tuple[str, str]]) -> list[str]:
    """For a command line behind ``--ros-args``."""
    return [word for name, topic in remappings for word in ("-r", f"{name}:={topic}")]
