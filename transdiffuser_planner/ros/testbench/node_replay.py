"""Replay of a bag to a planner node in a separate process over DDS, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rclpy
import yaml

from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.evaluation.over_dds.process_group import ProcessGroup
from transdiffuser_planner.messages.topic_matching import Choice
from transdiffuser_planner.ros import session
from transdiffuser_planner.ros.testbench.bag_player import BagPlayer, live_names, write_reliable_inputs

# Played frame by frame, a bag may take longer than its own duration: there is no deadline then.
_WITHOUT_DEADLINE = {"anytime": False, "deadline_ms": 1000.0, "fallback_margin_ms": 1.0, "model_timeout_s": 10.0}
_FRAME_WAIT = {"frame_wait_ms": 150.0}
"""Messages of different topics may arrive out of order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayedNode:
    """Planner node that plans as a replay does.

    Attributes:
        model: Model folder.
        parameters: Planner parameters by name.
        environment: Environment variables of the private ROS domain, also set in this process.
    """

    model: Path
    parameters: Mapping[str, Any]
    environment: Mapping[str, str]


@contextmanager
def playing_to_node(drive: tuple[Path, ...], choice: Choice, node: ReplayedNode) -> Iterator[BagPlayer]:
    """Start a planner node and a player that publishes its inputs.

    Args:
        drive: The bags of one drive.
        choice: Topic map and rig.
        node: The node to start.

    Yields:
        The player, once the node has subscribed to all inputs.
    """
    session.init([])
    with TemporaryDirectory(prefix="transdiffuser_replay_") as folder:
        group = ProcessGroup({**os.environ, **node.environment}, Path(folder))
        try:
            with BagReader(*drive) as reader:
                bag_topics = reader.topics()
            renamed = live_names(choice.topics, bag_topics)
            images = {name: renamed.get(topic, topic) for name, topic in choice.topics.images.items()}
            live = replace(choice.topics, images=images)
            topics_file = Path(folder) / "topics.yaml"
            topics_file.write_text(yaml.safe_dump(asdict(live)), encoding="utf-8")
            reliable = write_reliable_inputs(live, Path(folder) / "reliable.yaml")
            words = ["plan", "--model", str(node.model), "--topics", str(topics_file), "--rig", str(choice.rig_file)]
            group.start("planner", [*words, *_ros_arguments(node.parameters), "--params-file", str(reliable)])
            player = BagPlayer(choice.topics, renamed, choice.rig.vehicle)
            player.wait_for_planner(bag_topics)
            yield player
            player.destroy_node()
        finally:
            group.stop()
            rclpy.try_shutdown()


def _ros_arguments(parameters: Mapping[str, Any]) -> list[str]:
    words = ["--ros-args", "-p", "use_sim_time:=true"]
    for name, value in {**parameters, **_WITHOUT_DEADLINE, **_FRAME_WAIT}.items():
        words += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
    return words
