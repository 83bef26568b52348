"""Plans next to a model's own: drivable, along its path or the route."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.evaluation.rounds.alternatives import (
    ACCELERATIONS_MPS2,
    SHIFTS_M,
    alternative_plans,
    own_path,
    route_path,
)

TIMES = TINY.plan_times_s
ROUTE = np.stack([np.arange(0.0, 60.0), np.full(60, 1.5)], axis=-1)


def straight(speed_mps: float) -> np.ndarray:
    return np.stack([speed_mps * TIMES, np.zeros(8), np.zeros(8)], axis=-1)


def test_there_is_one_plan_per_speed_profile_and_path_and_one_per_shift() -> None:
    plans = alternative_plans(straight(8.0), ROUTE, 8.0, 13.9, TIMES)
    assert plans.shape == (2 * len(ACCELERATIONS_MPS2) + len(SHIFTS_M), 8, 3)
    assert np.isfinite(plans).all()
    stop, keep = plans[0], plans[ACCELERATIONS_MPS2.index(0.0)]
    assert stop[-1, 0] == pytest.approx(8.0**2 / (2.0 * 5.0), abs=0.05)
    assert keep[:, :2] == pytest.approx(straight(8.0)[:, :2])


def test_plans_along_the_route_end_on_it_and_begin_at_the_vehicle() -> None:
    path = route_path(ROUTE, 8.0)
    assert path[0] == pytest.approx([0.0, 0.0])
    assert path[-1, 1] == pytest.approx(1.5)


def test_shifted_plans_end_next_to_the_models_plan() -> None:
    plans = alternative_plans(straight(8.0), ROUTE, 8.0, 13.9, TIMES)
    assert plans[-len(SHIFTS_M) :, -1, 1] == pytest.approx(SHIFTS_M, abs=0.05)


def test_no_profile_exceeds_the_limit() -> None:
    plans = alternative_plans(straight(8.0), ROUTE, 8.0, 9.0, TIMES)
    assert plans[:, -1, 0].max() <= 9.0 * TIMES[-1]


def test_a_plan_that_stands_has_a_path_ahead() -> None:
    path = own_path(straight(0.0))
    assert path[-1, 0] > 20.0
