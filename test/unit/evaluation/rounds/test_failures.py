"""Failures of a drive and the steps to return to."""

import numpy as np

from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.evaluation.rounds.drive_trace import DriveTrace, PlannedCycle
from transdiffuser_planner.evaluation.rounds.failures import Failure, FailureKind, find_failures, search_points
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState

NUM_STEPS = 200


def trace(**given: object) -> DriveTrace:
    """A drive of 20 s at 5 m/s that plans every fifth step."""
    speed = given.pop("speed_mps", np.full(NUM_STEPS, 5.0))
    states = [EgoVehicleState(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=float(v)) for v in speed]  # type: ignore[attr-defined]
    cycle = PlannedCycle(pose_MT3=np.zeros((1, 8, 3), dtype=np.float32), chosen=0)
    values = {
        "off_road": [False] * NUM_STEPS,
        "ttc_s": [np.inf] * NUM_STEPS,
        "held_m": [np.inf] * NUM_STEPS,
        "cycles": dict.fromkeys(range(0, NUM_STEPS, 5), cycle),
    }
    return DriveTrace(vehicle=EGO_VEHICLE, states=states, **(values | given))  # type: ignore[arg-type]


def test_a_drive_without_events_has_no_failure() -> None:
    assert find_failures(trace()) == []


def test_a_near_miss_before_a_contact_is_part_of_it() -> None:
    ttc_s = [np.inf] * NUM_STEPS
    ttc_s[95:100] = [0.5] * 5
    ttc_s[20] = 0.9
    found = find_failures(trace(at_fault=[(100, "car")], ttc_s=ttc_s))
    assert [(item.kind, item.step) for item in found] == [(FailureKind.NEAR_MISS, 20), (FailureKind.CONTACT, 100)]


def test_each_departure_from_the_road_is_a_failure() -> None:
    off = [False] * NUM_STEPS
    off[50:60], off[150:155] = [True] * 10, [True] * 5
    assert [item.step for item in find_failures(trace(off_road=off))] == [50, 150]


def test_a_wait_counts_after_four_seconds_and_not_at_a_red_light() -> None:
    speed = np.full(NUM_STEPS, 5.0)
    speed[60:150] = 0.0
    found = find_failures(trace(speed_mps=speed))
    assert [(item.kind, item.step) for item in found] == [(FailureKind.WAIT, 99), (FailureKind.WAIT, 139)]
    assert find_failures(trace(speed_mps=speed, held_m=[5.0] * NUM_STEPS)) == []


def test_search_points_are_planning_cycles_two_to_four_seconds_before_a_failure() -> None:
    contact, wait = Failure(kind=FailureKind.CONTACT, step=102), Failure(kind=FailureKind.WAIT, step=99)
    found = [(item.step, item.failure.kind) for item in search_points(trace(), [contact, wait])]
    assert found == [(60, contact.kind), (70, contact.kind), (80, contact.kind), (95, wait.kind)]


def test_no_search_point_lies_before_the_drive() -> None:
    early = Failure(kind=FailureKind.OFF_ROAD, step=25)
    assert [item.step for item in search_points(trace(), [early])] == [5]
