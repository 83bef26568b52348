"""Snapshot -> tensors: images land at the expected pixels, masks mark absent inputs."""

from dataclasses import replace

import numpy as np
import pytest

from transdiffuser_planner.core.contract import BASE, TINY, ModelContract, check_tensors, observation_specs
from transdiffuser_planner.core.errors import ContractError
from transdiffuser_planner.core.rig import CameraMount, LidarMount, Rig
from transdiffuser_planner.core.types import (
    CameraImage,
    CameraIntrinsics,
    EgoState,
    PointCloud,
    Route,
    SensorSnapshot,
    SignalState,
    TrafficSignal,
)
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.planning.observation.lidar_bev import histogram, without_ego

RIG = Rig.load(RIGS / "carla.yaml")


def _intrinsics(camera: CameraMount) -> CameraIntrinsics:
    return CameraIntrinsics(
        width=camera.width, height=camera.height, fx=camera.fx, fy=camera.fy, cx=camera.cx, cy=camera.cy
    )


def _snapshot(rig: Rig, seed: int = 0) -> SensorSnapshot:
    rng = np.random.default_rng(seed)
    images = {
        camera.name: CameraImage(
            stamp_ns=10**9,
            name=camera.name,
            rgb_HW3=rng.integers(0, 255, (camera.height, camera.width, 3), dtype=np.uint8),
        )
        for camera in rig.cameras
    }
    return SensorSnapshot(
        stamp_ns=10**9,
        ego=EgoState(stamp_ns=10**9, frame_id="map", x_m=10.0, y_m=0.5, heading_rad=0.0, vx_mps=5.0),
        history=(),
        images=images,
        intrinsics={camera.name: _intrinsics(camera) for camera in rig.cameras},
        cloud=PointCloud(stamp_ns=10**9, xyz_N3=rng.normal(0.0, 10.0, (500, 3)).astype(np.float32)),
        route=Route(stamp_ns=0, frame_id="map", xy_N2=np.stack([np.arange(0.0, 50.0, 2.0), np.zeros(25)], axis=-1)),
    )


@pytest.mark.parametrize("contract", [TINY, BASE], ids=["tiny", "base"])
def test_features_fulfill_the_contract(contract) -> None:
    check_tensors(FeatureBuilder(contract, RIG).build(_snapshot(RIG)), observation_specs(contract), "test")


def test_the_contracts_own_rig_is_copied_pixel_by_pixel() -> None:
    snapshot = _snapshot(RIG)
    tensors = FeatureBuilder(TINY, RIG).build(snapshot)
    stitched = np.rint(tensors["image"][0].transpose(1, 2, 0) * 255.0).astype(np.uint8)
    expected = np.concatenate([snapshot.images[camera.name].rgb_HW3 for camera in RIG.cameras], axis=1)
    assert np.array_equal(stitched, expected)
    assert tensors["camera_valid"].tolist() == [[1.0, 1.0, 1.0]]


def test_a_missing_camera_leaves_its_segment_black_and_invalid() -> None:
    snapshot = _snapshot(RIG)
    images = {name: image for name, image in snapshot.images.items() if name != "rgb_left"}
    tensors = FeatureBuilder(TINY, RIG).build(replace(snapshot, images=images))
    assert tensors["camera_valid"].tolist() == [[0.0, 1.0, 1.0]]
    assert (tensors["image"][0, :, :, :136] == 0.0).all()


def test_one_wide_camera_fills_the_middle_and_part_of_the_sides_at_the_right_pixels() -> None:
    camera = CameraMount(name="wide", width=1242, height=375, fx=721.5, fy=721.5, cx=609.6, cy=172.9, x_m=1.0, z_m=1.6)
    rig = Rig(cameras=(camera,), lidar=LidarMount(z_m=1.7))
    rgb = np.zeros((375, 1242, 3), dtype=np.uint8)
    # A red patch around the direction 10 degrees left, 2 degrees up.
    column = camera.cx - camera.fx * np.tan(np.radians(10.0))
    row = camera.cy - camera.fy * np.tan(np.radians(2.0)) / np.cos(np.radians(10.0))
    rgb[round(row) - 12 : round(row) + 12, round(column) - 12 : round(column) + 12, 0] = 255
    snapshot = replace(
        _snapshot(RIG),
        images={"wide": CameraImage(stamp_ns=10**9, name="wide", rgb_HW3=rgb)},
        intrinsics={"wide": _intrinsics(camera)},
    )
    tensors = FeatureBuilder(TINY, rig).build(snapshot)
    rows, columns = np.nonzero(tensors["image"][0, 0] > 0.5)
    expected_column = 136 + 120 - 198.0 * np.tan(np.radians(10.0))
    expected_row = 80 - 198.0 * np.tan(np.radians(2.0)) / np.cos(np.radians(10.0))
    assert columns.mean() + 0.5 == pytest.approx(expected_column, abs=1.5)
    assert rows.mean() + 0.5 == pytest.approx(expected_row, abs=1.5)
    left, front, right = tensors["camera_valid"][0]
    assert front > 0.6
    assert 0.0 < left < front
    assert right == pytest.approx(left, abs=0.05)


