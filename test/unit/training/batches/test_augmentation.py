"""Augmentation of a training batch."""

import numpy as np

from transdiffuser_planner.core.contract import CONDITION_INPUTS, NUM_AGENT_FEATURES, TINY, observation_specs
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.training.batches.augmentation import (
    blur_agents,
    change_colors,
    change_density,
    drop_conditions,
    drop_sensors,
    mirror,
)
from transdiffuser_planner.training.recipe import AugmentationConfig
from transdiffuser_planner.training.stages.encoder import segment_columns

SIZE = 6


def make_batch() -> dict[str, np.ndarray]:
    """Random conditions and small random images, everything valid."""
    rng = np.random.default_rng(1)
    specs = observation_specs(TINY)
    batch = {name: rng.random((SIZE, *specs[name].shape)).astype(np.float32) for name in CONDITION_INPUTS}
    batch |= {name: np.ones_like(value) for name, value in batch.items() if name.endswith("valid")}
    batch["status"][:, :4] = np.eye(4, dtype=np.float32)[DrivingCommand.LEFT]
    batch["image"] = rng.integers(0, 255, (SIZE, *specs["image"].shape), dtype=np.uint8)
    batch["lidar"] = rng.integers(0, 5, (SIZE, *specs["lidar"].shape), dtype=np.uint8)
    batch["camera_valid"] = np.tile(np.asarray([[1.0, 1.0, 0.0]], dtype=np.float32), (SIZE, 1))
    batch["lidar_valid"] = np.ones((SIZE, 1), dtype=np.float32)
    batch["plan"] = rng.random((SIZE, TINY.num_plan_steps, 3)).astype(np.float32)
    return batch


def test_mirroring_twice_gives_the_original() -> None:
    batch, chosen = make_batch(), np.ones(SIZE, dtype=bool)
    twice = mirror(mirror(batch, chosen), chosen)
    for name, value in batch.items():
        np.testing.assert_array_equal(twice[name], value, err_msg=name)


def test_mirroring_turns_left_into_right_in_every_input() -> None:
    batch = make_batch()
    out = mirror(batch, np.asarray([True] + [False] * (SIZE - 1)))
    assert out["status"][0, DrivingCommand.RIGHT] == 1.0 and out["status"][1, DrivingCommand.LEFT] == 1.0
    np.testing.assert_array_equal(out["plan"][0, :, 1], -batch["plan"][0, :, 1])
    np.testing.assert_array_equal(out["route"][0, :, 1], -batch["route"][0, :, 1])
    np.testing.assert_array_equal(out["image"][0], batch["image"][0, :, :, ::-1])
    np.testing.assert_array_equal(out["camera_valid"][0], [0.0, 1.0, 1.0])
    np.testing.assert_array_equal(out["image"][1:], batch["image"][1:])


def test_masked_sensors_are_black_and_invalid_but_never_all_of_them() -> None:
    config = AugmentationConfig(drop_camera=0.5, drop_lidar=0.5)
    batch, columns = make_batch(), segment_columns(TINY)
    out = drop_sensors(batch, columns, np.random.default_rng(3), config)
    for row in range(SIZE):
        for segment in range(3):
            if batch["camera_valid"][row, segment] and not out["camera_valid"][row, segment]:
                assert out["image"][row, :, :, columns[segment]].max() == 0
                assert out["lidar_valid"][row, 0] == 1.0
        if not out["lidar_valid"][row, 0]:
            assert out["lidar"][row].max() == 0
    assert (out["camera_valid"] != batch["camera_valid"]).any() and (out["lidar_valid"] == 0.0).any()


def test_masked_conditions_are_zero() -> None:
    config = AugmentationConfig(
        drop_route=1.0, drop_signal=1.0, drop_speed_limit=1.0, drop_history=1.0, drop_acceleration=1.0
    )
    out = drop_conditions(make_batch(), np.random.default_rng(0), config)
    for name in ("route", "signal", "speed_limit"):
        assert not out[name].any() and not out[f"{name}_valid"].any()
    assert not out["history"][:, :-1].any() and out["history_valid"][:, -1].all()
    assert not out["status"][:, 6:].any()


def test_augmentation_leaves_its_argument_unchanged() -> None:
    batch, kept = make_batch(), make_batch()
    rng, config = np.random.default_rng(0), AugmentationConfig()
    mirror(batch, np.ones(SIZE, dtype=bool))
    change_colors(batch["image"], rng, 1.0)
    drop_sensors(batch, segment_columns(TINY), rng, AugmentationConfig(drop_camera=1.0, drop_lidar=0.5))
    drop_conditions(batch, rng, config)
    for name, value in kept.items():
        np.testing.assert_array_equal(batch[name], value, err_msg=name)


def test_missed_agents_are_zeros() -> None:
    rng = np.random.default_rng(2)
    agents = rng.random((4, 8, NUM_AGENT_FEATURES)).astype(np.float32)
    out, valid = blur_agents(agents, np.ones((4, 8), dtype=np.float32), rng, AugmentationConfig(drop_agent=0.5))
    assert 0.0 < valid.mean() < 1.0
    assert not out[valid == 0.0].any() and out[valid == 1.0].any()


def test_point_clouds_get_the_density_of_other_lidars_within_the_clip() -> None:
    rng = np.random.default_rng(0)
    lidar = rng.integers(0, 6, (64, 2, 16, 16)).astype(np.uint8)
    changed = change_density(lidar, 5, rng, 0.5)
    assert changed.dtype == np.uint8 and changed.max() <= 5 and ((changed > 0) <= (lidar > 0)).all()
    ratio = changed.sum(axis=(1, 2, 3)) / lidar.sum(axis=(1, 2, 3))
    same = (changed == lidar).all(axis=(1, 2, 3))
    assert 20 <= same.sum() <= 44 and (ratio < 0.95).any() and (ratio > 1.2).any()
    assert (change_density(lidar, 5, rng, 0.0) == lidar).all()
