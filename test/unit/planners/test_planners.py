"""Planners of a suite: baselines plan as specified, names resolve to planners."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo")

from vehicles import KART, Truck

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import DrivingCommand, EgoState, NotReady, SignalState, TrafficSignal, Trajectory
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.planners.constant_velocity import ConstantVelocityPlanner
from transdiffuser_planner.planners.idm import IdmPlanner, acceleration, agents_on_route, must_stop
from transdiffuser_planner.planners.log_future import LogFuturePlanner
from transdiffuser_planner.planners.pdm_closed import PdmClosedPlanner
from transdiffuser_planner.planners.planner_names import COMPARED, DRIVING, RENAMED, SELECTIONS
from transdiffuser_planner.planners.registry import make_specs, suite_config, suite_rig
from transdiffuser_planner.simulation import expert_cache
from transdiffuser_planner.simulation.ego.kinematic_bicycle import state_from_pose
from transdiffuser_planner.simulation.episode_step import EpisodeStep
from transdiffuser_planner.simulation.expert_cache import expert_drive
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.rollout.planner_interface import (
    PlannerInitialization,
    PlannerInput,
    trajectory_of,
)
from transdiffuser_planner.simulation.rollout.rollout import Rollout
from transdiffuser_planner.simulation.scenario import Scenario, draw_scenario
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

SCENARIO = draw_scenario(8003, duration_s=10.0)


def route() -> GlobalRoute:
    s_N = np.arange(0.0, 301.0, 2.0)
    return GlobalRoute(
        xy_N2=np.stack([s_N, np.zeros_like(s_N)], axis=-1), s_N=s_N, speed_limit_mps_N=np.full_like(s_N, 10.0),
        lane_width_m_N=np.full_like(s_N, 3.2), signals=(), turns=(), lanes=(),
    )  # fmt: skip


def agent(x_m: float, y_m: float = 0.0, speed_mps: float = 0.0) -> AgentStates:
    one = np.ones(1)
    return AgentStates(
        frame_id="map", id_N=one.astype(np.uint32), class_N=np.zeros(1, dtype=np.int8), x_m_N=x_m * one, y_m_N=y_m * one,
        heading_rad_N=0.0 * one, speed_mps_N=speed_mps * one, length_m_N=4.0 * one, width_m_N=2.0 * one,
        height_m_N=one, braking_N=np.zeros(1, dtype=bool),
    )  # fmt: skip


def planner_input(
    speed_mps: float, others: AgentStates | None = None, signal: TrafficSignal | None = None
) -> PlannerInput:
    pose = EgoPose(x_m=50.0, y_m=0.0, heading_rad=0.0, speed_mps=speed_mps)
    world = WorldState(stamp_ns=0, ego=pose, agents=others or AgentStates.empty("map"))
    step = EpisodeStep(
        world=world, vehicle=state_from_pose(pose, EGO_VEHICLE), route_s_m=50.0, route_offset_m=0.0, progress_m=0.0,
        command=DrivingCommand.STRAIGHT, speed_limit_mps=10.0, signal=signal,
    )  # fmt: skip
    ego = EgoState(stamp_ns=0, frame_id="map", x_m=50.0, y_m=0.0, heading_rad=0.0, vx_mps=speed_mps)
    return PlannerInput(step=step, ego=ego, snapshot=None)


def idm_plan(*args, **keywords) -> Trajectory:
    planner = IdmPlanner()
    empty = RoadMap(name="", lanes=(), junctions=(), walking_areas=(), stop_lines=(), heads=(), buildings=())
    initialization = PlannerInitialization(
        scenario=Scenario(map_name="town-001", seed=1), vehicle=EGO_VEHICLE, route=route(), road_map=empty
    )
    planner.reset(initialization)
    return planner.plan(planner_input(*args, **keywords))


def test_constant_velocity_plans_straight_ahead() -> None:
    plan = ConstantVelocityPlanner().plan(planner_input(6.0))
    assert plan.x_m_T[-1] == pytest.approx(50.0 + 4.0 * 6.0) and not plan.y_m_T.any()


def test_idm_accelerates_towards_the_limit_on_a_free_road() -> None:
    speeds = idm_plan(5.0).speed_mps_T
    assert np.all(np.diff(speeds) > 0.0) and speeds[-1] < 10.0
    assert acceleration(10.0, 10.0, np.zeros(0), np.zeros(0)) == 0.0


def test_idm_stops_behind_stationary_agents_on_the_route_only() -> None:
    # Rear bumper at 78 m, own front bumper at 53.9 m.
    assert idm_plan(8.0, agent(80.0)).speed_mps_T[-1] < 2.0
    assert idm_plan(8.0, agent(80.0, y_m=3.5)).speed_mps_T[-1] > 8.0
    assert idm_plan(8.0, agent(30.0)).speed_mps_T[-1] > 8.0
    assert idm_plan(8.0, agent(300.0)).speed_mps_T[-1] > 8.0


def test_leaders_have_their_rear_and_their_speed_along_the_route() -> None:
    leaders = agents_on_route(route(), 53.9, agent(80.0, y_m=1.5, speed_mps=4.0), EGO_VEHICLE)
    assert leaders.rear_m_L == pytest.approx([78.0]) and leaders.speed_L == pytest.approx([4.0])


def test_a_wide_vehicle_follows_an_agent_that_a_narrow_one_passes() -> None:
    near_edge = agent(80.0, y_m=2.2, speed_mps=4.0)
    assert len(agents_on_route(route(), 53.9, near_edge, Truck).rear_m_L) == 1
    assert len(agents_on_route(route(), 53.9, near_edge, KART).rear_m_L) == 0


@pytest.mark.parametrize(
    ("state", "distance_m", "stops"),
    [
        (SignalState.RED, 20.0, True),
        (SignalState.RED, 0.0, False),
        (SignalState.GREEN, 20.0, False),
        (SignalState.AMBER, 20.0, True),
        (SignalState.AMBER, 5.0, False),
    ],
)
def test_idm_stops_at_red_and_at_amber_with_enough_distance(state, distance_m: float, stops: bool) -> None:
    signal = TrafficSignal(stamp_ns=0, state=state, distance_m=distance_m)
    assert must_stop(signal, 8.0) is stops
    if state is SignalState.RED and stops:
        plan = idm_plan(8.0, signal=signal)
        assert plan.speed_mps_T[-1] < 2.0 and plan.x_m_T[-1] + 3.9 < 53.9 + distance_m


def test_the_expert_trajectory_is_equal_from_the_cache_and_can_be_followed(tmp_path: Path, monkeypatch) -> None:
    expert = expert_drive(SCENARIO, EGO_VEHICLE, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    driven: list[Scenario] = []
    monkeypatch.setattr(expert_cache, "_drive", lambda scenario, vehicle: driven.append(scenario) or expert)
    assert expert_drive(SCENARIO, EGO_VEHICLE, tmp_path) == expert and not driven
    next(tmp_path.glob("*.npz")).write_bytes(b"broken")
    assert expert_drive(SCENARIO, EGO_VEHICLE, tmp_path) == expert and driven == [SCENARIO]
    assert expert_drive(SCENARIO, EGO_VEHICLE, tmp_path) == expert and len(driven) == 1
    rig, config = suite_rig(), suite_config(make_specs(["log-future"])[0][0])
    with Rollout(SCENARIO, LogFuturePlanner(), rig, config) as rollout:
        *_, last = rollout.steps()
    end = expert.poses[len(expert.poses) - 1]
    assert np.hypot(last.step.world.ego.x_m - end.x_m, last.step.world.ego.y_m - end.y_m) < 1.0
    assert last.step.progress_m == pytest.approx(expert.progress_m, abs=1.0)


def test_pdm_closed_plans_in_the_simulators_world() -> None:
    planner = PdmClosedPlanner()
    with Rollout(SCENARIO, planner, suite_rig(), PlannerConfig(num_threads=1)) as rollout:
        plans = []
        for rollout_step in rollout.steps():
            plans.append(rollout_step.outcome)
            if len(plans) == 12:
                break
    plan_steps = [index for index, outcome in enumerate(plans) if outcome is not None]
    assert plan_steps == [0, 5, 10]
    assert all(not isinstance(plans[index], NotReady) for index in plan_steps)
    first = trajectory_of(plans[0])
    assert first is not None and len(first.time_s_T) == 41
    assert np.hypot(first.x_m_T[-1] - first.x_m_T[0], first.y_m_T[-1] - first.y_m_T[0]) > 2.0


def test_planners_resolve_by_name_and_unusable_ones_are_skipped_with_a_reason(tmp_path: Path) -> None:
    specs, skipped = make_specs(["all"], baselines=tmp_path)
    assert [spec.name for spec in specs] == ["tiny", "constant-velocity", "idm", "pdm-closed", "log-future"]
    assert len(skipped) == 3 and all(line.startswith("planner ") for line in skipped)
    with pytest.raises(EvaluationError, match="planners are constant-velocity"):
        make_specs(["unknown"])
    (spec,), _ = make_specs(["tiny"], precision="int8", plan_every=2)
    assert spec.label == "tiny int8 5 Hz" and spec.is_model and not spec.kind.is_privileged
    (default,), _ = make_specs(["tiny"])
    assert default.label == "tiny" and default.identity() != spec.identity()
    (scored,), _ = make_specs(["tiny"], selection="scorer")
    assert scored.label == "tiny scorer" and scored.identity()["config"]["selection"] == "scorer"
    (exact,), _ = make_specs(["tiny"], parameters=(("num_denoise_steps", 10), ("sampler", "ddpm")))
    assert exact.label == "tiny num_denoise_steps=10 sampler=ddpm" and suite_config(exact).sampler == "ddpm"
    assert exact.identity() != default.identity()
    assert {name for name, kind in DRIVING.items() if kind.is_privileged} == {"idm", "pdm-closed", "log-future"}


@pytest.mark.parametrize(("old", "new"), sorted(RENAMED.items()))
def test_a_name_of_an_earlier_version_is_rejected_with_the_new_name(old: str, new: str) -> None:
    with pytest.raises(EvaluationError, match=f"planner '{old}' is now called '{new}'"):
        make_specs([old])
    assert new in DRIVING


def test_a_planner_has_the_same_title_in_every_table() -> None:
    kinds = [*DRIVING.items(), *SELECTIONS.items(), *COMPARED.items()]
    titles = {name: {kind.title for other, kind in kinds if other == name} for name, _ in kinds}
    assert all(len(found) == 1 for found in titles.values())
    assert len({kind.title for kind in dict(kinds).values()}) == len(dict(kinds))
