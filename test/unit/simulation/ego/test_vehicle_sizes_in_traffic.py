"""The simulated vehicle drives and collides with its own dimensions."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from vehicles import KART, Truck

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.simulation.collisions import overlapping_agents
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState, step_vehicle
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode, LoggedEpisode
from transdiffuser_planner.simulation.episode_step import EgoObserver, EpisodeStep
from transdiffuser_planner.simulation.scenario import draw_scenario
from transdiffuser_planner.simulation.traffic.demand import VEHICLE_KINDS, ego_kind

SEED = 8101


def parked_ahead(step: EpisodeStep, rear_m: float) -> AgentStates:
    """Stationary car whose rear bumper is rear_m ahead of the ego's rear axle."""
    ego, length_m = step.world.ego, 4.0
    ahead_m = rear_m + 0.5 * length_m
    return AgentStates(
        frame_id="map", id_N=np.asarray([7], dtype=np.uint32), class_N=np.asarray([AgentClass.CAR], dtype=np.int8),
        x_m_N=np.asarray([ego.x_m + ahead_m * np.cos(ego.heading_rad)]),
        y_m_N=np.asarray([ego.y_m + ahead_m * np.sin(ego.heading_rad)]),
        heading_rad_N=np.asarray([ego.heading_rad]), speed_mps_N=np.zeros(1), length_m_N=np.asarray([length_m]),
        width_m_N=np.asarray([1.8]), height_m_N=np.asarray([1.5]), braking_N=np.asarray([False]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def truck() -> Iterator[ClosedLoopEpisode]:
    with ClosedLoopEpisode(draw_scenario(SEED, duration_s=20.0), Truck) as episode:
        episode.first = episode.start()  # type: ignore[attr-defined]
        yield episode


def described(episode: ClosedLoopEpisode, first: EpisodeStep, rear_m: float) -> EpisodeStep:
    """The first step with another agent ahead, as the episode describes its steps."""
    observer = EgoObserver(episode.route, episode.area, episode.vehicle, 20.0, first.world)
    return observer.describe(replace(first.world, agents=parked_ahead(first, rear_m=rear_m)), first.vehicle)


def test_a_truck_collides_where_a_car_does_not(truck: ClosedLoopEpisode) -> None:
    first: EpisodeStep = truck.first  # type: ignore[attr-defined]
    assert EGO_VEHICLE.front_offset_m < 6.0 < Truck.front_offset_m
    assert [contact.agent_id for contact in described(truck, first, 6.0).new_collisions] == [7]
    with ClosedLoopEpisode(draw_scenario(SEED, duration_s=20.0), EGO_VEHICLE) as car:
        assert not described(car, car.start(), 6.0).new_collisions


def test_a_truck_turns_by_its_wheelbase_and_brakes_by_its_limit(truck: ClosedLoopEpisode) -> None:
    before = truck.first.vehicle  # type: ignore[attr-defined]
    for _ in range(8):
        step = truck.step(-9.0, 0.0)
    assert step.vehicle.acceleration_mps2 == pytest.approx(-Truck.max_decel_mps2, rel=0.01)
    assert step.vehicle.speed_mps > before.speed_mps - 8 * 0.1 * Truck.max_decel_mps2
    assert step.world.ego.curvature_per_m == pytest.approx(np.tan(step.vehicle.steering_rad) / Truck.wheelbase_m)


def test_the_expert_drives_the_truck_without_collision() -> None:
    drive = LoggedEpisode(draw_scenario(SEED, duration_s=12.0), Truck)
    assert drive.progress_m() > 10.0
    assert not any(overlapping_agents(w.ego, w.agents, Truck).any() for w in drive.worlds(drive.expert_track()))


@pytest.mark.parametrize("vehicle", [Truck, KART])
def test_no_vehicle_exceeds_its_top_speed(vehicle) -> None:
    state = EgoVehicleState(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=vehicle.max_speed_mps - 1.0)
    for _ in range(200):
        state = step_vehicle(state, acceleration_cmd_mps2=9.0, steering_cmd_rad=0.0, dt_s=0.02, model=vehicle)
    assert state.speed_mps == vehicle.max_speed_mps and state.acceleration_mps2 <= 0.0


def test_the_ego_has_its_own_vehicle_type_in_traffic() -> None:
    assert "ego" not in VEHICLE_KINDS
    assert (ego_kind(Truck).length_m, ego_kind(Truck).width_m, ego_kind(Truck).accel_mps2) == (10.0, 2.5, 1.4)
