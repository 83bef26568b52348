"""Dynamics of the ego, fault of collisions, and splits of scenarios."""

import numpy as np
import pytest

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.simulation.collisions import CollisionKind, find_collisions
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState, step_vehicle
from transdiffuser_planner.simulation.scenario import Scenario, Split, draw_scenario, split_of_seed
from transdiffuser_planner.simulation.world_state import EgoPose


def one_car(x: float, y: float, heading: float = 0.0, speed: float = 5.0) -> AgentStates:
    """A car in the map frame."""
    return AgentStates(
        frame_id="map",
        id_N=np.asarray([7], dtype=np.uint32),
        class_N=np.asarray([AgentClass.CAR], dtype=np.int8),
        x_m_N=np.asarray([x]),
        y_m_N=np.asarray([y]),
        heading_rad_N=np.asarray([heading]),
        speed_mps_N=np.asarray([speed]),
        length_m_N=np.asarray([4.5]),
        width_m_N=np.asarray([1.8]),
        height_m_N=np.asarray([1.5]),
        braking_N=np.asarray([False]),
    )


def run(state: EgoVehicleState, acceleration: float, steering: float, seconds: float) -> EgoVehicleState:
    for _ in range(round(seconds / 0.02)):
        state = step_vehicle(
            state, acceleration_cmd_mps2=acceleration, steering_cmd_rad=steering, dt_s=0.02, model=EGO_VEHICLE
        )
    return state


def test_constant_steering_follows_the_circle_of_the_bicycle_model() -> None:
    steering = 0.2
    start = EgoVehicleState(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=6.0, steering_rad=steering)
    radius = EGO_VEHICLE.wheelbase_m / np.tan(steering)
    end = run(start, 0.0, steering, 2.0)
    assert np.hypot(end.x_m, end.y_m - radius) == pytest.approx(radius, rel=1e-3)
    assert end.heading_rad == pytest.approx(6.0 * 2.0 / radius, rel=1e-3)


def test_braking_stops_without_reversing() -> None:
    end = run(EgoVehicleState(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=5.0), -50.0, 0.0, 4.0)
    assert end.speed_mps == 0.0
    assert end.x_m >= 5.0**2 / (2.0 * EGO_VEHICLE.max_decel_mps2) - 0.01


@pytest.mark.parametrize(
    ("car", "ego_speed", "kind", "at_fault"),
    [
        (one_car(5.5, 0.0), 8.0, CollisionKind.FRONT, True),
        (one_car(5.5, 0.0, speed=0.0), 8.0, CollisionKind.STOPPED_AGENT, True),
        (one_car(-2.5, 0.0, speed=9.0), 4.0, CollisionKind.REAR, False),
        (one_car(1.0, 1.7), 4.0, CollisionKind.SIDE, False),
        (one_car(5.5, 0.0), 0.0, CollisionKind.EGO_STANDING, False),
    ],
)
def test_fault_depends_on_the_kind_of_collision(
    car: AgentStates, ego_speed: float, kind: CollisionKind, at_fault: bool
) -> None:
    ego = EgoPose(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=ego_speed)
    found = find_collisions(ego, car, 0, ego_in_own_lane=True, vehicle=EGO_VEHICLE)
    assert [(c.kind, c.at_fault) for c in found] == [(kind, at_fault)]


def test_a_side_collision_outside_its_lane_is_the_egos_fault() -> None:
    ego = EgoPose(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=4.0)
    assert find_collisions(ego, one_car(1.0, 1.7), 0, ego_in_own_lane=False, vehicle=EGO_VEHICLE)[0].at_fault


def test_cars_10_cm_apart_do_not_collide() -> None:
    ego = EgoPose(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=4.0)
    car = one_car(EGO_VEHICLE.front_offset_m + 4.5 / 2 + 0.1, 0.0)
    assert not find_collisions(ego, car, 0, ego_in_own_lane=True, vehicle=EGO_VEHICLE)


def test_each_seed_belongs_to_one_split() -> None:
    assert [split_of_seed(seed) for seed in (0, 7999, 8000, 8999, 9000)] == [
        Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.VALIDATION, Split.TEST
    ]  # fmt: skip
    with pytest.raises(SimulationError, match="belongs to the test set"):
        draw_scenario(9001, Split.TRAIN)


def test_towns_of_the_splits_are_disjoint() -> None:
    train = {draw_scenario(seed).map_name for seed in range(300)}
    validation = {draw_scenario(seed).map_name for seed in range(8000, 8300)}
    test = {draw_scenario(seed).map_name for seed in range(9000, 9300)}
    towns = [{name for name in names if name.startswith("town")} for names in (train, validation, test)]
    assert not towns[0] & towns[1] and not towns[0] & towns[2] and not towns[1] & towns[2]


def test_a_scenario_out_of_bounds_is_rejected() -> None:
    with pytest.raises(SimulationError, match="duration"):
        Scenario(map_name="town-001", seed=1, duration_s=0.0)
