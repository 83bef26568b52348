"""Snapshots: alignment by stamp, masks for absent inputs, reasons for rejected ones."""

import numpy as np
import pytest
from straight_drive import ground

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    CameraImage,
    CameraIntrinsics,
    EgoState,
    NotReady,
    PointCloud,
    Route,
    SensorSnapshot,
)
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.inputs.frame_trigger import FrameTrigger
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

RIG = Rig.load(RIGS / "carla.yaml")
TICK = 100_000_000


def _ego(stamp_ns: int, x_m: float | None = None) -> EgoState:
    x = 5.0 * stamp_ns * 1e-9 if x_m is None else x_m
    return EgoState(stamp_ns=stamp_ns, frame_id="map", x_m=x, y_m=0.0, heading_rad=0.0, vx_mps=5.0)


def _image(name: str, stamp_ns: int) -> CameraImage:
    camera = next(camera for camera in RIG.cameras if camera.name == name)
    return CameraImage(stamp_ns=stamp_ns, name=name, rgb_HW3=np.zeros((camera.height, camera.width, 3), dtype=np.uint8))


def _cloud(stamp_ns: int, num: int = 60) -> PointCloud:
    return PointCloud(stamp_ns=stamp_ns, xyz_N3=ground()[:num])


def _feed(assembler: SnapshotAssembler, tick: int, without: tuple[str, ...] = ()) -> None:
    stamp = tick * TICK
    assert assembler.add_odometry(_ego(stamp)) is None
    for camera in RIG.cameras:
        if camera.name not in without:
            assert assembler.add_image(_image(camera.name, stamp)) is None
    if "lidar" not in without:
        assert assembler.add_cloud(_cloud(stamp)) is None


@pytest.fixture
def assembler() -> SnapshotAssembler:
    return SnapshotAssembler(RIG, PlannerConfig())


def _reason(result: SensorSnapshot | NotReady) -> str:
    assert isinstance(result, NotReady)
    return result.reason


def test_nothing_received_gives_not_ready_naming_the_sensors(assembler: SnapshotAssembler) -> None:
    assert "rgb_front" in _reason(assembler.assemble(0))


def test_a_complete_frame_gives_a_snapshot_with_history(assembler: SnapshotAssembler) -> None:
    for tick in range(30):
        _feed(assembler, tick)
    snapshot = assembler.assemble(29 * TICK)
    assert isinstance(snapshot, SensorSnapshot)
    assert snapshot.stamp_ns == 29 * TICK
    assert len(snapshot.images) == 3
    assert snapshot.history[0].stamp_ns <= snapshot.stamp_ns - 2_000_000_000
    assert set(snapshot.missing) == {"acceleration", "route", "command", "traffic_signal", "speed_limit"}
    assert assembler.complete_stamp_ns() == 29 * TICK


def test_stale_sensors_give_not_ready_with_reason(assembler: SnapshotAssembler) -> None:
    _feed(assembler, 1)
    assert "old" in _reason(assembler.assemble(TICK + 2_000_000_000))


def test_a_camera_without_images_is_named_missing_and_the_rest_is_used(assembler: SnapshotAssembler) -> None:
    _feed(assembler, 1, without=("rgb_left",))
    snapshot = assembler.assemble(TICK)
    assert isinstance(snapshot, SensorSnapshot)
    assert "rgb_left" in snapshot.missing
    assert set(snapshot.images) == {"rgb_front", "rgb_right"}


def test_a_missing_lidar_is_not_ready_when_it_is_required(assembler: SnapshotAssembler) -> None:
    _feed(assembler, 1, without=("lidar",))
    assert "lidar is missing" in _reason(assembler.assemble(TICK))


def test_odometry_that_is_too_old_is_not_ready(assembler: SnapshotAssembler) -> None:
    _feed(assembler, 1)
    for tick in range(2, 6):
        assembler.add_cloud(_cloud(tick * TICK))
        for camera in RIG.cameras:
            assembler.add_image(_image(camera.name, tick * TICK))
    assert "odometry" in _reason(assembler.assemble(5 * TICK))


def test_a_late_partial_frame_does_not_displace_the_newest_complete_one(assembler: SnapshotAssembler) -> None:
    _feed(assembler, 1)
    assembler.add_odometry(_ego(2 * TICK))
    assembler.add_image(_image("rgb_front", 2 * TICK))
    snapshot = assembler.assemble(2 * TICK)
    assert isinstance(snapshot, SensorSnapshot)
    assert snapshot.stamp_ns == TICK


