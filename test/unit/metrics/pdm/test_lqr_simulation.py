"""From a plan to the simulated motion: interpolation, tracking, bicycle."""

import dataclasses

import numpy as np
from scoring_scenes import ego, straight_plan

from transdiffuser_planner.metrics.pdm.lqr_simulation import (
    absolute_poses,
    plan_poses,
    sample_stamps_us,
    simulate,
    speeds_and_curvatures,
)


def test_plans_are_interpolated_in_a_straight_line_from_where_the_ego_is() -> None:
    poses = plan_poses(ego(), straight_plan(10.0), 0.5)
    np.testing.assert_allclose(poses[0, :, 0], np.arange(41), atol=1e-9)
    np.testing.assert_allclose(poses[0, :, 1:], 0.0, atol=1e-12)


def test_headings_are_interpolated_the_short_way_round() -> None:
    start = ego(heading_rad=3.1)
    plan = straight_plan(0.0)
    plan[..., 2] = 0.2 * np.arange(1, 9) / 8.0  # passes pi
    poses = plan_poses(start, plan, 0.5)
    step = np.diff(poses[0, :, 2])
    np.testing.assert_allclose((step + np.pi) % (2.0 * np.pi) - np.pi, 0.005, atol=1e-5)
    assert np.abs(poses[..., 2]).max() <= np.pi


def test_relative_poses_are_in_the_frame_of_the_rear_axle() -> None:
    start = dataclasses.replace(ego(heading_rad=np.pi / 2.0), pose_3=np.asarray([5.0, 6.0, np.pi / 2.0]))
    np.testing.assert_allclose(
        absolute_poses(start, np.asarray([[[2.0, 1.0, 0.5]]]))[0, 0], [4.0, 8.0, np.pi / 2 + 0.5]
    )


def test_times_are_cut_to_microseconds() -> None:
    stamps = sample_stamps_us(0)
    assert stamps[0] == 0 and stamps[-1] == 4_000_000
    assert np.abs(stamps - 100_000 * np.arange(41)).max() <= 1


def test_a_plan_at_the_present_speed_is_tracked_exactly() -> None:
    motion = simulate(ego(), plan_poses(ego(), straight_plan(10.0), 0.5))
    np.testing.assert_allclose(motion.pose_MS3[0, :, 0], np.arange(41), atol=1e-4)
    np.testing.assert_allclose(motion.speed_MS, 10.0, atol=1e-4)


def test_the_first_step_is_the_egos_own_state() -> None:
    state = dataclasses.replace(
        ego(7.0), acceleration_2=np.asarray([1.0, 0.5]), velocity_2=np.asarray([7.0, 0.1]), yaw_rate_radps=0.2
    )
    motion = simulate(state, plan_poses(state, straight_plan(7.0), 0.5))
    np.testing.assert_array_equal(motion.velocity_MS2[0, 0], [7.0, 0.1])
    np.testing.assert_array_equal(motion.acceleration_MS2[0, 0], [1.0, 0.5])
    assert motion.yaw_rate_MS[0, 0] == 0.2
    np.testing.assert_array_equal(motion.velocity_MS2[0, 1:, 1], 0.0)


def test_acceleration_follows_the_command_with_its_lag() -> None:
    # From 10 m/s to a stationary plan: the tracker commands 10/11 of the difference, a third of it arrives at once.
    motion = simulate(ego(), plan_poses(ego(), straight_plan(0.0), 0.5))
    np.testing.assert_allclose(motion.acceleration_MS2[0, 1, 0], -100.0 / 11.0 / 3.0, rtol=1e-9)
    np.testing.assert_allclose(motion.velocity_MS2[0, 1, 0], 10.0 - 10.0 / 11.0 / 3.0, rtol=1e-9)
    np.testing.assert_allclose(motion.pose_MS3[0, 1, 0], 1.0)


def test_the_stopping_controller_takes_over_at_walking_pace() -> None:
    motion = simulate(ego(0.2), plan_poses(ego(0.2), straight_plan(0.0), 0.5))
    np.testing.assert_allclose(motion.acceleration_MS2[0, 1, 0], -0.5 * 0.2 / 3.0, rtol=1e-9)


def test_speeds_and_curvatures_of_a_circle_are_found() -> None:
    radius, speed = 20.0, 8.0
    angle = speed / radius * 0.1 * np.arange(41)
    poses = np.stack([radius * np.sin(angle), radius * (1.0 - np.cos(angle)), angle], axis=-1)[None]
    speeds, curvatures = speeds_and_curvatures(poses)
    np.testing.assert_allclose(speeds, speed, rtol=2e-2)
    np.testing.assert_allclose(curvatures, 1.0 / radius, rtol=2e-2)


def test_a_curve_is_followed() -> None:
    times = np.arange(1, 9) * 0.5
    angle = 8.0 / 40.0 * times
    plan = np.stack([40.0 * np.sin(angle), 40.0 * (1.0 - np.cos(angle)), angle], axis=-1)[None]
    motion = simulate(ego(8.0), plan_poses(ego(8.0), plan, 0.5))
    assert np.hypot(*(motion.pose_MS3[0, -1, :2] - plan[0, -1, :2])) < 0.5


def test_floats_and_arrays_give_the_same_motion() -> None:
    rng = np.random.default_rng(3)
    plans = np.cumsum(rng.normal([4.0, 0.0, 0.0], [1.0, 0.3, 0.05], (5, 8, 3)), axis=1)
    poses = plan_poses(ego(), plans, 0.5)
    one, other = simulate(ego(), poses, floats_up_to=5), simulate(ego(), poses, floats_up_to=0)
    np.testing.assert_allclose(one.pose_MS3, other.pose_MS3, atol=1e-9)
    np.testing.assert_allclose(one.yaw_acceleration_MS, other.yaw_acceleration_MS, atol=1e-9)
