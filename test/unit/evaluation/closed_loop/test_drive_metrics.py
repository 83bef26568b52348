"""Metrics of a drive, by cases that can be computed by hand."""

import numpy as np
import pytest

pytest.importorskip("libsumo")

from vehicles import KART, Truck

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.types import DrivingCommand, NotReady, SignalState, TrafficSignal, Trajectory
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.evaluation.closed_loop.drive_metrics import DriveMetrics
from transdiffuser_planner.evaluation.closed_loop.driving_score import driving_score, progress_share, scene_score
from transdiffuser_planner.evaluation.closed_loop.ride_comfort import violated_limits
from transdiffuser_planner.evaluation.closed_loop.time_to_collision import time_to_collision_s
from transdiffuser_planner.evaluation.intervals import bootstrap
from transdiffuser_planner.simulation.collisions import Collision, CollisionKind
from transdiffuser_planner.simulation.ego.kinematic_bicycle import state_from_pose
from transdiffuser_planner.simulation.episode_step import EpisodeStep
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.rollout.rollout import RolloutStep
from transdiffuser_planner.simulation.rollout.rollout_events import EventCounter
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

STEP_NS = 100_000_000
SCENARIO = Scenario(map_name="town-001", seed=1, duration_s=10.0)


def agents(x_m: list[float], speed_mps: float, heading_rad: float = 0.0) -> AgentStates:
    count = len(x_m)
    return AgentStates(
        frame_id="map",
        id_N=np.arange(count, dtype=np.uint32),
        class_N=np.zeros(count, dtype=np.int8),
        x_m_N=np.asarray(x_m),
        y_m_N=np.zeros(count),
        heading_rad_N=np.full(count, heading_rad),
        speed_mps_N=np.full(count, speed_mps),
        length_m_N=np.full(count, 4.0),
        width_m_N=np.full(count, 2.0),
        height_m_N=np.full(count, 1.5),
        braking_N=np.zeros(count, dtype=bool),
    )


def world(index: int = 0, x_m: float = 0.0, speed_mps: float = 10.0, others: AgentStates | None = None) -> WorldState:
    ego = EgoPose(x_m=x_m, y_m=0.0, heading_rad=0.0, speed_mps=speed_mps)
    return WorldState(stamp_ns=index * STEP_NS, ego=ego, agents=others or AgentStates.empty("map"))


def step(index: int = 0, *, end_reason: str = "", on_road: bool = True, signal=None, hits=(), **state) -> EpisodeStep:
    now = world(index, **state)
    return EpisodeStep(
        world=now, vehicle=state_from_pose(now.ego, EGO_VEHICLE), route_s_m=20.0 + now.ego.x_m, route_offset_m=0.0,
        progress_m=now.ego.x_m, command=DrivingCommand.STRAIGHT, speed_limit_mps=13.9, signal=signal,
        new_collisions=tuple(hits), on_road=on_road, end_reason=end_reason,
    )  # fmt: skip


def collision(*, at_fault: bool = True, agent_class: AgentClass = AgentClass.CAR, stamp_ns: int = 0) -> Collision:
    return Collision(
        stamp_ns=stamp_ns,
        agent_id=7,
        agent_class=agent_class,
        kind=CollisionKind.FRONT,
        at_fault=at_fault,
        relative_speed_mps=3.0,
    )


def straight_route(length_m: float) -> GlobalRoute:
    s_N = np.arange(0.0, length_m + 1.0, 2.0)
    return GlobalRoute(
        xy_N2=np.stack([s_N, np.zeros_like(s_N)], axis=-1), s_N=s_N, speed_limit_mps_N=np.full_like(s_N, 13.9),
        lane_width_m_N=np.full_like(s_N, 3.2), signals=(), turns=(), lanes=(),
    )  # fmt: skip


def plan(stamp_ns: int, offset_m: float) -> Trajectory:
    times = np.linspace(0.0, 4.0, 41)
    x_m = 10.0 * (times + stamp_ns * 1e-9)
    zeros = np.zeros_like(times)
    return Trajectory(
        stamp_ns=stamp_ns, frame_id="map", time_s_T=times, x_m_T=x_m, y_m_T=zeros + offset_m, heading_rad_T=zeros,
        speed_mps_T=zeros + 10.0, accel_mps2_T=zeros, curvature_per_m_T=zeros,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("collisions", "reds", "off_road", "deviates", "expected"),
    [
        ([], 0, 0.0, False, 80.0),
        ([collision()], 0, 0.0, False, 48.0),
        ([collision(agent_class=AgentClass.PEDESTRIAN)], 0, 0.0, False, 40.0),
        ([collision(at_fault=False)], 0, 0.0, False, 80.0),
        ([], 2, 0.0, False, 39.2),
        ([], 0, 0.25, False, 60.0),
        ([], 0, 0.0, True, 56.0),
        ([collision(), collision()], 1, 0.5, True, 7.056),
    ],
)
def test_the_driving_score_is_progress_times_a_factor_for_each_infraction(
    collisions, reds, off_road, deviates, expected
) -> None:
    assert driving_score(0.8, collisions, reds, off_road, route_deviation=deviates) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("share", "collisions", "off_road_s", "offset_m", "expected"),
    [(0.4, 0, 0.0, 1.0, 0.5), (0.9, 0, 0.0, 4.0, 1.0), (1.0, 1, 0.0, 0.0, 0.0), (1.0, 0, 0.1, 0.0, 0.0), (1.0, 0, 0.0, 4.1, 0.0)],
)  # fmt: skip
def test_the_scene_score_is_zero_after_a_failure_and_progress_otherwise(
    share, collisions, off_road_s, offset_m, expected
) -> None:
    assert scene_score(share, collisions, off_road_s, offset_m) == pytest.approx(expected)


