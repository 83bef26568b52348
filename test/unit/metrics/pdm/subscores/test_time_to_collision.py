"""TTC: constant velocity of the ego against the future poses of the agents."""

import numpy as np
from scoring_scenes import FRONT_M, SIDE_M, agent, area, ego, scene, straight_plan

from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.scene import AreaKind


def ttc(gap_m: float, velocity_mps: float, **changes: object) -> float:
    ahead = agent(FRONT_M + gap_m + 2.0, velocity=(velocity_mps, 0.0))
    return float(score_pdms(scene(agents=ahead, **changes), straight_plan(10.0)).time_to_collision_M[0])


def test_following_at_the_same_speed_is_safe() -> None:
    assert ttc(3.0, 10.0) == 1.0


def test_closing_in_within_the_look_ahead_fails_before_anything_touches() -> None:
    # 2 m/s faster: the gap of 9 m closes after 4.5 s, which is detected from 3.6 s on, look-ahead 0.9 s.
    scores = score_pdms(scene(agents=agent(FRONT_M + 9.0 + 2.0, velocity=(8.0, 0.0))), straight_plan(10.0))
    assert scores.no_at_fault_collision_M[0] == 1.0
    assert scores.time_to_collision_M[0] == 0.0
    reason = next(one for one in scores.reasons[0] if one.metric == "time_to_collision")
    assert reason.step in (36, 37)
    assert reason.detail == "would touch in 0.9 s"


def test_a_gap_that_closes_after_the_last_look_ahead_is_safe() -> None:
    assert ttc(9.9, 8.0) == 1.0  # closes after 4.95 s; the last look-ahead is at 4.9 s


def test_a_stationary_ego_has_no_time_to_collision() -> None:
    oncoming = agent(20.0, velocity=(-8.0, 0.0), heading_rad=np.pi)
    scores = score_pdms(scene(agents=oncoming, ego=ego(0.0)), straight_plan(0.0))
    assert scores.time_to_collision_M[0] == 1.0


def test_a_crossing_agent_counts_in_an_intersection_only() -> None:
    # Alongside the ego all the time; the sides, 2.25 m apart, touch after 4.5 s. Slow, because the devkit compares the agent's
    # future position with the ego's present one: at 10 m/s every agent alongside would be ahead.
    crossing = agent(1.5, -(1.0 + SIDE_M + 2.25), velocity=(1.0, 0.5))
    road = scene().areas
    crossroads = (*road, area("crossing", AreaKind.INTERSECTION, -50.0, 150.0, -9.0, 9.0))
    on_road = score_pdms(scene(agents=crossing, areas=road, ego=ego(1.0)), straight_plan(1.0))
    inside = score_pdms(scene(agents=crossing, areas=crossroads, ego=ego(1.0)), straight_plan(1.0))
    assert on_road.no_at_fault_collision_M[0] == inside.no_at_fault_collision_M[0] == 1.0
    assert on_road.time_to_collision_M[0] == 1.0
    assert inside.time_to_collision_M[0] == 0.0
