"""Logs of Argoverse 2 as the data set's own reader has them (package ``av2``; logs in TRANSDIFFUSER_AV2_LOGS)."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av2")
pytest.importorskip("pyarrow")

from av2.map.map_api import ArgoverseStaticMap
from av2.structures.cuboid import CuboidList
from av2.utils.io import read_city_SE3_ego, read_lidar_sweep

from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_sources import read_log
from transdiffuser_planner.data.logs.sensor_frames import CloudFrame
from transdiffuser_planner.messages.topic_map import TopicMap

GROUND_M = 0.33
"""Height of the data set's ego origin above the ground."""


def logs() -> list[Path]:
    folder = os.environ.get("TRANSDIFFUSER_AV2_LOGS", "")
    if not folder:
        pytest.skip("TRANSDIFFUSER_AV2_LOGS does not name a folder with logs of Argoverse 2")
    return sorted(path for path in Path(folder).iterdir() if path.is_dir())


def read(folder: Path) -> DriveLog:
    return read_log(LogRequest(path=folder, topics=TopicMap()), "argoverse2")


def heading(rotation_33: np.ndarray) -> float:
    return float(np.arctan2(rotation_33[1, 0], rotation_33[0, 0]))


def test_poses_and_boxes_are_those_of_the_own_reader() -> None:
    for folder in logs():
        log, poses = read(folder), read_city_SE3_ego(folder)
        origin = np.asarray(log.origin_xyz_m)
        for state in log.ego.states[::10]:
            pose = poses[state.stamp_ns]
            expected = pose.rotation @ [0.0, 0.0, -GROUND_M] + pose.translation - origin
            assert [state.x_m, state.y_m, state.z_m] == pytest.approx(expected, abs=1e-9)
            assert np.cos(state.heading_rad - heading(pose.rotation)) == pytest.approx(1.0, abs=1e-12)
        boxes: dict[int, list[np.ndarray]] = {}
        for cuboid in CuboidList.from_feather(folder / "annotations.feather").cuboids:
            pose = poses[cuboid.timestamp_ns]
            center = pose.rotation @ cuboid.dst_SE3_object.translation + pose.translation - origin
            boxes.setdefault(cuboid.timestamp_ns, []).append(center[:2])
        for stamp_ns, agents in log.agents.snapshots:
            centers = np.asarray(boxes[stamp_ns])
            gaps = np.hypot(agents.x_m_N[:, None] - centers[:, 0], agents.y_m_N[:, None] - centers[:, 1])
            assert len(agents) == 0 or gaps.min(axis=1).max() < 1e-9


def test_lanes_and_points_are_those_of_the_own_reader() -> None:
    for folder in logs():
        log, own = read(folder), ArgoverseStaticMap.from_map_dir(folder / "map", build_raster=False)
        origin = np.asarray(log.origin_xyz_m)[:2]
        for lane in log.lanes:
            segment = own.vector_lane_segments[lane.number]
            assert tuple(segment.successors) == lane.successors
            np.testing.assert_allclose(lane.left_B2, segment.left_lane_boundary.xyz[:, :2] - origin, atol=1e-9)
            np.testing.assert_allclose(lane.right_B2, segment.right_lane_boundary.xyz[:, :2] - origin, atol=1e-9)
        for frame in (frame for frame in log.frames if isinstance(frame, CloudFrame)):
            sweep = read_lidar_sweep(folder / "sensors" / "lidar" / f"{frame.stamp_ns}.feather", attrib_spec="xyz")
            assert log.rig is not None and log.rig.lidar is not None
            mount = [log.rig.lidar.x_m, log.rig.lidar.y_m, log.rig.lidar.z_m]
            np.testing.assert_allclose(frame.read()[:, :3] + mount, sweep + np.asarray([0.0, 0.0, GROUND_M]), atol=1e-4)
