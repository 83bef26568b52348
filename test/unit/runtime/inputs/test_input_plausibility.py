"""The judge of inputs: what it masks, what it names, and when it forgets."""

from dataclasses import replace

import numpy as np
import pytest

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraIntrinsics, EgoState, PointCloud
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.inputs.input_plausibility import InputPlausibility

RIG = Rig.load(RIGS / "carla.yaml")
PINHOLE = CameraIntrinsics(width=240, height=128, fx=198.0, fy=198.0, cx=120.0, cy=80.0)
FISHEYE = replace(PINHOLE, distortion_model="equidistant", distortion=(0.1, 0.01, -0.02, 0.003), is_rectified=False)
MILD = replace(PINHOLE, distortion_model="plumb_bob", distortion=(-0.02, 0.0, 0.0, 0.0, 0.0), is_rectified=False)
RNG = np.random.default_rng(6)


@pytest.fixture
def judge():
    return InputPlausibility(RIG)


def ego(tick, vx_mps, *, speed_mps=None, hz=20.0):
    moved = (vx_mps if speed_mps is None else speed_mps) * tick / hz
    return EgoState(stamp_ns=round(tick * 1e9 / hz), frame_id="map", x_m=moved, y_m=0.0, heading_rad=0.0, vx_mps=vx_mps)


def sweep(num=3000):
    angle = 2.0 * np.pi * RNG.uniform(0.0, 1.0, num)
    radius = RNG.uniform(3.0, 30.0, num)
    xyz = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(num, -1.9)], axis=-1)
    return PointCloud(stamp_ns=0, xyz_N3=xyz.astype(np.float32))


def test_good_inputs_are_not_noticed(judge):
    for tick in range(60):
        judge.odometry(ego(tick, 6.0))
        assert judge.cloud(sweep()) is None
    judge.intrinsics("rgb_front", PINHOLE)
    assert judge.state_for_fallback(ego(60, 5.0)) == ego(60, 5.0)
    assert (judge.reasons(), judge.why_masked("rgb_front"), judge.pop_notices()) == ((), "", [])


def test_odometry_that_contradicts_itself_is_no_state_to_plan_from_and_noticed_once(judge):
    for tick in range(60):
        judge.odometry(ego(tick, 0.0, speed_mps=6.0))
    assert len(judge.reasons()) == 1 and judge.reasons() == tuple(judge.pop_notices())
    assert judge.state_for_fallback(ego(60, 0.0)).vx_mps == pytest.approx(6.0)
    judge.reset()
    assert judge.reasons() == ()


def test_driving_backward_for_a_while_gives_no_plan_until_the_vehicle_stands(judge):
    speeds = [0.0] * 5 + [-0.35] * 3 + [-0.2] * 3 + [-1.2] * 20 + [-0.2] * 3 + [0.0] * 3
    x_m, backward = 0.0, []
    for tick, speed in enumerate(speeds):
        x_m += speed / 20.0
        judge.odometry(replace(ego(tick, speed), x_m=x_m))
        backward.append(bool(judge.reasons()))
    assert not any(backward[:11]) and all(backward[11:34]) and not any(backward[34:])
    assert judge.pop_notices() == [
        "odometry: the vehicle drives backward at 1.2 m/s; only driving forward is supported"
    ]


def test_speeds_beyond_the_models_are_noticed_once_and_planned_from(judge):
    judge.supported.top_speed_mps = 16.0
    x_m = 0.0
    for tick, speed in enumerate([15.9] * 5 + [16.4, 15.9] * 10 + [14.0] * 5 + [17.0] * 5):
        x_m += speed / 20.0
        judge.odometry(replace(ego(tick, speed), x_m=x_m))
    assert judge.reasons() == ()
    notices = judge.pop_notices()
    assert len(notices) == 2 and "16.4 m/s is faster than any of the model's training drives (16.0 m/s)" in notices[0]


def test_a_lens_that_is_no_pinhole_is_masked_and_a_mild_one_is_only_noticed(judge):
    for _ in range(3):
        judge.intrinsics("rgb_left", FISHEYE)
        judge.intrinsics("rgb_front", MILD)
    assert judge.why_masked("rgb_left") and not judge.why_masked("rgb_front")
    wide, mild = judge.pop_notices()
    assert "'rgb_left': its images are not rectified: distortion model equidistant" in wide and "masked" in wide
    assert "'rgb_front': its images are not rectified" in mild and "used as they are" in mild
    judge.intrinsics("rgb_left", PINHOLE)
    assert not judge.why_masked("rgb_left")
    assert judge.pop_notices() == []


def test_clouds_that_show_nothing_are_refused(judge):
    assert "fewer than 50" in (judge.cloud(PointCloud(stamp_ns=0, xyz_N3=sweep().xyz_N3[:9])) or "")
    assert judge.cloud(sweep()) is None and judge.pop_notices() == []


def test_a_lidar_that_repeats_its_cloud_along_the_way_is_noticed(judge):
    walls = sweep()
    walls.xyz_N3[:, 2] = RNG.uniform(-1.9, 1.0, len(walls.xyz_N3))
    for tick in range(60):
        judge.odometry(ego(tick, 6.0))
        assert judge.cloud(walls) is None
    assert [notice for notice in judge.pop_notices() if "the sensor is stuck" in notice]
