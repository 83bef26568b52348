"""Logs of Argoverse 2 as drives: frames, units, times; logs without some of their parts; two real logs where they are at hand."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")
pytest.importorskip("pyarrow", reason="logs of Argoverse 2 cannot be read without pyarrow")

from support.data_set_logs import BEGIN_NS, START, YAW, in_map, jpeg, write_argoverse

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import InputError, RecordingError
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_sources import read_log, recognize
from transdiffuser_planner.data.logs.map_elements import LaneUse, PieceKind
from transdiffuser_planner.data.logs.sensor_frames import CloudFrame, ImageFrame
from transdiffuser_planner.messages.topic_map import TopicMap

ORIGIN_ABOVE_GROUND_M = 0.33


def read(folder: Path) -> DriveLog:
    return read_log(LogRequest(path=folder, topics=TopicMap()), recognize(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_argoverse(tmp_path_factory.mktemp("argoverse") / "hand")


@pytest.fixture(scope="module")
def log(folder: Path) -> DriveLog:
    return read(folder)


def test_the_origin_above_the_ground_becomes_the_rear_axle_on_the_ground(log: DriveLog) -> None:
    first = log.ego.states[0]
    place = np.add(log.origin_xyz_m, (first.x_m, first.y_m, first.z_m))
    np.testing.assert_allclose(place, START - [0.0, 0.0, ORIGIN_ABOVE_GROUND_M], atol=1e-9)
    assert first.heading_rad == pytest.approx(YAW) and first.stamp_ns == BEGIN_NS
    assert [state.vx_mps for state in log.ego.states] == pytest.approx([5.0] * 601)


def test_boxes_are_moved_from_the_ego_s_frame_to_the_map(log: DriveLog) -> None:
    stamp_ns, agents = log.agents.snapshots[20]
    assert stamp_ns == BEGIN_NS + 2_000_000_000
    assert agents.class_N.tolist() == [AgentClass.BICYCLE, AgentClass.CAR, AgentClass.PEDESTRIAN]
    place = np.stack([agents.x_m_N, agents.y_m_N], axis=-1) + log.origin_xyz_m[:2]
    np.testing.assert_allclose(place, [in_map(10.0, -4.0), in_map(30.0, 0.0), in_map(15.0, 6.0)], atol=1e-6)
    assert agents.speed_mps_N == pytest.approx([0.0, 5.0, 0.0], abs=1e-6)


def test_a_rider_counts_with_the_bicycle_and_posts_are_named(log: DriveLog) -> None:
    assert all(agents.length_m_N[0] == pytest.approx(1.8) for _, agents in log.agents.snapshots)
    assert any("61 x bollard" in note for note in log.notes)


def test_lanes_lead_on_and_only_neighbors_of_the_same_direction_count(log: DriveLog) -> None:
    lanes = {lane.number: lane for lane in log.lanes}
    np.testing.assert_allclose(lanes[1].center_K2[0] + log.origin_xyz_m[:2], in_map(-20.0, 0.0), atol=1e-9)
    assert lanes[1].successors == (2,) and lanes[2].is_in_junction and lanes[1].left is None
    assert lanes[5].use is LaneUse.BICYCLES
    kinds = [kind for kind, _ in log.map_pieces]
    assert [kinds.count(kind) for kind in (PieceKind.DRIVING_LANE, PieceKind.JUNCTION, PieceKind.LANE_CENTER)] == [
        3,
        1,
        4,
    ]
    assert kinds.count(PieceKind.DRIVABLE_AREA) == kinds.count(PieceKind.CROSSING) == 1


def test_the_route_is_the_driven_path_and_goes_on_along_the_lanes(log: DriveLog) -> None:
    route = log.routes[0][1].xy_N2 + log.origin_xyz_m[:2]
    np.testing.assert_allclose(route[[0, -1]], [START[:2], in_map(180.0, 0.0)], atol=0.6)
    assert 61 <= len(log.commands) <= 70  # about every 0.1 s


def test_sensors_stand_above_the_ground_and_their_frames_are_read_on_request(log: DriveLog) -> None:
    assert log.rig is not None and log.rig.lidar is not None
    (camera,) = log.rig.cameras
    assert camera.z_m == pytest.approx(1.4 + ORIGIN_ABOVE_GROUND_M) and camera.yaw_rad == pytest.approx(0.0, abs=1e-3)
    cloud, image = (next(f for f in log.frames if isinstance(f, kind)) for kind in (CloudFrame, ImageFrame))
    assert cloud.stamp_ns == image.stamp_ns == BEGIN_NS + 1_000_000_000
    points = cloud.read()[:, :3] + (log.rig.lidar.x_m, log.rig.lidar.y_m, log.rig.lidar.z_m)
    np.testing.assert_allclose(points[0], [10.0, 1.0, 0.0], atol=2e-3)  # on the ground, to half precision
    assert image.read() == jpeg()


@pytest.mark.parametrize(
    ("absent", "note"),
    [("map", "no map"), ("annotations.feather", "no agents"), ("calibration", "no calibration, so no cameras")],
)
def test_what_is_there_is_read_where_a_part_is_missing(tmp_path: Path, folder: Path, absent: str, note: str) -> None:
    copy = tmp_path / "hand"
    shutil.copytree(folder, copy)
    part = copy / absent
    shutil.rmtree(part) if part.is_dir() else part.unlink()
    log = read(copy)
    assert len(log.ego) == 601 and any(line.startswith(note) for line in log.notes)


def test_a_gap_of_poses_ends_a_part_of_the_drive(tmp_path: Path, folder: Path) -> None:
    import pyarrow.feather

    copy = tmp_path / "hand"
    shutil.copytree(folder, copy)
    table = pyarrow.feather.read_table(copy / "city_SE3_egovehicle.feather", memory_map=False).to_pydict()
    kept = [i for i, stamp in enumerate(table["timestamp_ns"]) if not 2e9 < stamp - BEGIN_NS < 3e9]
    cut = pyarrow.table({name: [values[i] for i in kept] for name, values in table.items()})
    pyarrow.feather.write_feather(cut, copy / "city_SE3_egovehicle.feather")
    log = read(copy)
    assert log.ego.continuous_from(BEGIN_NS)[-1].stamp_ns == BEGIN_NS + 2_000_000_000
    assert [state.vx_mps for state in log.ego.states] == pytest.approx([5.0] * len(kept))
    assert any("boxes are left out: the ego has no pose at their time" in note for note in log.notes)


def test_damaged_files_are_one_line(tmp_path: Path, folder: Path) -> None:
    copy = tmp_path / "hand"
    shutil.copytree(folder, copy)
    for sweep in (copy / "sensors" / "lidar").iterdir():
        sweep.write_bytes(b"FEA1 and no more")
    cloud = next(frame for frame in read(copy).frames if isinstance(frame, CloudFrame))
    with pytest.raises(InputError, match=r"^lidar: .*cannot be read"):
        cloud.read()
    (copy / "city_SE3_egovehicle.feather").write_bytes(b"ARROW1 and no more")
    with pytest.raises(RecordingError, match="cannot be read") as caught:
        read(copy)
    assert "\n" not in str(caught.value)


def real_logs() -> Path:
    folder = os.environ.get("TRANSDIFFUSER_AV2_LOGS", "")
    if not folder:
        pytest.skip("TRANSDIFFUSER_AV2_LOGS does not name a folder with logs of Argoverse 2")
    return Path(folder)


def test_real_logs_are_continuous_drives_on_their_own_lanes() -> None:
    for folder in sorted(path for path in real_logs().iterdir() if path.is_dir()):
        log = read(folder)
        states = log.ego.states
        assert len(log.ego.continuous_from(states[0].stamp_ns)) == len(states) > 1000
        assert max(abs(state.vy_mps) for state in states) < 0.3
        assert len(log.agents) > 50 and len(log.lanes) > 50 and {"map", "objects", "route"} <= log.inputs
        assert not any("straight ahead" in note for note in log.notes)
        assert log.rig is not None and log.rig.lidar is not None
        cloud = next(frame for frame in log.frames if isinstance(frame, CloudFrame)).read()
        around = cloud[(np.hypot(cloud[:, 0], cloud[:, 1]) < 12.0)]
        assert np.percentile(around[:, 2] + log.rig.lidar.z_m, 20) == pytest.approx(0.0, abs=0.15)  # the ground
