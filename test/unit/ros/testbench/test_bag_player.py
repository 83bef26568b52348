"""Pictures of a bag reach a node on topics from whose names it tells compressed ones."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.ros.testbench.bag_player import live_names


def test_only_pictures_whose_name_does_not_fit_their_type_are_renamed():
    raw, compressed = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
    topics = TopicMap(
        images={"a": "/a/image", "b": "/b/image", "c": "/c/compressed", "d": "/d/compressed", "e": "/e/image"}
    )
    held = {"/a/image": raw, "/b/image": compressed, "/c/compressed": compressed, "/d/compressed": raw}
    assert live_names(topics, held) == {"/b/image": "/b/image/compressed", "/d/compressed": "/d/compressed/raw"}
