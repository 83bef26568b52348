"""Sweeps that arrive in parts are recognized and joined; whole sweeps, sparse scenes and narrow LiDARs are left alone."""

import math

import numpy as np
import pytest

from transdiffuser_planner.core.rig import LidarMount
from transdiffuser_planner.planning.observation.sweep_coverage import SweepCoverage, covered_sectors, join, moved

MOUNT = LidarMount(x_m=1.2, z_m=1.9, yaw_rad=0.3).base_from_sensor()


def ring(begin_deg=-180.0, end_deg=180.0, num=3600, radius_m=12.0):
    angle = np.radians(np.linspace(begin_deg, end_deg, num, endpoint=False))
    return np.stack([radius_m * np.cos(angle), radius_m * np.sin(angle), np.full(num, -1.9)], axis=-1).astype(
        np.float32
    )


def parts_of(clouds):
    coverage = SweepCoverage()
    for cloud in clouds:
        coverage.update(cloud)
    return coverage


def turning(share, count=8):
    """Clouds that each cover a share of the circle, the next one beginning where the last ended."""
    return [ring(360.0 * share * i, 360.0 * share * (i + 1)) for i in range(count)]


@pytest.mark.parametrize(("share", "expected"), [(1.0, 1), (0.5, 2), (1.0 / 3.0, 3), (0.3, 4), (0.25, 4), (0.75, 2)])
def test_the_number_of_clouds_per_turn_is_found(share, expected):
    assert parts_of(turning(share)).num_parts == expected


def test_halves_are_recognized_from_the_fourth_cloud_on_and_forgotten_once_sweeps_are_whole():
    coverage = SweepCoverage()
    found = []
    for cloud in [*turning(0.5, 6), *[ring()] * 6]:
        coverage.update(cloud)
        found.append(coverage.num_parts)
    assert found[:6] == [1, 1, 1, 2, 2, 2] and found[-1] == 1
    assert parts_of(turning(0.5)).share == pytest.approx(0.5, abs=0.03)


def test_a_lidar_that_looks_ahead_only_is_whole():
    assert parts_of([ring(-60.0, 60.0)] * 8).num_parts == 1


def test_sparse_returns_at_random_directions_are_whole():
    rng = np.random.default_rng(3)
    clouds = [ring(num=3600)[rng.random(3600) < rng.uniform(0.01, 0.02)] for _ in range(8)]
    assert parts_of(clouds).num_parts == 1


def test_a_wall_that_hides_one_side_now_and_then_is_no_part():
    clouds = [ring(-90.0, 180.0) if i == 4 else ring() for i in range(8)]
    assert parts_of(clouds).num_parts == 1


def test_large_organized_clouds_are_thinned_over_all_columns():
    sweep = np.tile(ring(num=1800), (128, 1))
    assert covered_sectors(sweep).all()
    assert not covered_sectors(sweep[sweep[:, 0] < -0.1])[14:22].any()


def test_points_are_moved_into_the_present_pose():
    then, now = (10.0, 5.0, math.pi - 0.1), (7.0, 5.5, -math.pi + 0.2)
    world = np.asarray([[20.0, 3.0, 1.0], [-4.0, 8.0, 0.5], [6.0, -9.0, 2.0]])

    def seen_from(pose):
        cos, sin = math.cos(pose[2]), math.sin(pose[2])
        map_from_base = np.asarray([[cos, -sin, 0, pose[0]], [sin, cos, 0, pose[1]], [0, 0, 1, 0], [0, 0, 0, 1.0]])
        points = np.concatenate([world, np.ones((3, 1))], axis=1)
        return (points @ np.linalg.inv(map_from_base @ MOUNT).T)[:, :3].astype(np.float32)

    assert np.allclose(moved(seen_from(then), MOUNT, then, now), seen_from(now), atol=1e-4)


def test_joined_halves_cover_the_circle_and_the_newer_half_rules_where_both_see():
    ahead, behind = ring(-90.0, 90.0), ring(80.0, 280.0)
    behind[:, 2] = 5.0
    joined = join(behind, ahead, MOUNT, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert covered_sectors(joined).all()
    assert np.array_equal(joined[: len(ahead)], ahead)
    older = joined[len(ahead) :]
    assert (older[:, 2] == 5.0).all() and (older[:, 0] < 0.2).all() and len(older) < len(behind)
