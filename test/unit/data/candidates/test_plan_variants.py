"""Variants of the driven plan."""

import numpy as np

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.data.candidates.plan_variants import (
    BRAKES_MPS2,
    NUM_VARIANTS,
    PACES,
    SHIFTS_M,
    VARIANT_KINDS,
    PlanKind,
    variants_of,
)

TIME = TINY.plan_times_s


def _curve(speed_mps: float) -> np.ndarray:
    heading = 0.02 * speed_mps * TIME
    radius = 1.0 / 0.02
    return np.stack([radius * np.sin(heading), radius * (1.0 - np.cos(heading)), heading], axis=-1)


def _of(kind: PlanKind, plan: np.ndarray, speed_mps: float) -> np.ndarray:
    return variants_of(plan, speed_mps, TIME)[np.asarray(VARIANT_KINDS) == kind]


def test_paced_plans_stay_on_the_path_and_end_at_their_share_of_it() -> None:
    plan = _curve(8.0)
    for factor, paced in zip(PACES, _of(PlanKind.PACED, plan, 8.0), strict=True):
        along = np.hypot(*np.diff(np.concatenate([np.zeros((1, 2)), paced[:, :2]]), axis=0).T).sum()
        np.testing.assert_allclose(along, factor * 32.0, rtol=0.01)
        on_circle = np.hypot(paced[:, 0], paced[:, 1] - 50.0)
        assert np.abs(on_circle[paced[:, 0] <= plan[-1, 0]] - 50.0).max() < 0.1


def test_shifted_plans_end_beside_the_driven_one_and_point_along_their_path() -> None:
    plan = np.stack([8.0 * TIME, np.zeros(8), np.zeros(8)], axis=-1)
    shifted = _of(PlanKind.SHIFTED, plan, 8.0)
    np.testing.assert_allclose(shifted[: len(SHIFTS_M), -1, 1], SHIFTS_M)
    np.testing.assert_allclose(shifted[:, -1, 2], 0.0, atol=1e-9)
    assert (np.sign(shifted[:, 1, 2]) == np.sign(shifted[:, -1, 1])).all()


def test_a_standing_vehicle_is_neither_shifted_nor_moved_by_braking() -> None:
    standing = np.zeros((8, 3))
    np.testing.assert_array_equal(variants_of(standing, 0.0, TIME), np.zeros((NUM_VARIANTS, 8, 3)))


def test_stops_end_at_the_braking_distance() -> None:
    plan = np.stack([8.0 * TIME, np.zeros(8), np.zeros(8)], axis=-1)
    ends = _of(PlanKind.STOPPED, plan, 8.0)[:, -1, 0]
    np.testing.assert_allclose(ends, [64.0 / (2.0 * brake) for brake in BRAKES_MPS2])
    np.testing.assert_array_equal(_of(PlanKind.DRIVEN, plan, 8.0)[0], plan)
