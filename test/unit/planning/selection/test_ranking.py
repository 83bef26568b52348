"""Ranking of candidates whose order is obvious."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY, BevClass
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import SignalState, TrafficSignal
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.planning.safety.clearance import FAR_M
from transdiffuser_planner.planning.selection.cost_terms import SelectionInputs
from transdiffuser_planner.planning.selection.ranking import Ranking, rank
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother, SmoothPlans

SMOOTHER = PlanSmoother(TINY)
CONFIG = PlannerConfig()
TIMES = TINY.plan_times_s
ROUTE = np.stack([np.arange(0.0, 60.0, 3.0), np.zeros(20)], axis=-1)


def ahead(distance_m: float, side_m: float = 0.0) -> np.ndarray:
    """A plan that covers a distance in 4 s with constant acceleration, ending off the axis."""
    share = (TIMES / TIMES[-1]) ** 2
    return np.stack([distance_m * share, side_m * share, np.zeros(8)], axis=-1)


def ranked(plans: SmoothPlans, **given: object) -> Ranking:
    far = np.full(plans.speed_MF.shape, FAR_M)
    inputs = {
        "vehicle": EGO_VEHICLE,
        "obstacle_clearance_MF": far,
        "agent_clearance_MF": far,
        "bev_probability_KLL": None,
    }
    inputs |= {"route_R2": None, "signal": None, "previous_F3": None, **given}
    return rank(plans, np.ones(len(far), dtype=bool), SelectionInputs(**inputs), TINY, CONFIG)  # type: ignore[arg-type]


def test_a_stationary_vehicle_moves_off_if_part_of_its_candidates_do() -> None:
    rng = np.random.default_rng(0)
    distances = [*rng.normal(0.05, 0.03, 18), *rng.normal(6.0, 0.5, 12)]
    plans = SMOOTHER.smooth(np.stack([ahead(d) for d in distances]), 0.0)
    standing = np.zeros((len(SMOOTHER.time_s_F), 3))
    for previous in (None, standing):
        best = ranked(plans, route_R2=ROUTE, previous_F3=previous).order_M[0]
        assert distances[best] > 4.5


def test_one_lone_candidate_that_goes_is_not_followed() -> None:
    plans = SMOOTHER.smooth(np.stack([*[ahead(0.05 + 0.001 * i) for i in range(29)], ahead(6.0)]), 0.0)
    assert ranked(plans, route_R2=ROUTE).order_M[0] != 29


def test_the_first_centimeters_of_moving_off_are_driven() -> None:
    speed = SMOOTHER.smooth(ahead(6.0)[None], 0.0).speed_MF[0]
    assert (speed[:5] > 0.0).all() and (np.diff(speed[:20]) > -1e-3).all()


def test_among_equals_the_one_across_the_previous_path_loses() -> None:
    plans = SMOOTHER.smooth(np.stack([ahead(20.0, side_m=2.0), ahead(20.0, side_m=-2.0)]), 5.0)
    previous = SMOOTHER.smooth(ahead(20.0, side_m=2.0)[None], 5.0).pose_MF3[0]
    ranking = ranked(plans, previous_F3=previous)
    assert ranking.order_M[0] == 0
    assert ranking.cost_terms["consistency"][0] < 0.05 < ranking.cost_terms["consistency"][1]


def test_progress_on_a_lap_that_is_shorter_than_the_route_ahead_is_that_of_the_plan() -> None:
    angle = 3.0 * np.arange(20) / 8.0  # a circle of 50 m
    lap = np.stack([8.0 * np.sin(angle), 8.0 - 8.0 * np.cos(angle)], axis=-1)
    turn = np.asarray([5.0, 10.0])[:, None] * (TIMES / TIMES[-1]) / 8.0
    plans = np.stack([8.0 * np.sin(turn), 8.0 - 8.0 * np.cos(turn), turn], axis=-1)
    terms = ranked(SMOOTHER.smooth(plans, 2.0), route_R2=lap).cost_terms
    assert terms["progress"] == pytest.approx([-5.0, -10.0], abs=0.3)


def test_going_farther_on_the_previous_path_costs_nothing() -> None:
    plans = SMOOTHER.smooth(np.stack([ahead(10.0), ahead(24.0)]), 4.0)
    previous = SMOOTHER.smooth(ahead(10.0)[None], 4.0).pose_MF3[0]
    assert np.abs(ranked(plans, previous_F3=previous).cost_terms["consistency"]).max() < 1e-6


def test_a_predicted_collision_outweighs_progress() -> None:
    plans = SMOOTHER.smooth(np.stack([ahead(30.0), ahead(8.0)]), 5.0)
    clearance = np.full(plans.speed_MF.shape, FAR_M)
    clearance[0, 15:] = 0.0
    assert ranked(plans, obstacle_clearance_MF=clearance, route_R2=ROUTE).order_M[0] == 1


def test_passing_a_red_stop_line_is_the_last_choice_and_stopping_before_it_costs_nothing() -> None:
    plans = SMOOTHER.smooth(np.stack([ahead(20.0), ahead(5.0)]), 3.0)
    signal = TrafficSignal(stamp_ns=0, state=SignalState.RED, distance_m=8.0)
    ranking = ranked(plans, signal=signal, route_R2=ROUTE)
    assert ranking.order_M[0] == 1 and list(ranking.cost_terms["signal"]) == [1.0, 0.0]
    green = TrafficSignal(stamp_ns=0, state=SignalState.GREEN, distance_m=8.0)
    assert not ranked(plans, signal=green, route_R2=ROUTE).cost_terms["signal"].any()


def test_predicted_grass_costs_less_on_the_route_than_off_it() -> None:
    grass = np.zeros((len(BevClass), TINY.bev_cells, TINY.bev_cells), dtype=np.float32)
    grass[BevClass.BACKGROUND] = 1.0
    plans = SMOOTHER.smooth(np.stack([ahead(20.0), ahead(20.0, side_m=3.0)]), 5.0)
    without = ranked(plans, bev_probability_KLL=grass).cost_terms["off_road"]
    along = ranked(plans, bev_probability_KLL=grass, route_R2=ROUTE).cost_terms["off_road"]
    assert without[0] > 0.95 and without[1] > 0.95
    assert along[0] < 0.3 < along[1]


def test_probabilities_sum_to_one_over_the_feasible_candidates() -> None:
    plans = SMOOTHER.smooth(np.stack([ahead(d) for d in (5.0, 10.0, 15.0)]), 4.0)
    far = np.full(plans.speed_MF.shape, FAR_M)
    inputs = SelectionInputs(
        vehicle=EGO_VEHICLE, obstacle_clearance_MF=far, agent_clearance_MF=far, bev_probability_KLL=None, route_R2=None,
        signal=None, previous_F3=None,
    )  # fmt: skip
    feasible = np.asarray([True, False, True])
    ranking = rank(plans, feasible, inputs, TINY, CONFIG)
    assert ranking.probability_M.sum() == 1.0 and ranking.probability_M[1] == 0.0 and ranking.order_M[-1] == 1


def _two_sides(gain: float) -> Ranking:
    """A previous plan to the left; candidates left and right, the right one better by a gain in collision cost."""
    plans = SMOOTHER.smooth(np.stack([ahead(20.0, side_m=2.0), ahead(20.0, side_m=-2.0)]), 5.0)
    previous = SMOOTHER.smooth(ahead(20.0, side_m=2.0)[None], 5.0).pose_MF3[0]
    clearance = np.full(plans.speed_MF.shape, FAR_M)
    closeness = np.sqrt((gain + 0.3 * 2.0) / CONFIG.weight_collision)  # and what the right one pays for consistency
    clearance[0, 0] = 0.5 * (1.0 - closeness)
    return ranked(plans, previous_F3=previous, obstacle_clearance_MF=clearance)


def test_another_path_that_is_hardly_better_does_not_replace_the_previous_one() -> None:
    assert _two_sides(gain=0.0).order_M[0] == 0


def test_another_path_that_is_better_by_more_than_the_margin_does() -> None:
    assert _two_sides(gain=3.0).order_M[0] == 1


def later(distance_m: float, after_s: float) -> np.ndarray:
    """A plan that stands for a while and then covers a distance until 4 s with constant acceleration."""
    share = (np.maximum(TIMES - after_s, 0.0) / (TIMES[-1] - after_s)) ** 2
    return np.stack([distance_m * share, np.zeros(8), np.zeros(8)], axis=-1)


def test_a_vehicle_that_would_always_go_in_a_second_goes_now() -> None:
    plans = SMOOTHER.smooth(np.stack([*[later(6.0, 1.5)] * 20, *[later(5.5, 0.0)] * 10]), 0.0)
    assert ranked(plans, route_R2=ROUTE).order_M[0] >= 20
    moving = SMOOTHER.smooth(np.stack([*[later(20.0, 0.0)] * 20, *[later(19.5, 0.0)] * 10]), 5.0)
    assert ranked(moving, route_R2=ROUTE).order_M[0] < 20


def test_moving_off_does_not_outrank_collisions_or_red_lights() -> None:
    plans = SMOOTHER.smooth(np.stack([*[later(6.0, 1.5)] * 20, *[later(6.0, 0.0)] * 10]), 0.0)
    clearance = np.full(plans.speed_MF.shape, FAR_M)
    clearance[20:, 10:] = 0.3
    assert ranked(plans, route_R2=ROUTE, agent_clearance_MF=clearance).order_M[0] < 20
    waiting = SMOOTHER.smooth(np.stack([*[later(4.0, 1.5)] * 20, *[later(8.0, 0.0)] * 10]), 0.0)
    signal = TrafficSignal(stamp_ns=0, state=SignalState.RED, distance_m=5.0)
    assert ranked(waiting, route_R2=ROUTE, signal=signal).order_M[0] < 20


def _subscores(*pdms: float) -> np.ndarray:
    """Sub-scores (M, 5) with these PDM scores, lowered by progress only."""
    scores = np.ones((len(pdms), 5))
    scores[:, 3] = (12.0 * np.asarray(pdms) - 7.0) / 5.0
    return scores


def test_the_highest_predicted_score_is_chosen_unless_its_plan_is_unlike_all_others() -> None:
    distances = [10.0, 10.1, 10.2, 10.3, 26.0]
    plans = SMOOTHER.smooth(np.stack([ahead(d) for d in distances]), 4.0)
    assert ranked(plans, subscore_MQ=_subscores(0.6, 0.7, 0.9, 0.7, 0.6)).order_M[0] == 2
    little_better = ranked(plans, subscore_MQ=_subscores(0.6, 0.7, 0.9, 0.7, 0.92))
    assert little_better.order_M[0] == 2 and little_better.cost_terms["outlier"].argmax() == 4
    assert ranked(plans, subscore_MQ=_subscores(0.6, 0.6, 0.6, 0.6, 1.0)).order_M[0] == 4


def test_ranking_by_score_respects_red_lights_and_follows_action_tokens() -> None:
    plans = SMOOTHER.smooth(np.stack([ahead(4.0), ahead(20.0)]), 3.0)
    red = TrafficSignal(stamp_ns=0, state=SignalState.RED, distance_m=9.0)
    score = _subscores(0.7, 1.0)
    assert ranked(plans, subscore_MQ=score).order_M[0] == 1
    assert ranked(plans, subscore_MQ=score, signal=red).order_M[0] == 0
    assert ranked(plans, subscore_MQ=score, action_token_path_S3=ahead(4.0)).order_M[0] == 0
