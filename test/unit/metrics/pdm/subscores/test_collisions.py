"""NC: at-fault collisions of the ego, on the straight road of scoring_scenes."""

import dataclasses

import numpy as np
import pytest
from scoring_scenes import FRONT_M, agent, area, ego, scene, straight_plan, together

from transdiffuser_planner.metrics.pdm.geometry.exact_predicates import convex_touch, orientation
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.scene import AgentKind, AreaKind


def nc(**changes: object) -> float:
    speed = changes.pop("speed", 10.0)
    return float(score_pdms(scene(**changes), straight_plan(speed)).no_at_fault_collision_M[0])


def test_an_empty_road_is_passed() -> None:
    assert nc() == 1.0


def test_driving_into_a_stationary_car_scores_zero_with_the_time_of_collision() -> None:
    # Its rear is 20.05 m ahead of the bumper: the ego travels 20.0 m in 2.0 s, 21.0 m in 2.1 s.
    scores = score_pdms(scene(agents=agent(FRONT_M + 20.05 + 2.0)), straight_plan(10.0))
    assert scores.no_at_fault_collision_M[0] == 0.0
    assert scores.score_M[0] == 0.0
    reason = next(one for one in scores.reasons[0] if one.metric == "no_at_fault_collision")
    assert (reason.agent, reason.step, reason.detail) == ("other", 21, "agent stationary")
    assert str(reason) == "no_at_fault_collision at 2.1 s, other, agent stationary"


def test_stopping_in_front_of_a_stationary_car_costs_nothing() -> None:
    assert nc(agents=agent(FRONT_M + 40.05 + 2.0)) == 1.0


def test_driving_into_a_cone_costs_half() -> None:
    assert nc(agents=agent(20.0, kind=AgentKind.TRAFFIC_CONE, size=(0.5, 0.5))) == 0.5


def test_a_cone_and_a_car_cost_as_much_as_the_car() -> None:
    cone = agent(15.0, kind=AgentKind.TRAFFIC_CONE, size=(0.5, 0.5), token="cone")
    assert nc(agents=together(cone, agent(30.0))) == 0.0


def test_being_hit_from_behind_is_not_the_egos_fault() -> None:
    assert nc(agents=agent(-10.0, velocity=(15.0, 0.0))) == 1.0


def test_being_hit_while_stationary_is_not_the_egos_fault() -> None:
    oncoming = agent(20.0, velocity=(-8.0, 0.0), heading_rad=np.pi)
    assert nc(agents=oncoming, ego=ego(0.0), speed=0.0) == 1.0


def test_the_front_bumper_against_a_driving_car_is_the_egos_fault() -> None:
    assert nc(agents=agent(20.0, velocity=(5.0, 0.0))) == 0.0


def test_a_car_that_touches_the_side_is_its_own_fault_inside_the_lane() -> None:
    assert nc(agents=agent(1.5, 3.0, velocity=(10.0, -1.0))) == 1.0


def test_a_car_that_touches_the_side_is_the_egos_fault_between_two_lanes() -> None:
    # The ego's left side at y = 2.1485 is in the oncoming lane.
    crossing = agent(1.5, 4.2, velocity=(10.0, -1.0))
    scores = score_pdms(scene(agents=crossing, ego=ego(10.0, 1.0)), straight_plan(10.0))
    assert scores.no_at_fault_collision_M[0] == 0.0
    assert "side" in [one.detail for one in scores.reasons[0] if one.metric == "no_at_fault_collision"]


def test_only_the_first_touch_of_an_agent_counts() -> None:
    # It hits the ego from behind, drives through it and is then in front of the bumper.
    through = agent(-6.0, velocity=(14.0, 0.0))
    assert nc(agents=through) == 1.0
    late = dataclasses.replace(through, valid_NS=through.valid_NS & (np.arange(51) >= 25))
    assert nc(agents=late) == 0.0


def test_an_agent_counts_only_where_it_is_valid() -> None:
    stationary = agent(20.0)
    assert nc(agents=dataclasses.replace(stationary, valid_NS=np.zeros((1, 51), dtype=bool))) == 1.0


def test_the_speed_of_an_agent_is_that_of_its_first_frame() -> None:
    # Moving at first, stationary when hit at the side in the lane: not a stationary car for the devkit.
    stops = agent(25.0, 2.1, velocity=(1.0, 0.0))
    stops.pose_NS3[...] = stops.pose_NS3[:, :1]
    later = np.array(stops.velocity_NS2)
    later[:, 1:] = 0.0
    stopped = dataclasses.replace(stops, velocity_NS2=later)
    assert nc(agents=stopped) == 0.0  # its rear right corner meets the bumper
    assert score_pdms(scene(agents=stopped), straight_plan(10.0)).reasons[0][-1].detail != "agent stationary"


@pytest.mark.parametrize(("gap", "touches"), [(-1e-9, True), (0.0, True), (1e-9, False)])
def test_boxes_that_share_only_a_border_touch(gap: float, touches: bool) -> None:
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    other = [(x + 1.0 + gap, y + 1.0) for x, y in square]
    assert convex_touch(square, other) is touches


def test_orientation_is_exact_where_floats_are_not() -> None:
    # Points on the line y = x, one moved by the smallest possible step.
    assert orientation((0.5, 0.5), (12.0, 12.0), (24.0, 24.0)) == 0
    assert orientation((0.5, 0.5), (12.0, 12.0), (24.0, np.nextafter(24.0, 25.0))) == 1
    assert orientation((0.5, 0.5), (12.0, 12.0), (24.0, np.nextafter(24.0, 23.0))) == -1


def test_a_side_collision_outside_of_every_lane_is_the_egos_fault() -> None:
    parking = (area("park", AreaKind.DRIVABLE_AREA, -50.0, 150.0, -0.5, 0.5), *scene().areas[:1])
    crossing = agent(1.5, 3.0, velocity=(10.0, -1.0))
    assert nc(areas=parking, agents=crossing) == 0.0
