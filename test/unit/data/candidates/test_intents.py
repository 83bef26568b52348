"""Meta-actions as plans."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.data.candidates.intents import meta_actions

TIME = TINY.plan_times_s
ROUTE = np.stack([3.0 * np.arange(1, 21), np.zeros(20)], axis=-1)


def test_paces_and_sides_lead_where_their_names_say() -> None:
    plans = meta_actions(ROUTE, 8.0, None, TIME)
    assert len(plans) == 9
    ends = {name: plan[-1] for name, plan in plans.items()}
    assert ends["slower straight"][0] < ends["keep straight"][0] < ends["faster straight"][0]
    assert ends["keep straight"][0] == pytest.approx(32.0, abs=0.3)
    assert ends["keep left"][1] == pytest.approx(3.2) and ends["keep right"][1] == pytest.approx(-3.2)


def test_a_stationary_vehicle_can_start_only_and_the_limit_is_kept() -> None:
    assert set(meta_actions(ROUTE, 0.0, None, TIME)) == {"faster left", "faster straight", "faster right"}
    plan = meta_actions(ROUTE, 8.0, 9.0, TIME)["faster straight"]
    assert np.diff(plan[:, 0]).max() / TINY.plan_interval_s == pytest.approx(9.0, abs=0.1)


def test_without_a_route_straight_is_straight_ahead() -> None:
    plan = meta_actions(np.zeros((0, 2)), 5.0, None, TIME)["keep straight"]
    np.testing.assert_allclose(plan, np.stack([5.0 * TIME, 0.0 * TIME, 0.0 * TIME], axis=-1), atol=0.3)
