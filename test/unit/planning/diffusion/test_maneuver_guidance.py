"""Samples guided to start, to stop and onto the route, by the same rule as towards action tokens."""

from dataclasses import replace

import numpy as np
import pytest

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.planning.diffusion.maneuver_guidance import ManeuverGuidance, guided_to
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.planning.diffusion.sampler import draw_noise, sample_plans

SCHEDULE = NoiseSchedule.cosine(10)
TIMES = 0.5 * np.arange(1, 9)
OFF = PlannerConfig(maneuver_guidance_weight=1.0)
STEP_M = 3.0
NORMALIZER = PlanNormalizer(
    ego_mean_T3=np.tile([STEP_M, 0.0, 0.0], (8, 1)),
    ego_std_T3=np.ones((8, 3)),
    agent_mean_T3=np.zeros((8, 3)),
    agent_std_T3=np.ones((8, 3)),
)
"""A model that predicts x0 = 0 drives straight on at 6 m/s."""
ROUTE = np.stack([np.linspace(0.0, 60.0, 20), np.full(20, 1.0)], axis=-1)


def predicts_zero(x_MNP: np.ndarray, k: int) -> np.ndarray:
    return x_MNP / np.float32(np.sqrt(1.0 - SCHEDULE.alpha_bar_K1[k]))


def sampled(config: PlannerConfig, speed_mps: float = 6.0, route=ROUTE, num_steps: int = 10, normalizer=NORMALIZER):
    maneuver = ManeuverGuidance.of(config, normalizer, TIMES, speed_mps, route)
    guided = guided_to(predicts_zero, maneuver, SCHEDULE, num_steps)
    noise = draw_noise(1, 2, (5, 3, 24), 10)
    x0 = sample_plans(guided, SCHEDULE, noise, num_steps=num_steps).x0_MNP
    return normalizer.to_poses(x0, np.zeros((2, 3)))[:, 0], x0


def test_without_guidance_nothing_changes():
    assert ManeuverGuidance.of(OFF, NORMALIZER, TIMES, 6.0, ROUTE) is None
    assert guided_to(predicts_zero, None, SCHEDULE, 10) is predicts_zero


@pytest.mark.parametrize("num_steps", [10, 3])
def test_stop_guidance_brakes_with_its_deceleration_along_the_samples_own_path(num_steps):
    config = replace(OFF, stop_guidance=True, stop_guidance_decel_mps2=2.0)
    pose_MT3, _ = sampled(config, num_steps=num_steps)
    expected = np.minimum(6.0 * TIMES - TIMES**2, 9.0)
    expected[TIMES > 3.0] = 9.0
    np.testing.assert_allclose(pose_MT3[:, :, 0], np.broadcast_to(expected, (5, 8)), atol=1e-3)
    np.testing.assert_allclose(pose_MT3[:, :, 1], 0.0, atol=1e-4)


def test_a_sample_that_brakes_harder_is_left_alone():
    config = replace(OFF, stop_guidance=True, stop_guidance_decel_mps2=0.1)
    np.testing.assert_allclose(
        sampled(config, speed_mps=8.0)[0][..., 0], np.tile(STEP_M * np.arange(1, 9), (5, 1)), atol=1e-3
    )


def test_start_guidance_moves_off_along_the_route_only_where_a_sample_stays():
    still = replace(NORMALIZER, ego_mean_T3=np.zeros((8, 3)))
    config = replace(OFF, start_guidance=True, start_guidance_distance_m=8.0)
    pose_MT3, _ = sampled(config, speed_mps=0.0, normalizer=still)
    np.testing.assert_allclose(pose_MT3[:, :, 0], np.tile(0.5 * TIMES**2, (5, 1)), atol=1e-3)
    np.testing.assert_allclose(pose_MT3[:, -1, 1], 1.0, atol=1e-3)
    assert (np.diff(pose_MT3[:, :, 1], axis=1) > 0.0).all()
    straight, _ = sampled(config, speed_mps=0.0, normalizer=still, route=None)
    np.testing.assert_allclose(straight[:, :, 1], 0.0, atol=1e-3)
    moving, _ = sampled(config)
    np.testing.assert_allclose(moving[:, -1, 0], 24.0, atol=1e-3)


def test_center_line_guidance_acts_from_its_time_on_and_keeps_the_progress():
    config = replace(OFF, centerline_guidance=True, centerline_guidance_start_s=2.0)
    pose_MT3, _ = sampled(config)
    np.testing.assert_allclose(pose_MT3[:, TIMES < 2.0, 1], 0.0, atol=1e-3)
    np.testing.assert_allclose(pose_MT3[:, TIMES >= 2.0, 1], 1.0, atol=1e-3)
    np.testing.assert_allclose(pose_MT3[:, :, 0], np.tile(STEP_M * np.arange(1, 9), (5, 1)), atol=1e-2)
    alone, _ = sampled(config, route=None)
    np.testing.assert_allclose(alone[..., 1], 0.0, atol=1e-3)


def test_a_stop_counts_more_than_a_start_and_agents_are_not_guided():
    config = replace(OFF, start_guidance=True, stop_guidance=True)
    still = replace(NORMALIZER, ego_mean_T3=np.zeros((8, 3)))
    pose_MT3, x0 = sampled(config, speed_mps=0.0, normalizer=still)
    np.testing.assert_allclose(pose_MT3[..., :2], 0.0, atol=1e-3)
    np.testing.assert_array_equal(x0[:, 1:], sampled(OFF, normalizer=still)[1][:, 1:])


def test_half_weight_goes_half_the_way_at_one_step():
    config = replace(OFF, stop_guidance=True, maneuver_guidance_weight=0.5)
    full, half = (sampled(replace(config, maneuver_guidance_weight=w), speed_mps=0.0)[0] for w in (1.0, 0.5))
    assert full[0, -1, 0] == pytest.approx(0.0, abs=1e-3) and 0.0 < half[0, -1, 0] < 24.0
