"""The inputs of a bag's topics are found without options, and never guessed."""

from pathlib import Path

import pytest
from replay_bags import RIG

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.input_registry import CAMERA, SINGLE_TYPES
from transdiffuser_planner.messages.topic_map import TopicMap, files_for, preset_files
from transdiffuser_planner.messages.topic_matching import choose, preset_names

ODOMETRY, CLOUD, IMAGE = "nav_msgs/msg/Odometry", "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Image"


def topics_of(name):
    """All topics of a preset with the types that a bag would have."""
    topics = TopicMap.load(preset_files(name)[0])
    held = {topic: CAMERA.message_types[topic.endswith("ompressed")] for topic in topics.images.values()}
    held |= dict.fromkeys(topics.camera_infos.values(), "sensor_msgs/msg/CameraInfo")
    for item, kinds in SINGLE_TYPES.items():
        if getattr(topics, item):
            held[getattr(topics, item)] = kinds[0]
    return held


def test_all_presets_of_the_issue_exist():
    assert {"carla", "carla_native", "autoware", "nuscenes", "kitti"} <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_a_bag_of_a_known_source_is_recognized(name):
    choice = choose(topics_of(name) | {"/rosout": "rcl_interfaces/msg/Log"}, "bag x")
    assert choice.name == name and choice.rig == Rig.load(preset_files(name)[1])


@pytest.mark.parametrize("name", preset_names())
def test_cameras_of_a_preset_are_those_of_its_rig(name):
    files = preset_files(name)
    topics, names = TopicMap.load(files[0]), {camera.name for camera in Rig.load(files[1]).cameras}
    assert set(topics.images) == set(topics.camera_infos) == names


def test_another_role_name_of_carla_is_recognized():
    held = {topic.replace("/ego_vehicle/", "/robo/"): kind for topic, kind in topics_of("carla").items()}
    choice = choose(held, "bag x")
    assert choice.topics.odometry == "/carla/robo/odometry" and choice.topics.objects == "/carla/objects"
    assert choice.name == "carla (role robo)"


def test_two_vehicles_in_one_bag_are_ambiguous_and_the_message_names_the_option():
    held = topics_of("carla")
    held |= {topic.replace("/ego_vehicle/", "/robo/"): kind for topic, kind in held.items()}
    with pytest.raises(
        InputError, match=r"fit carla, carla \(role robo\) equally well; choose with --preset or give --topics"
    ):
        choose(held, "bag x")


def test_topics_of_a_wrong_type_do_not_make_a_source():
    held = topics_of("kitti") | {"/kitti/odometry": "geometry_msgs/msg/PoseStamped"}
    with pytest.raises(InputError, match=r"no nav_msgs/Odometry.*choose --preset, or give --topics and --rig"):
        choose(held, "bag x")


def test_with_a_rig_alone_topics_are_found_by_type_and_camera_name():
    held = {"/odom": ODOMETRY, "/top/points": CLOUD, "/clock": "rosgraph_msgs/msg/Clock"}
    held |= {f"/cam/{camera.name}/image_raw": IMAGE for camera in RIG.cameras}
    held |= {f"/cam/{camera.name}/camera_info": "sensor_msgs/msg/CameraInfo" for camera in RIG.cameras}
    topics = choose(held, "bag x", rig_file=preset_files("carla")[1]).topics
    assert (topics.odometry, topics.lidar) == ("/odom", "/top/points")
    assert topics.images["rgb_left"] == "/cam/rgb_left/image_raw"
    assert topics.camera_infos["rgb_left"] == "/cam/rgb_left/camera_info"


def test_two_topics_that_could_be_one_input_are_named_with_the_option_that_decides():
    held = {"/odom": ODOMETRY, "/wheel/odom": ODOMETRY, "/points": CLOUD}
    with pytest.raises(InputError, match="odometry could be /odom or /wheel/odom; give --topics with odometry: TOPIC"):
        choose(held, "bag x", rig_file=preset_files("carla")[1])


def test_files_in_the_folder_of_a_bag_hold_one_by_one_unless_a_preset_is_given(tmp_path: Path) -> None:
    assert files_for(tmp_path, None) == preset_files("carla")
    (tmp_path / "rig.yaml").touch()
    assert files_for(tmp_path, None) == (preset_files("carla")[0], tmp_path / "rig.yaml")
    (tmp_path / "topics.yaml").touch()
    assert files_for(tmp_path / "drive.mcap", None) == (tmp_path / "topics.yaml", tmp_path / "rig.yaml")
    assert files_for(tmp_path, "kitti") == preset_files("kitti")