def test_progress_is_relative_to_the_expert_unless_the_expert_hardly_moves_or_the_route_is_done() -> None:
    assert progress_share(50.0, 200.0, at_route_end=False) == 0.25
    assert progress_share(250.0, 200.0, at_route_end=False) == 1.0
    assert progress_share(0.0, 4.9, at_route_end=False) == 1.0
    assert progress_share(150.0, 200.0, at_route_end=True) == 1.0


def test_time_to_collision_is_the_gap_over_the_difference_of_speeds() -> None:
    # Front bumper at 3.9 m, rear of the other at 23 - 2 m: 17.1 m at 10 m/s; times are checked every 0.1 s.
    assert time_to_collision_s(world(others=agents([23.0], 0.0)), EGO_VEHICLE) == pytest.approx(1.8)
    assert time_to_collision_s(world(others=agents([23.0], 5.0)), EGO_VEHICLE) is None
    assert time_to_collision_s(world(others=agents([33.0], 10.0, np.pi)), EGO_VEHICLE) == pytest.approx(1.4)
    assert time_to_collision_s(world(others=agents([-10.0], 30.0)), EGO_VEHICLE) is None, "agents behind do not count"
    assert time_to_collision_s(world(speed_mps=0.0, others=agents([8.0], 10.0, np.pi)), EGO_VEHICLE) is None
    assert time_to_collision_s(world(), EGO_VEHICLE) is None
    ahead = world(others=agents([23.0], 0.0))
    assert time_to_collision_s(ahead, Truck) < 1.8 < time_to_collision_s(ahead, KART)


def test_comfort_names_the_violated_limit_and_its_steps() -> None:
    poses = [EgoPose(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=5.0, acceleration_mps2=0.0) for _ in range(40)]
    assert not any(steps.any() for steps in violated_limits(poses).values())
    for index in range(20, 40):
        poses[index] = EgoPose(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=5.0, acceleration_mps2=-5.0)
    violated = violated_limits(poses)
    assert violated["forward acceleration"][28:].all() and not violated["forward acceleration"][:16].any()
    assert violated["forward jerk"][18:22].any() and not violated["yaw rate"].any()


def test_a_drive_is_summarized_in_its_row_and_its_events() -> None:
    metrics = DriveMetrics(vehicle=EGO_VEHICLE)
    red = TrafficSignal(stamp_ns=0, state=SignalState.RED, distance_m=1.0)
    for index in range(100):
        signal = red if index == 30 else None
        hits = (collision(stamp_ns=50 * STEP_NS),) if index == 50 else ()
        off = 60 <= index < 80
        now = step(index, x_m=1.0 * index, signal=signal, hits=hits, on_road=not off)
        metrics.on_step(RolloutStep(step=now, outcome=plan(now.world.stamp_ns, 0.5 * (index % 2))))
    last = RolloutStep(step=step(100, x_m=100.0, end_reason="duration"))
    metrics.on_step(last)
    row = metrics.result(last, SCENARIO, straight_route(260.0), expert_m=125.0)
    assert row["progress"] == 0.8 and row["route_completion"] == 0.5
    assert (row["at_fault_collisions"], row["red_lights"], row["off_road_s"]) == (1, 1, 2.0)
    assert row["driving_score"] == pytest.approx(80.0 * 0.6 * 0.7 * (1.0 - 20 / 101), abs=0.01)
    assert (
        row["plan_deviation_m"] == 0.5
        and row["comfort"] == 1.0
        and row["fallbacks"] == 0.0
        and row["ttc_min_s"] is None
    )
    assert [(event["kind"], event["time_s"]) for event in row["events"]] == [
        ("red light", 3.1),
        ("collision", 5.0),
        ("off road", 6.0),
    ]


def test_cycles_without_a_plan_count_as_fallbacks_and_as_one_event_while_they_last() -> None:
    metrics = DriveMetrics(vehicle=EGO_VEHICLE)
    for index in range(20):
        outcome = NotReady(reason="no lidar") if 5 <= index < 10 else plan(index * STEP_NS, 0.0)
        metrics.on_step(RolloutStep(step=step(index, x_m=1.0 * index), outcome=outcome))
    row = metrics.result(RolloutStep(step=step(20, x_m=20.0)), SCENARIO, straight_route(260.0), expert_m=20.0)
    assert row["fallbacks"] == 0.25
    assert [event for event in row["events"] if event["kind"] == "fallback"] == [
        {"time_s": 0.5, "kind": "fallback", "text": "no plan: no lidar (0.5 s)"}
    ]


def test_a_red_light_counts_when_its_line_is_passed_and_not_when_it_is_stopped_at() -> None:
    counter = EventCounter()
    for index, (distance_m, speed_mps) in enumerate([(3.0, 5.0), (1.2, 0.4), (0.9, 0.0), (0.9, 0.0)]):
        signal = TrafficSignal(stamp_ns=0, state=SignalState.RED, distance_m=distance_m)
        counter.on_step(RolloutStep(step=step(index, signal=signal, speed_mps=speed_mps)))
    assert counter.red_light_ns == []
    counter.on_step(RolloutStep(step=step(4, signal=None, speed_mps=2.0)))
    assert counter.red_light_ns == [4 * STEP_NS]


def test_the_bootstrap_gives_the_same_interval_every_time_and_covers_the_mean() -> None:
    values = np.random.default_rng(3).normal(50.0, 10.0, 100)
    interval = bootstrap(values)
    assert interval == bootstrap(values)
    assert interval.mean == pytest.approx(values.mean()) and interval.low < interval.mean < interval.high
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 10.0, rel=0.1)
    assert bootstrap([]) is None and bootstrap([4.0]).low == bootstrap([4.0]).high == 4.0