def test_lidar_rows_run_ahead_to_behind_and_columns_left_to_right() -> None:
    points = np.asarray([[20.0, 0.1, 1.0], [0.1, 20.0, 1.0], [-20.0, 0.1, 0.0]], dtype=np.float32)
    counts = histogram(points, TINY)
    assert counts[1, 24, 63] == 1
    assert counts[1, 63, 24] == 1
    assert counts[0, 104, 63] == 1
    assert counts.sum() == 3


def test_heights_of_the_contract_divide_the_points_into_channels() -> None:
    points = np.asarray([[20.0, 0.1, z] for z in (0.0, 0.5, 1.5, 1.6, 3.0)], dtype=np.float32)
    contract = replace(TINY, lidar_heights_m=(0.3, 1.0, 2.0))
    assert contract.lidar_channels == 4
    assert histogram(points, contract)[:, 24, 63].tolist() == [1, 1, 2, 1]


def test_contracts_keep_their_heights_and_those_that_do_not_increase_are_refused() -> None:
    contract = replace(TINY, lidar_heights_m=(0.3, 1.0, 2.0))
    assert ModelContract.from_dict(contract.to_dict()) == contract
    earlier = {name: value for name, value in TINY.to_dict().items() if name != "lidar_heights_m"}
    assert ModelContract.from_dict({**earlier, "lidar_channels": 2}) == TINY
    with pytest.raises(ContractError, match=r"increasing heights, got \[1.0, 0.3\]"):
        replace(TINY, lidar_heights_m=(1.0, 0.3))


def test_counts_are_clipped_and_points_on_the_ego_are_skipped() -> None:
    far = np.tile(np.asarray([[10.1, 0.1, 1.0]], dtype=np.float32), (50, 1))
    on_roof = np.asarray([[0.5, 0.0, 1.5]], dtype=np.float32)
    rig = Rig(cameras=(), lidar=LidarMount())
    snapshot = replace(
        _snapshot(RIG), images={}, cloud=PointCloud(stamp_ns=10**9, xyz_N3=np.concatenate([far, on_roof]))
    )
    lidar = FeatureBuilder(TINY, rig).build(snapshot)["lidar"]
    assert lidar.max() == pytest.approx(1.0)
    assert (lidar > 0.0).sum() == 1


def test_route_starts_at_the_egos_projection_and_ends_with_a_mask() -> None:
    tensors = FeatureBuilder(TINY, RIG).build(_snapshot(RIG))
    assert tensors["route"][0, 0] == pytest.approx([0.0, -0.5])
    assert tensors["route"][0, 3] == pytest.approx([9.0, -0.5])
    assert tensors["route_valid"][0].sum() == 13.0
    assert (tensors["route"][0, 13:] == 0.0).all()


def test_a_route_in_another_frame_or_far_away_is_masked() -> None:
    snapshot = _snapshot(RIG)
    builder = FeatureBuilder(TINY, RIG)
    other = Route(stamp_ns=0, frame_id="odom", xy_N2=snapshot.route.xy_N2)
    far = Route(stamp_ns=0, frame_id="map", xy_N2=snapshot.route.xy_N2 + np.asarray([0.0, 30.0]))
    for route in (None, other, far):
        assert builder.build(replace(snapshot, route=route))["route_valid"].sum() == 0.0


def test_history_is_masked_where_odometry_does_not_reach_back() -> None:
    ego = EgoState(stamp_ns=2 * 10**9, frame_id="map", x_m=10.0, y_m=0.0, heading_rad=0.0, vx_mps=4.0)
    past = tuple(replace(ego, stamp_ns=ego.stamp_ns - step * 10**8, x_m=10.0 - 0.4 * step) for step in range(11, 0, -1))
    tensors = FeatureBuilder(TINY, RIG).build(replace(_snapshot(RIG), ego=ego, history=past))
    assert tensors["history_valid"].tolist() == [[0.0, 1.0, 1.0, 1.0]]
    assert tensors["history"][0, 1] == pytest.approx([-4.0, 0.0, 0.0], abs=1e-5)


@pytest.mark.parametrize(
    ("signal", "valid", "values"),
    [
        (None, 0.0, [0.0, 0.0, 0.0, 0.0]),
        (TrafficSignal(stamp_ns=0, state=SignalState.RED, distance_m=25.0), 1.0, [1.0, 0.0, 0.0, 0.5]),
        (TrafficSignal(stamp_ns=0, state=SignalState.GREEN, distance_m=90.0), 0.0, [0.0, 0.0, 0.0, 0.0]),
        (TrafficSignal(stamp_ns=0, state=SignalState.UNKNOWN, distance_m=5.0), 0.0, [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_signal_is_one_hot_with_scaled_distance_and_masked_out_of_range(signal, valid, values) -> None:
    tensors = FeatureBuilder(TINY, RIG).build(replace(_snapshot(RIG), signal=signal))
    assert tensors["signal_valid"][0, 0] == valid
    assert tensors["signal"][0] == pytest.approx(values)


def test_own_mirrors_within_the_margin_are_no_obstacles_and_neighbors_beyond_it_are() -> None:
    mirror, neighbor, inside = (2.2, -1.0, 1.05), (2.2, -1.4, 1.05), (1.0, 0.3, 0.8)
    points = np.asarray([mirror, neighbor, inside], dtype=np.float32)
    assert without_ego(points, EGO_VEHICLE).tolist() == points[:2].tolist()
    assert without_ego(points, EGO_VEHICLE, 0.25).tolist() == points[1:2].tolist()
