"""Images of a bag are played on topics whose names show whether they are compressed."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.ros.testbench.bag_player import live_names


def test_only_image_topics_whose_name_does_not_match_their_type_are_renamed():
    raw, compressed = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
    topics = TopicMap(
        images={"a": "/a/image", "b": "/b/image", "c": "/c/compressed", "d": "/d/compressed", "e": "/e/image"}
    )
    bag_topics = {"/a/image": raw, "/b/image": compressed, "/c/compressed": compressed, "/d/compressed": raw}
    assert live_names(topics, bag_topics) == {"/b/image": "/b/image/compressed", "/d/compressed": "/d/compressed/raw"}
