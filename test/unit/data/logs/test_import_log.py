"""`transdiffuser import`: a log becomes a bag that the other commands read as it is."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.data_set_logs import jpeg, write_argoverse, write_scenario

pytest.importorskip("rosbags", reason="bags cannot be written without rosbags")

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogMessage, LogRequest
from transdiffuser_planner.data.logs.log_sources import read_log, recognize
from transdiffuser_planner.messages.topic_map import TopicMap, own_files
from transdiffuser_planner.replay.bag_inspection import inspect


def read_bag(bag: Path) -> tuple[DriveLog, list[LogMessage]]:
    """The drive in an imported bag, with its own topic map and rig, and its inputs in order."""
    files = own_files(bag)
    assert files is not None
    messages: list[LogMessage] = []
    topics, rig = TopicMap.load(files[0]), Rig.load(files[1])
    return read_log(LogRequest(path=bag, topics=topics, rig=rig, on_input=messages.append)), messages


def test_a_bag_holds_the_drive_as_it_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, bag = write_scenario(tmp_path / "hand.pkl"), tmp_path / "bag"
    assert main(["import", str(source), "--out", str(bag)]) == 0
    printed = capsys.readouterr().out
    assert "license  Waymo Dataset License Agreement for Non-Commercial Use, stated at https://waymo.com" in printed
    direct = read_log(LogRequest(path=source, topics=TopicMap()), "scenarionet")
    found, _ = read_bag(bag)
    assert found.inputs >= direct.inputs
    for one, other in zip(direct.ego.states, found.ego.states, strict=True):
        assert (one.x_m, one.y_m, one.heading_rad, one.vx_mps) == pytest.approx(
            (other.x_m, other.y_m, other.heading_rad, other.vx_mps), abs=1e-9
        )
        assert one.stamp_ns == other.stamp_ns and other.frame_id == "map"
    assert [stamp for stamp, _ in direct.agents.snapshots] == [stamp for stamp, _ in found.agents.snapshots]
    for (_, one), (_, other) in zip(direct.agents.snapshots, found.agents.snapshots, strict=True):
        np.testing.assert_allclose(one.x_m_N, other.x_m_N)
        assert one.class_N.tolist() == other.class_N.tolist()
    np.testing.assert_allclose(direct.routes[0][1].xy_N2, found.routes[0][1].xy_N2)
    assert [signal.state for signal in direct.signals] == [signal.state for signal in found.signals]
    assert [kind for kind, _ in direct.map_pieces] == [kind for kind, _ in found.map_pieces]
    assert [light.number for light in direct.lights] == [light.number for light in found.lights]
    origin = json.loads((bag / "log.json").read_text())
    assert origin["map_frame_origin_xyz_m"] == list(direct.origin_xyz_m) and origin["drives_on_left"] is False
    assert not list(tmp_path.glob("*.partial"))


def test_scenes_and_a_report_are_made_of_an_imported_bag_without_further_options(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    main(["import", str(write_scenario(tmp_path / "hand.pkl")), "--out", str(bag)])
    assert main(["report", str(bag)]) == 0 and (bag / "report.html").is_file()
    with BagReader(bag) as reader:
        found = inspect(reader)
    assert found.choice is not None and found.choice.why == "files in the folder of the bag"


@pytest.fixture
def argoverse(tmp_path: Path) -> Path:
    pytest.importorskip("pyarrow", reason="logs of Argoverse 2 cannot be read without pyarrow")
    return write_argoverse(tmp_path / "hand")


def test_images_and_clouds_reach_the_bag_unchanged(tmp_path: Path, argoverse: Path) -> None:
    bag = tmp_path / "bag"
    assert main(["import", str(argoverse), "--out", str(bag)]) == 0
    _, messages = read_bag(bag)
    direct: list[LogMessage] = []
    read_log(LogRequest(path=argoverse, topics=TopicMap(), on_input=direct.append), "argoverse2")
    for name in ("camera", "lidar", "odometry", "command", "route"):
        assert [m.stamp_ns for m in messages if m.name == name] == [m.stamp_ns for m in direct if m.name == name]
    ours, theirs = ([m.decode() for m in part if m.name == "lidar"] for part in (messages, direct))
    np.testing.assert_allclose(ours[0].xyz_N3, theirs[0].xyz_N3)
    images = [m.decode() for m in messages if m.name == "camera"]
    assert images[0].name == "ring_front_center" and (images[0].width, images[0].height) == (64, 48)
    with BagReader(bag) as reader:
        data = [item.message.data for item in reader.messages() if item.topic.endswith("image/compressed")]
    assert bytes(data[0]) == jpeg()


def test_a_camera_that_does_not_exist_is_one_line(
    tmp_path: Path, argoverse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(argoverse), "--out", str(tmp_path / "bag"), "--cameras", "ring_behind"]) == 2
    assert "has no camera ring_behind; it has ring_front_center" in capsys.readouterr().err


def test_a_frame_that_cannot_be_read_is_counted_and_the_others_are_written(
    tmp_path: Path, argoverse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next((argoverse / "sensors" / "lidar").iterdir()).write_bytes(b"nothing")
    assert main(["import", str(argoverse), "--out", str(tmp_path / "bag")]) == 0
    printed = capsys.readouterr().out
    assert "1 LiDAR sweeps" in printed and "rejected 1 x lidar: " in printed


@pytest.mark.parametrize("name", ["nothing", "empty", "text.pkl"])
def test_what_is_no_log_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif name == "text.pkl":
        path.write_text("no pickle")
    assert main(["import", str(path), "--out", str(tmp_path / "bag")]) == 2
    printed = capsys.readouterr().err.strip()
    assert len(printed.splitlines()) == 1 and str(path) in printed
    assert not (tmp_path / "bag").exists()


def test_a_bag_is_not_imported_and_none_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, bag = write_scenario(tmp_path / "hand.pkl"), tmp_path / "bag"
    main(["import", str(source), "--out", str(bag)])
    assert recognize(bag) == "rosbag"
    assert main(["import", str(bag), "--out", str(tmp_path / "other")]) == 2
    assert "is a bag already" in capsys.readouterr().err
    assert main(["import", str(source), "--out", str(bag)]) == 2
    assert "exists already" in capsys.readouterr().err.splitlines()[-1]
    shutil.rmtree(bag)


def test_a_source_that_is_forced_reads_or_names_what_it_expects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_scenario(tmp_path / "hand.pkl")
    assert main(["import", str(source), "--out", str(tmp_path / "bag"), "--source", "argoverse2"]) == 2
    assert "expected a log of Argoverse 2" in capsys.readouterr().err
    assert main(["import", str(source), "--out", str(tmp_path / "bag"), "--source", "kitti"]) == 2
    assert "log source 'kitti': unknown; installed are rosbag, argoverse2" in capsys.readouterr().err
