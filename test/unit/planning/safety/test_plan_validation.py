"""Smoothing, clearance, safety and fallback on plans whose right answer is plain."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.planning.safety.clearance import ObstacleField, agent_clearance
from transdiffuser_planner.planning.safety.fallback_plans import motion_along, shifted_plan, stop_along
from transdiffuser_planner.planning.safety.motion_limits import MotionLimits
from transdiffuser_planner.planning.safety.safety_checks import (
    collision_violations,
    combine_violations,
    kinematic_violations,
)
from transdiffuser_planner.planning.trajectory.output_frame import to_trajectory
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother

SMOOTHER = PlanSmoother(TINY)
CONFIG = PlannerConfig()
LIMITS = MotionLimits.of(CONFIG, EGO_VEHICLE)
TIMES = TINY.plan_times_s


def _straight(speed_mps: float, num: int = 1) -> np.ndarray:
    plan = np.zeros((num, 8, 3))
    plan[:, :, 0] = speed_mps * TIMES
    return plan


def _arc(speed_mps: float, curvature_per_m: float) -> np.ndarray:
    s = speed_mps * TIMES
    angle = curvature_per_m * s
    return np.stack([np.sin(angle) / curvature_per_m, (1.0 - np.cos(angle)) / curvature_per_m, angle], axis=-1)[None]


def test_constant_speed_stays_constant() -> None:
    smooth = SMOOTHER.smooth(_straight(8.0), 8.0)
    assert smooth.speed_MF == pytest.approx(8.0, abs=1e-6)
    assert smooth.accel_MF == pytest.approx(0.0, abs=1e-6)
    assert smooth.pose_MF3[0, -1] == pytest.approx([32.0, 0.0, 0.0], abs=1e-6)


def test_an_arc_keeps_its_curvature_and_heading() -> None:
    smooth = SMOOTHER.smooth(_arc(6.0, 0.05), 6.0)
    assert smooth.curvature_MF[0, 5:-3] == pytest.approx(0.05, abs=0.012)
    assert smooth.pose_MF3[0, -1, 2] == pytest.approx(0.05 * 24.0, abs=0.08)


def test_jitter_at_standstill_stays_at_standstill() -> None:
    rng = np.random.default_rng(0)
    smooth = SMOOTHER.smooth(rng.normal(0.0, 0.02, (30, 8, 3)), 0.0)
    assert np.abs(smooth.pose_MF3[..., :2]).max() < 0.15
    assert (smooth.speed_MF >= 0.0).all()


def test_a_plan_that_goes_backwards_is_held_instead() -> None:
    smooth = SMOOTHER.smooth(_straight(-2.0), 0.0)
    assert smooth.pose_MF3[0, -1, :2] == pytest.approx([0.0, 0.0])


def test_feasible_motion_has_no_violations_and_each_limit_is_named() -> None:
    def reason(plan: np.ndarray, speed: float) -> str:
        return combine_violations(kinematic_violations(SMOOTHER.smooth(plan, speed), LIMITS)).reason_M[0]

    assert reason(_straight(8.0), 8.0) == ""
    assert reason(_straight(16.0), 2.0) == "acceleration above limit"
    assert reason(_straight(1.0), 18.0) == "braking above limit"
    assert reason(_arc(10.0, 0.065), 10.0) == "lateral acceleration above limit"
    assert reason(_arc(2.0, 0.5), 2.0) == "curvature above limit"
    assert reason(np.full((1, 8, 3), np.nan), 5.0) == "not finite"


def _wall(x: float) -> np.ndarray:
    y = np.arange(-3.0, 3.0, 0.1)
    return np.stack([np.full_like(y, x), y, np.full_like(y, 1.0)], axis=-1).astype(np.float32)


def test_clearance_to_a_wall_is_measured_from_the_front_bumper() -> None:
    field = ObstacleField.from_points(_wall(13.9), np.zeros((0, 5)), EGO_VEHICLE)
    assert field.clearance(np.zeros(3), EGO_VEHICLE) == pytest.approx(10.0, abs=0.4)
    assert field.clearance(np.asarray([9.8, 0.0, 0.0]), EGO_VEHICLE) < 0.45
    assert field.clearance(np.asarray([12.0, 0.0, 0.0]), EGO_VEHICLE) < 0.0


def test_points_inside_moving_boxes_are_not_static_obstacles() -> None:
    box = np.asarray([[14.0, 0.0, np.pi / 2.0, 6.5, 1.0]])
    assert ObstacleField.from_points(_wall(13.9), box, EGO_VEHICLE).clearance(np.zeros(3), EGO_VEHICLE) > 50.0


def test_a_plan_into_a_near_wall_is_rejected_and_one_that_stops_before_it_is_accepted() -> None:
    field = ObstacleField.from_points(_wall(9.0), np.zeros((0, 5)), EGO_VEHICLE)
    plans = np.concatenate([_straight(6.0), _straight(0.9)])
    smooth = SMOOTHER.smooth(plans, 6.0)
    far = np.full(smooth.speed_MF.shape, 99.0)
    clearance = field.clearance(smooth.pose_MF3, EGO_VEHICLE)
    result = combine_violations(collision_violations(smooth, clearance, far, 6.0, config=CONFIG, limits=LIMITS))
    assert result.reason_M[0] == "collision with an obstacle"
    assert result.accepted_M[1]


def test_a_crossing_agent_collides_only_when_the_times_meet() -> None:
    smooth = SMOOTHER.smooth(_straight(5.0), 5.0)
    time = SMOOTHER.time_s_F
    meets = np.stack([np.full_like(time, 10.0), -8.0 + 4.0 * time, np.full_like(time, np.pi / 2.0)], axis=-1)
    late = meets - np.asarray([0.0, 20.0, 0.0])
    for path, hit in ((meets, True), (late, False)):
        length_m, width_m = np.asarray([4.5]), np.asarray([1.8])
        clearance = agent_clearance(smooth.pose_MF3, path[None, None], length_m, width_m, EGO_VEHICLE)[:, 0]
        violations = collision_violations(
            smooth, np.full_like(clearance, 99.0), clearance, 5.0, config=CONFIG, limits=LIMITS
        )
        assert bool(violations["collision with an agent"][0]) is hit


def test_a_stop_ends_at_the_braking_distance_and_stays_on_the_path() -> None:
    path = SMOOTHER.smooth(_arc(8.0, 0.03), 8.0).pose_MF3[0]
    stop = stop_along(path, 8.0, 2.5, SMOOTHER.time_s_F, LIMITS)
    traveled = np.hypot(*np.diff(np.concatenate([[[0.0, 0.0]], stop.pose_MF3[0, :, :2]]), axis=0).T).sum()
    assert traveled == pytest.approx(8.0**2 / 5.0, abs=0.1)
    assert stop.speed_MF[0, -1] == 0.0
    assert combine_violations(kinematic_violations(stop, LIMITS)).accepted_M[0]


@pytest.mark.parametrize("seed", range(5))
def test_stop_along_a_path_no_car_can_drive_stays_within_all_limits(seed):
    random = np.random.default_rng(seed)
    wild = np.cumsum(random.normal([0.3, 0.0, 0.0], [1.0, 1.0, 1.0], (40, 3)), axis=0)
    stop = stop_along(wild, 12.0, 6.0, SMOOTHER.time_s_F, LIMITS)
    assert combine_violations(kinematic_violations(stop, LIMITS)).accepted_M[0]
    assert np.abs(stop.curvature_MF).max() <= CONFIG.max_curvature_per_m + 1e-9
    trajectory = to_trajectory(
        stop, 0, EgoState(stamp_ns=0, frame_id="map", x_m=0.0, y_m=0.0, heading_rad=0.0, vx_mps=12.0)
    )
    lateral = trajectory.speed_mps_T**2 * np.abs(trajectory.curvature_per_m_T)
    assert lateral.max() <= CONFIG.max_lateral_accel_mps2 + 1e-6


def test_the_last_plan_shifted_to_now_meets_the_old_one() -> None:
    ego = EgoState(stamp_ns=0, frame_id="map", x_m=3.0, y_m=4.0, heading_rad=0.7, vx_mps=5.0)
    trajectory = to_trajectory(SMOOTHER.smooth(_straight(5.0), 5.0), 0, ego)
    later = EgoState(
        stamp_ns=5 * 10**8,
        frame_id="map",
        x_m=3.0 + 2.5 * np.cos(0.7),
        y_m=4.0 + 2.5 * np.sin(0.7),
        heading_rad=0.7,
        vx_mps=5.0,
    )
    shifted = shifted_plan(trajectory, later, SMOOTHER.time_s_F)
    assert shifted is not None
    assert shifted[0] == pytest.approx([0.5, 0.0, 0.0], abs=1e-6)
    assert shifted[-1] == pytest.approx([20.0, 0.0, 0.0], abs=1e-6)
    motion = motion_along(shifted, SMOOTHER.time_s_F, 5.0)
    assert motion.speed_MF == pytest.approx(5.0, abs=1e-6)


def test_a_trajectory_starts_at_the_ego_and_carries_its_frame_and_stamp() -> None:
    ego = EgoState(stamp_ns=42, frame_id="odom", x_m=3.0, y_m=4.0, heading_rad=0.7, vx_mps=5.0)
    trajectory = to_trajectory(SMOOTHER.smooth(_straight(5.0), 5.0), 0, ego)
    assert (trajectory.stamp_ns, trajectory.frame_id) == (42, "odom")
    assert trajectory.time_s_T[0] == 0.0
    assert [trajectory.x_m_T[0], trajectory.y_m_T[0], trajectory.heading_rad_T[0]] == pytest.approx([3.0, 4.0, 0.7])
    assert trajectory.x_m_T[-1] == pytest.approx(3.0 + 20.0 * np.cos(0.7))
