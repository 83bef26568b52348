"""The scorer as a gate of the rules' choice, and moving off with a scorer."""

from dataclasses import replace

import numpy as np

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import SignalState, TrafficSignal
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.planning.safety.clearance import FAR_M
from transdiffuser_planner.planning.selection.cost_terms import SelectionInputs
from transdiffuser_planner.planning.selection.ranking import Ranking, rank
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother

SMOOTHER = PlanSmoother(TINY)
GATED = PlannerConfig(selection="gated")
SCORER = PlannerConfig(selection="scorer")
ROUTE = np.stack([np.arange(0.0, 60.0, 3.0), np.zeros(20)], axis=-1)
TIMES = TINY.plan_times_s
GOOD = [1.0, 1.0, 1.0, 1.0, 1.0]


def ranked(ends_m: list[float], speed_mps: float, subscores: list[list[float]], config: PlannerConfig) -> Ranking:
    """Straight plans that end at these distances, with the scorer's predictions."""
    share = TIMES / TIMES[-1] if speed_mps > 0.0 else (TIMES / TIMES[-1]) ** 2
    poses = np.stack([np.stack([end * share, 0.0 * share, 0.0 * share], axis=-1) for end in ends_m])
    plans = SMOOTHER.smooth(poses, speed_mps)
    far = np.full(plans.speed_MF.shape, FAR_M)
    inputs = SelectionInputs(
        vehicle=EGO_VEHICLE,
        obstacle_clearance_MF=far,
        agent_clearance_MF=far,
        bev_probability_KLL=None,
        route_R2=ROUTE,
        signal=None,
        previous_F3=None,
        subscore_MQ=np.asarray(subscores),
    )
    return rank(plans, np.ones(len(ends_m), dtype=bool), inputs, TINY, config)


def test_the_choice_of_the_rules_stays_while_the_scorer_sees_no_fault_and_no_clear_gain() -> None:
    slightly_worse = [1.0, 1.0, 0.9, 0.9, 1.0]
    assert ranked([20.0, 19.0], 5.0, [slightly_worse, GOOD], GATED).order_M[0] == 0
    assert ranked([20.0, 19.0], 5.0, [slightly_worse, GOOD], SCORER).order_M[0] == 1


def test_an_alarm_replaces_the_choice_of_the_rules() -> None:
    fault = [0.3, 1.0, 1.0, 1.0, 1.0]
    assert ranked([20.0, 19.0], 5.0, [fault, GOOD], GATED).order_M[0] == 1
    deaf = replace(GATED, gate_alarm=0.0, gate_gain=1.0)
    assert ranked([20.0, 19.0], 5.0, [fault, GOOD], deaf).order_M[0] == 0


def test_a_clear_gain_replaces_the_choice_of_the_rules() -> None:
    late = [1.0, 1.0, 0.3, 1.0, 1.0]
    assert ranked([20.0, 19.0], 5.0, [late, GOOD], GATED).order_M[0] == 1


def test_an_alarm_of_all_plans_changes_nothing() -> None:
    fault = [0.3, 1.0, 1.0, 1.0, 1.0]
    assert ranked([20.0, 19.0], 5.0, [fault, fault], GATED).order_M[0] == 0


def test_a_stationary_vehicle_with_a_free_way_moves_off_whatever_the_scorer_predicts() -> None:
    ends_m, doubted = [0.0, 6.0, 6.5], [0.4, 1.0, 0.2, 1.0, 1.0]
    scores = [GOOD, doubted, doubted]
    for config in (SCORER, GATED):
        assert ranked(ends_m, 0.0, scores, config).order_M[0] in (1, 2)
    assert ranked(ends_m, 0.0, scores, replace(SCORER, move_off_when_free=False)).order_M[0] == 0


def test_a_red_light_is_not_passed_for_a_gain() -> None:
    late = [1.0, 1.0, 0.3, 0.3, 1.0]
    poses = [4.0, 30.0]
    red = TrafficSignal(stamp_ns=0, state=SignalState.RED, distance_m=10.0)
    plans = SMOOTHER.smooth(
        np.stack([np.stack([end * TIMES / 4.0, 0.0 * TIMES, 0.0 * TIMES], axis=-1) for end in poses]), 4.0
    )
    far = np.full(plans.speed_MF.shape, FAR_M)
    inputs = SelectionInputs(
        vehicle=EGO_VEHICLE,
        obstacle_clearance_MF=far,
        agent_clearance_MF=far,
        bev_probability_KLL=None,
        route_R2=ROUTE,
        signal=red,
        previous_F3=None,
        subscore_MQ=np.asarray([late, GOOD]),
    )
    assert rank(plans, np.ones(2, dtype=bool), inputs, TINY, GATED).order_M[0] == 0
