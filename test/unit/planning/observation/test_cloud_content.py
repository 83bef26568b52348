"""Clouds that show nothing of the surroundings are named with a number; whole ones are not."""

import numpy as np
import pytest

from transdiffuser_planner.core.rig import LidarMount
from transdiffuser_planner.planning.observation.cloud_content import StuckCheck, unusable

MOUNT = LidarMount(x_m=1.2, z_m=1.9).base_from_sensor()
RNG = np.random.default_rng(4)
GROUND = np.column_stack([RNG.uniform(-20, 20, (900, 2)), np.full(900, -1.9)]).astype(np.float32)
WALL = np.column_stack([np.full(200, 9.0), RNG.uniform(-5, 5, 200), RNG.uniform(-1.5, 0.5, 200)]).astype(np.float32)
SCENE = np.concatenate([GROUND, WALL])
DIRECTION = RNG.normal(size=(900, 3))
SPHERE = (7.0 * DIRECTION / np.linalg.norm(DIRECTION, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (GROUND[:12], "12 of 12 returns lie farther than 1 m, fewer than 50"),
        (SPHERE / 20.0, "0 of 900 returns lie farther than 1 m"),
        (np.tile(WALL[:1], (500, 1)), "all 500 returns are the same point, "),
        (1000.0 * SCENE, "are they in millimeters?"),
    ],
)
def test_clouds_that_show_nothing_are_named(points, expected):
    assert expected in unusable(points)


def test_whole_clouds_are_usable_also_with_a_few_far_returns():
    far = np.asarray([[900.0, 10.0, 5.0], [-1200.0, 0.0, 30.0]], dtype=np.float32)
    for points in (GROUND, SCENE, SPHERE, np.concatenate([SCENE, far]), GROUND[:60]):
        assert unusable(points) == ""


def notices(clouds, step_m):
    check = StuckCheck(MOUNT)
    return [text for i, points in enumerate(clouds) if (text := check.update(points.copy(), (step_m * i, 0.0)))]


def test_a_lidar_that_repeats_a_scene_with_obstacles_is_reported_once_while_driving():
    assert notices([SCENE] * 40, 0.6) == [
        "lidar: 18 clouds hold the same points while the vehicle moved 10 m; the sensor is stuck"
    ]
    assert not notices([SCENE] * 40, 0.0)
    assert not notices([GROUND] * 40, 0.6)
    assert not notices([SCENE + np.float32(1e-3 * i) for i in range(40)], 0.6)
