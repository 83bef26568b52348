"""Layouts for RViz, Foxglove and PlotJuggler are valid and name what a replay writes; the bag holds the frames they need."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from replay_bags import RIG, TOPICS, as_it_is, rewritten

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.messages.definitions import make_message, typestore
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.replay.output.viewer_transforms import FrameWriter, quaternion
from transdiffuser_planner.replay.runner import ReplayJob, replay

pytestmark = pytest.mark.slow

LAUNCH = Path(__file__).resolve().parents[4] / "launch"
FILES = ("planner.rviz", "planner.foxglove.json", "planner.plotjuggler.xml")


@pytest.mark.parametrize("name", FILES)
def test_a_layout_names_topics_and_fields_that_exist(name):
    text = (LAUNCH / name).read_text()
    parse = {".rviz": yaml.safe_load, ".json": json.loads, ".xml": ElementTree.fromstring}[Path(name).suffix]
    assert parse(text) is not None
    known = {f"{OUTPUT_NAMESPACE}/{output}" for output in OUTPUT_TYPES}
    named = re.findall(rf"{OUTPUT_NAMESPACE}/[a-z_]+", text)
    assert named and set(named) <= known
    fields = {field for field, _ in typestore().fielddefs[OUTPUT_TYPES["status"]][1]}
    assert set(re.findall(rf"{OUTPUT_NAMESPACE}/status[./]([a-z_]+)", text)) <= fields


def named_values(name):
    """What a layout shows, as (topic, fields within its message)."""
    text = (LAUNCH / name).read_text()
    if name.endswith(".rviz"):
        return [(topic, "") for topic in re.findall(r"Value: (/[^,}]+), Depth", text)]
    if name.endswith(".xml"):
        curves = [curve.get("name").split("/") for curve in ElementTree.fromstring(text).iter("curve")]
        cuts = [
            next(i for i, word in enumerate(words) if word in ("status", "trajectory", "odometry")) + 1
            for words in curves
        ]
        return [("/".join(words[:cut]), ".".join(words[cut:])) for words, cut in zip(curves, cuts, strict=True)]
    return [tuple(path.partition(".")[::2]) for path in re.findall(r'"(/[A-Za-z0-9_/]+[^"]*)"', text)]


def value_at(message, path):
    """A field within fields, as points[10].longitudinal_velocity_mps."""
    for word in re.findall(r"\w+", path):
        message = message[int(word)] if word.isdigit() else getattr(message, word)
    return message


@pytest.fixture(scope="module")
def output(short_bag, planner, tmp_path_factory):
    """The bag that a replay of a replay leaves: with plans, and with the recorded ones as the reference."""
    folder = tmp_path_factory.mktemp("output")
    brief = rewritten(short_bag, folder / "brief", lambda item, s: as_it_is(item) if s <= 0.5 else [])
    replay(ReplayJob(bag=brief, topics=TOPICS, rig=RIG, out=folder / "first"), planner)
    return replay(ReplayJob(bag=folder / "first", topics=TOPICS, rig=RIG, out=folder / "out"), planner).out


@pytest.mark.parametrize("name", FILES)
def test_everything_a_layout_shows_is_in_an_output_bag(name, output):
    values = named_values(name)
    with BagReader(output) as reader:
        messages = {item.topic: item.message for item in reader.messages({topic for topic, _ in values})}
    kitti = set(TopicMap.load(preset_files("kitti")[0]).all_topics())  # shown too, where a bag has it
    assert len(values) >= 5 and {topic for topic, _ in values} - kitti <= set(messages)
    for topic, path in values:
        if path:
            assert np.isfinite(value_at(messages[topic], path)), f"{topic} {path}"


def test_the_output_places_every_sensor_in_the_odometrys_frame(short_bag, planner, tmp_path):
    brief = rewritten(short_bag, tmp_path / "brief", lambda item, s: as_it_is(item) if s <= 0.5 else [])
    replay(ReplayJob(bag=brief, topics=TOPICS, rig=RIG, out=tmp_path / "out"), planner)
    with BagReader(tmp_path / "out") as reader:
        items = list(reader.messages({"/tf", "/tf_static", TOPICS.odometry, TOPICS.lidar, *TOPICS.images.values()}))
    odometry = [item.message for item in items if item.topic == TOPICS.odometry]
    moving = [item.message.transforms[0] for item in items if item.topic == "/tf"]
    fixed = {t.child_frame_id: t for item in items if item.topic == "/tf_static" for t in item.message.transforms}
    assert len(moving) == len(odometry)
    assert moving[-1].transform.translation.x == odometry[-1].pose.pose.position.x
    child = odometry[0].child_frame_id
    sensors = {item.message.header.frame_id for item in items if hasattr(item.message, "height")}
    assert sensors - {child} == set(fixed) and {t.header.frame_id for t in fixed.values()} == {child}
    lidar = next(item.message.header.frame_id for item in items if item.topic == TOPICS.lidar)
    assert fixed[lidar].transform.translation.z == pytest.approx(RIG.lidar.z_m)


@pytest.mark.parametrize(
    ("parent", "child", "sensor", "moving", "fixed", "notice"),
    [
        ("/map", "/base_link", "/lidar", ("map", "base_link"), ("base_link", "lidar"), ""),
        ("map", "", "lidar", ("map", "base_link"), ("base_link", "lidar"), ""),
        ("map", "map", "lidar", ("map", "base_link"), ("base_link", "lidar"), "'map' and 'map', one and the same"),
        ("", "base_link", "lidar", None, None, "'' and 'base_link'; no transforms are written"),
        ("base_link", "", "lidar", None, None, "'base_link' and ''; no transforms are written"),
        ("map", "base_link", "", ("map", "base_link"), None, "its frame is ''"),
        ("map", "base_link", "/map", ("map", "base_link"), None, "its frame is 'map'"),
        ("map", "base_link", "base_link", ("map", "base_link"), None, ""),
    ],
)
def test_frames_without_a_name_equal_or_slashed_give_no_transform_that_viewers_refuse(
    parent, child, sensor, moving, fixed, notice
):
    writer = FrameWriter({}, TOPICS, RIG)
    state = EgoState(stamp_ns=0, frame_id=parent, x_m=1.0, y_m=2.0, heading_rad=0.5, vx_mps=3.0)
    odometry = encode_inputs.odometry(make_message, state, child)
    cloud = encode_inputs.point_cloud(make_message, 0, sensor, np.zeros((3, 4), dtype=np.float32))
    made = [t for _ in range(3) for topic, message in ((TOPICS.odometry, odometry), (TOPICS.lidar, cloud))
            for t in writer.messages(topic, message)]  # fmt: skip
    names = {topic: (t.transforms[0].header.frame_id, t.transforms[0].child_frame_id) for topic, t in made}
    assert (names.get("/tf"), names.get("/tf_static")) == (moving, fixed)
    assert [topic for topic, _ in made].count("/tf_static") <= 1
    assert len(writer.notices) == bool(notice) and all(notice in text for text in writer.notices)


def test_quaternions_are_those_of_their_rotations():
    for camera in Rig.load(RIGS / "kitti.yaml").cameras:
        rotation = camera.base_from_sensor()[:3, :3]
        x, y, z, w = quaternion(rotation)
        vector = np.asarray([0.3, -0.8, 0.5])
        axis = np.asarray([x, y, z])
        turned = vector + 2.0 * np.cross(axis, np.cross(axis, vector) + w * vector)
        np.testing.assert_allclose(turned, rotation @ vector, atol=1e-12)
