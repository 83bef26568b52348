"""Every input of the planner is declared once, and node, replay, doctor, remapping and documentation know all of them."""

from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.doctor import message_arrival
from transdiffuser_planner.doctor.topic_statistics import SENSORS
from transdiffuser_planner.messages.input_registry import (
    CAMERA,
    CAMERA_INFO,
    GROUND_TRUTH_TYPES,
    INPUTS,
    LIDAR,
    ODOMETRY,
    is_needed,
    mapped_inputs,
    private_topics,
)
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.messages.topic_matching import choose
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.ros.remapping import as_ros_arguments, planner_remappings
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

RIG = Rig.load(RIGS / "carla.yaml")
CAMERAS = [camera.name for camera in RIG.cameras]
VEHICLE = TopicMap(
    images={name: f"/car/{name}/image" for name in CAMERAS},
    camera_infos={name: f"/car/{name}/camera_info" for name in CAMERAS},
    **{
        item.name: f"/car/{item.name}"
        for item in fields(TopicMap)
        if item.name not in ("images", "camera_infos", *GROUND_TRUTH_TYPES)
    },
)
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "interfaces.md"


def test_a_topic_map_has_a_field_for_every_input_and_no_other() -> None:
    names = [spec.map_field or spec.name for spec in INPUTS]
    assert sorted([*names, *GROUND_TRUTH_TYPES]) == sorted(item.name for item in fields(TopicMap))
    assert len({spec.name for spec in INPUTS}) == len(INPUTS)


def test_every_input_of_a_topic_map_is_remapped_action_tokens_too() -> None:
    remapped = {topic: name for name, topic in planner_remappings(VEHICLE)}
    assert set(remapped) == VEHICLE.all_topics()
    assert remapped["/car/action_tokens"] == "~/input/action_tokens"
    assert remapped["/car/rgb_front/image"] == "~/input/camera/rgb_front"
    assert remapped["/car/rgb_front/camera_info"] == "~/input/camera/rgb_front/camera_info"
    words = as_ros_arguments(planner_remappings(VEHICLE))
    assert words[::2] == ["-r"] * len(remapped) and "~/input/lidar:=/car/lidar" in words


def test_compressed_images_are_remapped_to_the_nodes_compressed_topic() -> None:
    topics = TopicMap(images={"front": "/car/front/compressed"}, odometry="/car/compressed")
    assert planner_remappings(topics) == [
        ("~/input/camera/front/compressed", "/car/front/compressed"),
        ("~/input/odometry", "/car/compressed"),
    ]


def test_the_node_subscribes_to_every_type_of_every_input(monkeypatch) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from transdiffuser_planner.ros.planner_node import inputs
    from transdiffuser_planner.ros.qos import INPUT_PROFILES

    subscribed: dict[str, tuple] = {}
    started: list[tuple] = []

    class _Subscriptions:
        def __init__(self, _node):
            pass

        def add(self, kind, topic, options, _take):
            qos = options["qos_profile"]
            subscribed[topic] = (kind, qos.reliability, qos.durability)

        def start(self, after, lock):
            started.append((after(), lock))

    monkeypatch.setattr(inputs, "SerializedSubscriptions", _Subscriptions)
    node = SimpleNamespace(resolve_topic_name=lambda topic: topic)
    assembler, lock = SnapshotAssembler(RIG, PlannerConfig()), nullcontext()
    inputs.NodeInputs(node, RIG, assembler, lambda *_, **__: None, lambda *_: None, lambda: 0.5, lock)
    assert started == [(0.5, lock)]
    wanted = {}
    for spec, camera, _ in mapped_inputs(private_topics(RIG)):
        qos = INPUT_PROFILES[spec.qos]
        for kind in spec.message_types:
            wanted[spec.private_topic(camera, kind)] = (kind, qos.reliability, qos.durability)
    assert subscribed == wanted and len(wanted) == 3 * len(CAMERAS) + len(INPUTS) - 2


def test_the_router_decodes_every_input_and_refuses_empty_ones() -> None:
    feeder = InputRouter(VEHICLE, SnapshotAssembler(RIG, PlannerConfig()))
    for spec, camera, topic in mapped_inputs(VEHICLE):
        reason = feeder.feed(topic, 0, SimpleNamespace(__msgtype__="empty"))
        assert reason is not None and topic in reason, f"{spec.title(camera)} is ignored"
    assert feeder.feed("/car/another", 0, SimpleNamespace(__msgtype__="empty")) is None
    assert feeder.sensor_topics == {*VEHICLE.images.values(), VEHICLE.lidar}
    assert feeder.every_cycle_topics == feeder.sensor_topics | {VEHICLE.odometry}


def test_inputs_of_a_bag_are_found_by_type_except_types_that_do_not_identify_an_input() -> None:
    held = {topic: spec.message_types[0] for spec, _, topic in mapped_inputs(VEHICLE)}
    found = choose(held, "bag", rig_file=RIGS / "carla.yaml").topics
    by_type = {topic for spec, _, topic in mapped_inputs(VEHICLE) if spec.is_found_by_type}
    assert found.all_topics() == by_type


def test_the_doctor_knows_every_input() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from transdiffuser_planner.ros.live_doctor.graph import name_inputs

    topics = [
        (spec.private_topic(camera, kind), kind)
        for spec, camera, _ in mapped_inputs(private_topics(RIG))
        for kind in spec.message_types
    ]
    named = {name for name, _, _ in name_inputs(topics, CAMERAS, "~/input/camera")}
    assert named == {spec.title(camera) for spec, camera, _ in mapped_inputs(private_topics(RIG))}
    assert SENSORS == ("camera", "lidar")
    assert {"acceleration", "action_tokens", "odometry"} <= set(message_arrival._CLOCKED)


def test_needed_inputs_follow_from_the_configuration() -> None:
    lax, strict = PlannerConfig(require_lidar=False, min_cameras=1), PlannerConfig(require_lidar=True, min_cameras=3)
    assert [spec.name for spec in INPUTS if is_needed(spec, lax, 3)] == ["odometry"]
    assert {spec for spec in INPUTS if is_needed(spec, strict, 3)} == {CAMERA, LIDAR, ODOMETRY}


def test_the_documentation_has_every_input_with_its_type_and_qos() -> None:
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `~/input/")]
    for spec in INPUTS:
        for kind in spec.message_types:
            topic = spec.private_topic("<name>", kind)
            (row,) = [row for row in rows if row.startswith(f"| `{topic}` |")]
            assert kind.replace("/msg/", "/") in row and row.endswith(f"| {spec.qos.value} |")
    assert len(rows) == sum(len(spec.message_types) for spec in INPUTS)
    assert CAMERA_INFO.title("left") == "camera_info left"
