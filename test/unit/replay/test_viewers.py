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
from transdiffuser_planner.recording.bag_reader import BagReader
from transdiffuser_planner.recording.definitions import typestore
from transdiffuser_planner.recording.encode_plan import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.replay.output_frames import quaternion
from transdiffuser_planner.replay.runner import ReplayJob, replay

LAUNCH = Path(__file__).resolve().parents[3] / "launch"
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


def test_quaternions_are_those_of_their_rotations():
    for camera in Rig.load(Path(__file__).resolve().parents[3] / "transdiffuser_planner" / "params" / "rig_kitti.yaml").cameras:
        rotation = camera.base_from_sensor()[:3, :3]
        x, y, z, w = quaternion(rotation)
        vector = np.asarray([0.3, -0.8, 0.5])
        axis = np.asarray([x, y, z])
        turned = vector + 2.0 * np.cross(axis, np.cross(axis, vector) + w * vector)
        np.testing.assert_allclose(turned, rotation @ vector, atol=1e-12)
