"""Logs in py123d's layout as drives: frames, units, times, signals; other versions and missing parts."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")
pytest.importorskip("pyarrow", reason="the py123d layout cannot be read without pyarrow")
pytest.importorskip("msgpack", reason="the py123d layout cannot be read without msgpack")

from support.data_set_logs import BEGIN_NS, START, YAW, in_map
from support.py123d_log import AXLE_BELOW_M, GROUND_BELOW_AXLE_M, IMU_AHEAD_M, OVERHANG_M, write_py123d

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_sources import read_log, recognize
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.data.logs.sensor_frames import CloudFrame, ImageFrame
from transdiffuser_planner.messages.topic_map import TopicMap

BASE_FROM_IMU_Z_M = AXLE_BELOW_M + GROUND_BELOW_AXLE_M


def read(folder: Path) -> DriveLog:
    return read_log(LogRequest(path=folder, topics=TopicMap()), recognize(folder))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> DriveLog:
    return read(write_py123d(tmp_path_factory.mktemp("py123d") / "hand"))


def test_the_pose_of_the_imu_becomes_that_of_the_rear_axle_on_the_ground(log: DriveLog) -> None:
    first = log.ego.states[0]
    np.testing.assert_allclose(np.add(log.origin_xyz_m[:2], (first.x_m, first.y_m)), START[:2], atol=1e-9)
    assert log.origin_xyz_m[2] + first.z_m == pytest.approx(START[2] - BASE_FROM_IMU_Z_M)
    assert first.heading_rad == pytest.approx(YAW)
    assert log.rig is not None and log.rig.vehicle.rear_overhang_m == pytest.approx(OVERHANG_M)


def test_velocity_and_acceleration_are_those_of_the_rear_axle(log: DriveLog) -> None:
    state = log.ego.states[30]
    assert (state.vx_mps, state.vy_mps, state.yaw_rate_radps) == pytest.approx((5.0, 0.0, 0.1))
    assert log.acceleration[30].ax_mps2 == pytest.approx(0.5 + 0.1**2 * IMU_AHEAD_M)


def test_microseconds_become_nanoseconds(log: DriveLog) -> None:
    assert [state.stamp_ns for state in log.ego.states[:2]] == [BEGIN_NS, BEGIN_NS + 100_000_000]
    assert [stamp for stamp, _ in log.agents.snapshots[:2]] == [BEGIN_NS, BEGIN_NS + 100_000_000]


def test_boxes_become_agents_and_long_vehicles_trucks(log: DriveLog) -> None:
    _, agents = log.agents.snapshots[0]
    assert agents.class_N.tolist() == [AgentClass.TRUCK, AgentClass.PEDESTRIAN]
    place = np.asarray([agents.x_m_N[0], agents.y_m_N[0]]) + log.origin_xyz_m[:2]
    np.testing.assert_allclose(place, in_map(20.0, 0.0), atol=1e-9)
    assert agents.heading_rad_N[0] == pytest.approx(YAW)
    assert any("61 x label 3" in note for note in log.notes)


def test_the_map_is_cut_out_around_the_drive(log: DriveLog) -> None:
    assert [lane.number for lane in log.lanes] == [1, 2, 3]
    assert [lane.is_in_junction for lane in log.lanes] == [False, True, False]
    assert log.lanes[0].successors == (2,) and log.lanes[0].speed_limit_mps == pytest.approx(13.9)
    kinds = {kind for kind, _ in log.map_pieces}
    assert {PieceKind.CROSSING, PieceKind.SIDEWALK, PieceKind.DRIVABLE_AREA} < kinds
    assert "map: 1 elements cannot be used and are left out" in log.notes
    assert [limit for _, limit in log.speed_limits] == pytest.approx([13.9] * 61)
    assert log.drives_on_left is True


def test_the_signal_of_a_lane_stands_where_the_lane_begins(log: DriveLog) -> None:
    assert log.rig is not None
    first, later = log.signals[0], log.signals[40]
    front_m = log.rig.vehicle.front_offset_m
    assert first.state is SignalState.RED and first.distance_m == pytest.approx(40.0 - front_m, abs=0.05)
    assert later.state is SignalState.GREEN and later.distance_m == pytest.approx(20.0 - front_m, abs=0.05)


def test_cameras_and_clouds_are_moved_from_the_imu_to_base_link(log: DriveLog) -> None:
    assert log.rig is not None and log.rig.lidar is not None
    (camera,) = log.rig.cameras
    assert (camera.x_m, camera.z_m) == pytest.approx((0.6 + IMU_AHEAD_M, 1.0 + BASE_FROM_IMU_Z_M))
    assert (camera.roll_rad, camera.pitch_rad, camera.yaw_rad) == pytest.approx((0.0, 0.0, 0.0), abs=1e-3)
    image = next(frame for frame in log.frames if isinstance(frame, ImageFrame))
    assert image.read().startswith(b"\xff\xd8") and image.stamp_ns == BEGIN_NS
    cloud = next(frame for frame in log.frames if isinstance(frame, CloudFrame))
    points = cloud.read()[:, :3] + (log.rig.lidar.x_m, log.rig.lidar.y_m, log.rig.lidar.z_m)
    np.testing.assert_allclose(points[0], [9.0 + IMU_AHEAD_M, 1.0, 0.0], atol=1e-5)
    assert any("camera fmcam_l: its model is 'fisheye_mei', not pinhole" in note for note in log.notes)


@pytest.mark.parametrize("version", ["0.1.0", "0.8.1", "1.0"])
def test_another_version_of_the_layout_is_refused_in_one_line(tmp_path: Path, version: str) -> None:
    with pytest.raises(RecordingError, match=f"its layout is of py123d {version}; read are 0.6 and 0.7"):
        read(write_py123d(tmp_path / "hand", version=version))


def test_sweeps_packed_otherwise_are_named_with_the_remedy(tmp_path: Path) -> None:
    log = read(write_py123d(tmp_path / "hand", cloud=b"LASF and so on"))
    assert not any(isinstance(frame, CloudFrame) for frame in log.frames)
    assert any("packed as LAZ; convert the log with" in note for note in log.notes)


@pytest.mark.parametrize("name", ["box_detections_se3", "map", "traffic_light_detections", "lidar.lidar_merged"])
def test_what_is_there_is_read_where_a_file_is_missing_or_cut_off(tmp_path: Path, name: str) -> None:
    folder = write_py123d(tmp_path / "hand")
    file = folder / f"{name}.arrow"
    file.write_bytes(file.read_bytes()[:100])
    notes = read(folder).notes
    assert any(f"{name}.arrow: cannot be read" in note for note in notes)
    file.unlink()
    assert len(read(folder).ego) == 61


def test_a_log_without_poses_is_one_line(tmp_path: Path) -> None:
    folder = write_py123d(tmp_path / "hand")
    (folder / "ego_state_se3.arrow").unlink()
    with pytest.raises(RecordingError, match=r"ego_state_se3\.arrow is absent"):
        read(folder)
