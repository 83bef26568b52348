"""Recorded publishers whose QoS the node's subscriptions do not match are named; parameters of the node count."""

import pytest
import yaml

from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.replay.qos_check import qos_notices

TOPICS, NODE = TopicMap(route="/route", lidar="/lidar"), "/car/transdiffuser_planner"
DURABILITY = "subscription.durability"


def notices(tmp_path, profiles, overrides=None, topic="/route"):
    entry = {"topic_metadata": {"name": topic, "type": "x", "offered_qos_profiles": profiles}, "message_count": 1}
    text = yaml.safe_dump({"rosbag2_bagfile_information": {"topics_with_message_count": [entry]}})
    (tmp_path / "metadata.yaml").write_text(text)
    return list(qos_notices([tmp_path], TOPICS, overrides or {}, NODE))


@pytest.mark.parametrize(
    "profiles",
    [
        "- reliability: 1\n  durability: 2\n",
        [{"reliability": "reliable", "durability": "volatile"}],
        [{"reliability": 1, "durability": 2}, {"reliability": 1, "durability": 2}],
    ],
)
def test_a_volatile_route_is_named_with_the_parameter_of_every_format_of_metadata(tmp_path, profiles):
    (line,) = notices(tmp_path, profiles)
    assert line.startswith("route: /route was published volatile") and f"qos_overrides./route.{DURABILITY}" in line
    for name in ("/route", f"{NODE}/input/route"):
        assert not notices(tmp_path, profiles, {f"qos_overrides.{name}.{DURABILITY}": "volatile"})


@pytest.mark.parametrize(
    "profiles",
    [
        "",
        "x: [",
        "- 3",
        [],
        [{}],
        None,
        [{"durability": 0}],
        [{"durability": 2}, {"durability": 1}],
        [{"durability": "odd"}],
    ],
)
def test_fitting_and_unknown_publishers_give_no_notice(tmp_path, profiles):
    assert not notices(tmp_path, profiles)


def test_a_subscription_that_is_made_stricter_than_the_publisher_is_named(tmp_path):
    best_effort = [{"reliability": 2, "durability": 2}]
    assert not notices(tmp_path, best_effort, topic="/lidar")
    (line,) = notices(tmp_path, best_effort, {"qos_overrides./lidar.subscription.reliability": "reliable"}, "/lidar")
    assert line.startswith("lidar: /lidar was published best_effort")


def test_a_bag_without_readable_metadata_gives_no_notice(tmp_path):
    (tmp_path / "metadata.yaml").write_bytes(b"\xff\xfe: [")
    assert not list(qos_notices([tmp_path, tmp_path / "drive.mcap"], TOPICS, {}, NODE))