def test_repeated_and_out_of_order_stamps_are_refused_with_a_reason(assembler: SnapshotAssembler) -> None:
    _feed(assembler, 5)
    assert assembler.add_cloud(_cloud(5 * TICK)) == "lidar: repeated stamp"
    assert assembler.add_cloud(_cloud(4 * TICK)) == "lidar: out-of-order stamp"
    assert assembler.add_odometry(_ego(5 * TICK)) == "odometry: repeated stamp"
    assert assembler.add_image(_image("rgb_front", 3 * TICK)) == "rgb_front: out-of-order stamp"


def test_a_clock_that_jumps_back_resets_and_planning_resumes(assembler: SnapshotAssembler) -> None:
    for tick in range(50, 60):
        _feed(assembler, tick)
    _feed(assembler, 1)
    snapshot = assembler.assemble(TICK)
    assert isinstance(snapshot, SensorSnapshot)
    assert snapshot.stamp_ns == TICK
    assert len(snapshot.history) == 1
    assert assembler.num_resets > 0


def test_an_odometry_jump_cuts_the_history(assembler: SnapshotAssembler) -> None:
    for tick in range(10):
        _feed(assembler, tick)
    assembler.add_odometry(_ego(10 * TICK, x_m=8.0))
    for camera in RIG.cameras:
        assembler.add_image(_image(camera.name, 10 * TICK))
    assembler.add_cloud(_cloud(10 * TICK))
    snapshot = assembler.assemble(10 * TICK)
    assert isinstance(snapshot, SensorSnapshot)
    assert [state.stamp_ns for state in snapshot.history] == [10 * TICK]


def test_empty_point_clouds_unknown_cameras_and_wrong_sizes_are_refused(assembler: SnapshotAssembler) -> None:
    assert assembler.add_cloud(_cloud(1, num=0)) == "lidar: point cloud is empty"
    foreign = CameraImage(stamp_ns=1, name="rear", rgb_HW3=np.zeros((2, 2, 3), dtype=np.uint8))
    assert assembler.add_image(foreign) == "camera 'rear' is not in the rig"
    small = CameraImage(stamp_ns=1, name="rgb_front", rgb_HW3=np.zeros((2, 2, 3), dtype=np.uint8))
    assert "camera_info is 240x128" in str(assembler.add_image(small))
    bad = CameraIntrinsics(width=240, height=128, fx=0.0, fy=0.0, cx=0.0, cy=0.0)
    assert "not calibrated" in str(assembler.add_intrinsics("rgb_front", bad))


def test_old_optional_inputs_are_masked_and_a_route_stays(assembler: SnapshotAssembler) -> None:
    assembler.add_route(Route(stamp_ns=0, frame_id="map", xy_N2=np.asarray([[0.0, 0.0], [100.0, 0.0]])))
    assembler.add_speed_limit(0, 13.9)
    for tick in range(15, 30):
        _feed(assembler, tick)
    snapshot = assembler.assemble(29 * TICK)
    assert isinstance(snapshot, SensorSnapshot)
    assert snapshot.route is not None
    assert snapshot.speed_limit_mps is None
    assert "speed_limit" in snapshot.missing


def test_odometry_of_a_frame_ahead_of_the_axle_is_moved_to_the_axle() -> None:
    rig = Rig(cameras=RIG.cameras, lidar=RIG.lidar, base_from_odometry_child_x_m=1.4)
    assembler = SnapshotAssembler(rig, PlannerConfig())
    _feed(assembler, 1)
    snapshot = assembler.assemble(TICK)
    assert isinstance(snapshot, SensorSnapshot)
    assert snapshot.ego.x_m == pytest.approx(0.5 - 1.4)


def test_a_planned_frame_is_not_used_again_when_the_next_one_is_incomplete():
    assembler = SnapshotAssembler(RIG, PlannerConfig())
    trigger = FrameTrigger(assembler)
    for tick in (1, 2):
        assembler.add_odometry(_ego(tick * TICK))
        names = [camera.name for camera in RIG.cameras] if tick == 1 else ["rgb_front"]
        for name in names:
            assembler.add_image(_image(name, tick * TICK))
        assembler.add_cloud(_cloud(tick * TICK))
        if tick == 1:
            assert trigger.poll(TICK)
            trigger.done(assembler.assemble(TICK, trigger.earliest_ns).stamp_ns)
    assert trigger.poll(2 * TICK) is None
    due_ns = trigger.poll(4 * TICK)
    snapshot = assembler.assemble(4 * TICK, trigger.earliest_ns, due_ns)
    assert snapshot.stamp_ns == due_ns == 2 * TICK and snapshot.ages_ns["rgb_front"] == 0
    assert snapshot.ages_ns["rgb_left"] == snapshot.ages_ns["rgb_right"] == TICK
