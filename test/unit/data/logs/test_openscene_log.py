"""Logs of OpenScene, hand-made in its layout, as drives."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from navsim_data import LENS, ORIGIN, PLACE, SPEED_MPS, heading, token_of, write_navsim
from PIL import Image

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import InputError, RecordingError
from transdiffuser_planner.core.lens_models import RadialLens
from transdiffuser_planner.core.types import CameraIntrinsics, DrivingCommand
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.importing.import_log import import_log
from transdiffuser_planner.data.logs.log_sources import read_log, recognize
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.data.logs.openscene.point_cloud import read_pcd
from transdiffuser_planner.data.logs.openscene.rectified_image import rectified
from transdiffuser_planner.data.logs.openscene.utm import utm_of
from transdiffuser_planner.data.logs.sensor_frames import CloudFrame, ImageFrame
from transdiffuser_planner.messages.topic_map import TopicMap

FEW = 14
REFERENCE = (  # by PROJ 9.5: Las Vegas, Boston, Singapore
    ((-115.1728, 36.1147), 11, (664450.9751, 3998216.3353)),
    ((-71.0589, 42.3601), 19, (330448.1065, 4691812.0595)),
    ((103.7875, 1.2996), 48, (365103.4547, 143677.4717)),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_navsim(tmp_path_factory.mktemp("navsim"), FEW)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NUPLAN_MAPS_ROOT", "NUPLAN_MAP_VERSION", "OPENSCENE_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)


def read(path: Path) -> DriveLog:
    return read_log(LogRequest(path=path, topics=TopicMap()), "openscene")


def rewritten(path: Path, folder: Path, change: Any) -> Path:
    """The log with changed frames, without sensors."""
    frames = pickle.loads(path.read_bytes())
    out = folder / "navsim_logs" / "mini" / path.name
    out.parent.mkdir(parents=True)
    out.write_bytes(pickle.dumps(change(frames), protocol=pickle.HIGHEST_PROTOCOL))
    return out


def test_a_log_is_recognized_by_its_outermost_value(path: Path, tmp_path: Path) -> None:
    assert recognize(path) == "openscene"
    scenario = tmp_path / "scenario.pkl"
    scenario.write_bytes(pickle.dumps({"metadata": {}, "tracks": {}, "length": 1}))
    assert recognize(scenario) == "scenarionet"


def test_odometry_is_the_logs_at_every_frame_and_half_a_second_apart(path: Path) -> None:
    log, frames = read(path), pickle.loads(path.read_bytes())
    stamps = sorted(log.frame_names)
    assert set(np.diff(stamps)) == {500_000_000}
    assert [log.frame_names[stamp] for stamp in stamps] == [token_of(number) for number in range(FEW)]
    states = {state.stamp_ns: state for state in log.ego.states}
    assert len(states) == (FEW - 1) * 5 + 1
    for number, (stamp, frame) in enumerate(zip(stamps, frames, strict=True)):
        state, xyz = states[stamp], frame["ego2global_translation"] - log.origin_xyz_m
        assert [state.x_m, state.y_m, state.z_m + 0.4385] == pytest.approx(xyz, abs=1e-9)
        assert state.heading_rad == pytest.approx(heading(number), abs=1e-9)
        assert [state.vx_mps, state.vy_mps] == pytest.approx(frame["ego_dynamic_state"][:2])
    assert len(log.ego.continuous_from(stamps[0])) == len(states)
    assert {command for _, command in log.commands} == {DrivingCommand.STRAIGHT}
    assert "route" not in log.inputs and not log.routes


def test_boxes_become_tracks_in_the_map(path: Path) -> None:
    log = read(path)
    assert len(log.agents) == 2
    assert any("traffic_cone" in note for note in log.notes)
    _, agents = log.agents.snapshots[4]
    car = agents.class_N.tolist().index(int(AgentClass.CAR))
    along_m = ORIGIN[0] + 10.0 + SPEED_MPS * 2.0 + 25.0 - log.origin_xyz_m[0]
    assert agents.x_m_N[car] == pytest.approx(along_m, abs=1e-6)
    assert agents.y_m_N[car] == pytest.approx(ORIGIN[1] - 1.75 - log.origin_xyz_m[1], abs=1e-6)
    assert agents.heading_rad_N[car] == pytest.approx(0.0, abs=1e-9)


def test_a_gap_ends_the_history(path: Path, tmp_path: Path) -> None:
    log = read(rewritten(path, tmp_path, lambda frames: frames[:5] + frames[8:]))
    stamps = sorted(log.frame_names)
    assert max(np.diff(stamps)) == pytest.approx(2_000_000_000, abs=2_000_000)
    assert log.ego.continuous_from(stamps[0])[-1].stamp_ns == stamps[4]
    assert any("no images and point clouds" in note for note in log.notes)


def test_frames_without_a_pose_are_left_out(path: Path, tmp_path: Path) -> None:
    def damaged(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
        frames[3]["ego2global_translation"] = np.full(3, np.nan)
        frames[6]["ego2global_rotation"] = np.zeros(4)
        frames[9]["anns"]["gt_names"] = frames[9]["anns"]["gt_names"][:1]
        return frames

    log = read(rewritten(path, tmp_path, damaged))
    assert any("2 frames cannot be used" in note for note in log.notes)
    assert any("labels of 1 frames" in note for note in log.notes)
    assert len(log.frame_names) == FEW - 2


class Bomb:
    def __reduce__(self) -> Any:
        return (os.system, ("touch bomb",))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([Bomb()], "no plain data"),
        ([1, 2], "a list of frames"),
        ([{"token": "a"}], "without timestamp"),
        ([], "two are needed"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path, content: Any, named: str) -> None:
    file = tmp_path / "log.pkl"
    file.write_bytes(pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL))
    with pytest.raises(RecordingError, match=named) as caught:
        read(file)
    assert "\n" not in str(caught.value)
    assert not Path("bomb").exists()


def test_a_log_that_is_cut_off_is_refused(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.pkl"
    for length in (1, 40, 5000, path.stat().st_size - 3):
        file.write_bytes(path.read_bytes()[:length])
        with pytest.raises(RecordingError):
            read(file)


def test_sensor_frames_are_read_when_they_are_needed(path: Path) -> None:
    log = read(path)
    clouds = [frame for frame in log.frames if isinstance(frame, CloudFrame)]
    images = [frame for frame in log.frames if isinstance(frame, ImageFrame)]
    assert (len(clouds), len(images)) == (FEW, 8 * FEW)
    points = clouds[0].read()
    assert points.shape == (1960, 4) and np.isfinite(points).all() and points[0, 3] == 40.0
    assert log.rig is not None and [c.name for c in log.rig.cameras][2:5] == ["cam_l0", "cam_f0", "cam_r0"]
    assert [round(np.rad2deg(c.yaw_rad)) for c in log.rig.cameras][2:5] == [55, 0, -55]
    assert images[0].read().startswith(b"\xff\xd8\xff")


def test_paths_out_of_the_data_set_are_not_followed(path: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.pcd"
    outside.write_bytes(b"secret")

    def pointing(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
        frames[0]["lidar_path"] = "../../secret.pcd"
        frames[1]["lidar_path"] = str(outside)
        return frames[:3]

    log_path = rewritten(path, tmp_path, pointing)
    (tmp_path / "sensor_blobs" / "mini").mkdir(parents=True)
    log = read(log_path)
    assert not [frame for frame in log.frames if isinstance(frame, CloudFrame)]
    assert any("are missing" in note for note in log.notes)


@pytest.mark.parametrize("data", [b"", b"PCD", b"FIELDS x y z\nDATA binary\n", b"\nDATA ascii\n1 2 3"])
def test_damaged_clouds_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="lidar"):
        read_pcd(data)


def test_a_rectified_image_shows_a_pinhole_camera(tmp_path: Path) -> None:
    # A bright square where the lens shows a point must lie where a pinhole camera would show it.
    x, y = 0.5, 0.25
    r2 = x * x + y * y
    k1, k2, p1, p2, k3 = LENS
    sizes = {"fx": 386.0, "fy": 386.0, "cx": 240.0, "cy": 135.0}
    lens = RadialLens(radial=(k1, k2, k3), tangential=(p1, p2), **sizes)
    scale = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    raw_x = 386.0 * (x * scale + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)) + 240.0
    raw_y = 386.0 * (y * scale + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y) + 135.0
    raw = np.zeros((270, 480, 3), dtype=np.uint8)
    raw[int(raw_y) - 2 : int(raw_y) + 3, int(raw_x) - 2 : int(raw_x) + 3] = 255
    found = rectified(raw, CameraIntrinsics(width=480, height=270, lens=lens, **sizes))
    rows, columns = np.nonzero(found[..., 0] > 128)
    assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx([386.0 * x + 240.0, 386.0 * y + 135.0], abs=1.0)


def test_the_map_of_the_city_surrounds_the_drive(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any("NUPLAN_MAPS_ROOT" in note for note in read(path).notes)
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(path.parents[2] / "maps"))
    log = read(path)
    assert log.map_name == PLACE and "map" in log.inputs
    lanes = [xy for kind, xy in log.map_pieces if kind == PieceKind.DRIVING_LANE]
    own = next(xy for xy in lanes if xy[:, 1].max() < 2.5 and xy[:, 0].min() < 0.0)
    assert np.ptp(own[:, 1]) == pytest.approx(3.5, abs=1e-3)
    middle = [xy for kind, xy in log.map_pieces if kind == PieceKind.LANE_CENTER]
    offset = min(abs(xy[:, 1] - log.ego.states[0].y_m).max() for xy in middle)
    assert offset < 1e-3  # the drive is on a center line
    monkeypatch.setenv("NUPLAN_MAP_VERSION", "another")
    assert any("another.json" in note for note in read(path).notes)


def test_utm_positions_are_those_of_a_reference() -> None:
    for lonlat, zone, expected in REFERENCE:
        assert utm_of(np.asarray([lonlat]), zone)[0] == pytest.approx(expected, abs=1e-3)


def test_a_log_becomes_a_bag_with_rectified_images(path: Path, tmp_path: Path) -> None:
    result = import_log(read(path), tmp_path / "bag")
    assert (result.num_images, result.num_sweeps, dict(result.unread)) == (3 * FEW, FEW, {})
    bag = read_log(LogRequest(path=tmp_path / "bag", topics=TopicMap.load(tmp_path / "bag" / "topics.yaml")))
    assert len(bag.ego) == (FEW - 1) * 5 + 1 and len(bag.agents) == 2


def test_a_missing_image_costs_its_frame_only(path: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    again = write_navsim(root, 4, with_maps=False)
    victim = next((root / "sensor_blobs").rglob("CAM_F0/*1.jpg"))
    Image.new("RGB", (4, 4)).save(victim, "PNG")
    victim.write_bytes(victim.read_bytes()[:20])
    result = import_log(read(again), tmp_path / "bag2")
    assert sum(result.unread.values()) == 1 and result.num_images == 11
