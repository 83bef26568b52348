"""A window of a log is driven like any scenario: local frame, route, traffic, score against the human, bad logs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from road_log import EAST_M, FOLLOWER, LEADER, NORTH_M, PARKED, PERSON, START_NS, lane, road_log

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Route, SignalState, TrafficSignal
from transdiffuser_planner.data.logs import log_sources
from transdiffuser_planner.data.logs.map_elements import lane_pieces
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.simulation.expert_cache import expert_drive
from transdiffuser_planner.simulation.log_world import recorded_world as recorded_module
from transdiffuser_planner.simulation.log_world.log_episode import LogEpisode, _ground
from transdiffuser_planner.simulation.log_world.log_scenario import LogPlace, LogScenario
from transdiffuser_planner.simulation.log_world.log_windows import (
    WindowChoice,
    log_scenario,
    log_scenarios,
    simulated_rig,
)
from transdiffuser_planner.simulation.log_world.mirror import mirrored
from transdiffuser_planner.simulation.log_world.recorded_world import make_world

RIG = Rig.load(RIGS / "carla.yaml")


class Logs:
    """Logs by name instead of files: what they hold, and how they are driven."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._logs, self._folder = {}, folder
        monkeypatch.setitem(log_sources.BUILT_IN, "hand-made", lambda request: self._logs[request.path.name])
        recorded_module.recorded_world.cache_clear()
        _ground.cache_clear()

    def place(self, name="road", **how) -> LogPlace:
        path = self._folder / name
        path.mkdir(exist_ok=True)
        self._logs[name] = how.pop("log", None) or road_log(**how)
        self._logs[name].path = path
        return LogPlace(path=path, source="hand-made", topics=TopicMap())

    def windows(self, place: LogPlace, *, window_s=8.0, stride_s=2.0, reactive=False) -> list[LogScenario]:
        return log_scenarios(place, choice(window_s, stride_s, reactive=reactive), 0)[0]


def choice(window_s=8.0, stride_s=2.0, *, reactive=False) -> WindowChoice:
    return WindowChoice(window_s=window_s, stride_s=stride_s, reactive=reactive, rig=None, default_rig=RIG)


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logs:
    return Logs(tmp_path, monkeypatch)


def drive(episode: LogEpisode, acceleration_mps2: float) -> list:
    """All steps with one command."""
    steps = [episode.start()]
    while not steps[-1].end_reason:
        steps.append(episode.step(acceleration_mps2, 0.0))
    return steps


def test_windows_cover_the_log_and_the_human_is_the_expert(logs: Logs) -> None:
    windows = logs.windows(logs.place())
    assert [(window.map_name, window.begin_s) for window in windows] == [
        ("road 0.0 s", 0.0),
        ("road 2.0 s", 2.0),
        ("road 4.0 s", 4.0),
    ]
    human = expert_drive(windows[0], RIG.vehicle)
    # 3 s at 8 m/s, then 4 s of braking to a stop.
    assert human.progress_m == pytest.approx(24.0 + 16.0, abs=0.2)
    assert len(human.poses) == 81
    assert human.poses[0].x_m == 0.0 and human.poses[0].speed_mps == pytest.approx(8.0)
    assert human.poses[45].acceleration_mps2 == pytest.approx(-2.0, abs=0.1) and human.poses[45].braking


def test_the_ego_starts_as_the_human_with_the_human_s_past(logs: Logs) -> None:
    window = logs.windows(logs.place())[1]
    with LogEpisode(window, RIG.vehicle) as episode:
        first = episode.start()
        assert first.world.stamp_ns == 0
        assert (first.world.ego.x_m, first.world.ego.speed_mps) == (pytest.approx(16.0), pytest.approx(8.0))
        assert [state.stamp_ns for state in episode.past] == [-100_000_000 * k for k in range(20, 0, -1)]
        assert {state.frame_id for state in episode.past} == {"map"}
        leader = first.world.agents.select(first.world.agents.id_N == LEADER)
        assert leader.x_m_N[0] == pytest.approx(36.0) and leader.y_m_N[0] == pytest.approx(-0.2)


def test_the_route_is_the_lane_and_not_the_human_s_line(logs: Logs) -> None:
    with LogEpisode(logs.windows(logs.place())[0], RIG.vehicle) as episode:
        episode.start()
        route = episode.route
        # The human drove 0.2 m left of the center; the frame's origin is the human's first position.
        assert np.abs(route.xy_N2[:, 1] + 0.2).max() < 0.02
        assert route.xy_N2[-1, 0] > 40.0 + 150.0
        assert route.lane_width_m_N == pytest.approx(3.5)
        assert route.speed_limit(20.0) == pytest.approx(13.4)


def test_a_recorded_route_is_used_as_it_is(logs: Logs) -> None:
    log = road_log()
    line = np.stack([EAST_M + np.arange(-20.0, 240.0, 5.0), np.full(52, NORTH_M + 0.5)], axis=-1)
    log.routes = [(START_NS, Route(stamp_ns=START_NS, frame_id="map", xy_N2=line))]
    log.speed_limits = [(START_NS, 11.0)]
    with LogEpisode(logs.windows(logs.place(log=log))[0], RIG.vehicle) as episode:
        episode.start()
        assert np.abs(episode.route.xy_N2[:, 1] - 0.3).max() < 1e-9
        assert episode.route.speed_limit(20.0) == 11.0


def test_braking_harder_than_the_human_is_hit_in_the_replay_and_not_by_a_reactive_follower(logs: Logs) -> None:
    place = logs.place()
    with LogEpisode(logs.windows(place)[0], RIG.vehicle) as episode:
        replayed = drive(episode, -4.0)
    contacts = [contact for step in replayed for contact in step.new_collisions]
    assert [(contact.agent_id, contact.at_fault) for contact in contacts] == [(FOLLOWER, False)]
    # It does not drive on through the ego.
    assert FOLLOWER not in replayed[-1].world.agents.id_N
    with LogEpisode(logs.windows(place, reactive=True)[0], RIG.vehicle) as episode:
        reactive = drive(episode, -4.0)
    assert not [contact for step in reactive for contact in step.new_collisions]
    last = reactive[-1].world
    follower = last.agents.select(last.agents.id_N == FOLLOWER)
    assert follower.speed_mps_N[0] < 0.2
    rear_m = last.ego.x_m - RIG.vehicle.rear_overhang_m
    assert 1.0 < rear_m - (follower.x_m_N[0] + 2.25) < 4.0


def test_reactive_traffic_is_the_recorded_one_while_the_ego_drives_as_the_human(logs: Logs) -> None:
    with LogEpisode(logs.windows(logs.place(), reactive=True)[0], RIG.vehicle) as episode:
        human = episode.human_poses()
        episode.start()
        for number, recorded in enumerate(episode.human_worlds()):
            found = episode._traffic.at(number, human[number], human[number])
            assert np.array_equal(found.x_m_N, recorded.agents.x_m_N)
            assert np.array_equal(found.speed_mps_N, recorded.agents.speed_mps_N)


def test_a_planner_that_ignores_the_braking_leader_is_at_fault(logs: Logs) -> None:
    with LogEpisode(logs.windows(logs.place())[0], RIG.vehicle) as episode:
        steps = drive(episode, 0.0)
    contacts = [contact for step in steps for contact in step.new_collisions]
    assert [(contact.agent_id, contact.at_fault) for contact in contacts] == [(LEADER, True)]
    assert steps[-1].progress_m == pytest.approx(64.0, abs=0.5)
    assert all(step.on_road for step in steps)


def test_leaving_the_drivable_area_is_off_road(logs: Logs) -> None:
    with LogEpisode(logs.windows(logs.place())[0], RIG.vehicle) as episode:
        episode.start()
        steps = [episode.step(0.0, -0.1) for _ in range(15)]
    assert steps[0].on_road and not steps[-1].on_road


def test_agents_do_not_exist_outside_of_their_recorded_life(logs: Logs) -> None:
    log = road_log()
    log.agents.snapshots = [
        (stamp, agents if stamp < START_NS + 2_000_000_000 else agents.select(agents.id_N != PERSON))
        for stamp, agents in log.agents.snapshots
    ]
    with LogEpisode(logs.windows(logs.place(log=log))[0], RIG.vehicle) as episode:
        episode.start()
        steps = [episode.step(0.0, 0.0) for _ in range(25)]
    assert PERSON in steps[10].world.agents.id_N and PERSON not in steps[24].world.agents.id_N
    assert PARKED in steps[24].world.agents.id_N


def test_an_agent_that_overlaps_the_human_is_no_part_of_the_world(logs: Logs) -> None:
    log = road_log()
    for _, agents in log.agents.snapshots:
        agents.x_m_N[2], agents.y_m_N[2] = EAST_M + 30.0, NORTH_M - 1.0
    with LogEpisode(logs.windows(logs.place(log=log))[0], RIG.vehicle) as episode:
        assert episode.left_out_ids == (PARKED,)
        assert PARKED not in episode.start().world.agents.id_N


def test_recorded_signals_become_stop_lines_of_the_route(logs: Logs) -> None:
    log = road_log()
    for number in range(0, 121, 5):
        passed_m = min(8.0 * min(0.1 * number, 3.0), 24.0)
        state = SignalState.RED if number < 50 else SignalState.GREEN
        if number <= 30:
            front_m = passed_m + RIG.vehicle.front_offset_m
            log.signals.append(
                TrafficSignal(stamp_ns=START_NS + number * 100_000_000, state=state, distance_m=60.0 - front_m)
            )
    with LogEpisode(logs.windows(logs.place(log=log))[0], RIG.vehicle) as episode:
        signal = episode.start().signal
    assert signal is not None and signal.state is SignalState.RED
    assert signal.distance_m == pytest.approx(60.0 - RIG.vehicle.front_offset_m, abs=0.3)


def test_left_hand_traffic_is_mirrored(logs: Logs) -> None:
    log = road_log()
    log.drives_on_left = True
    world = make_world(log)
    assert world.reductions == ("left-hand traffic: the world is mirrored, the vehicle keeps to the right in it",)
    assert [(found.number, found.left, found.right) for found in world.lanes] == [(1, None, 2), (2, 1, None)]
    for found in world.lanes:
        assert (found.left_B2[:, 1] > found.right_B2[:, 1]).all()
    back = mirrored(mirrored(road_log()))
    assert np.array_equal(back.map_pieces[0][1], road_log().map_pieces[0][1])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"has_map": False}, "log road: holds no map; a world needs lanes or drivable areas of the drive"),
        ({"seconds": 5.0}, "log road: 5.0 s without a gap, shorter than a window of 8 s; give --window 5"),
        ({"gap_s": 2.0}, "log road: 5.0 s without a gap, shorter than a window of 8 s; give --window 5"),
    ],
)
def test_a_log_that_cannot_be_driven_is_one_line(logs: Logs, how, message: str) -> None:
    with pytest.raises(SimulationError) as error:
        logs.windows(logs.place(**how))
    assert str(error.value) == message


def test_what_a_log_lacks_is_named_and_driven_without(logs: Logs) -> None:
    _, lines = log_scenarios(logs.place(has_agents=False), choice(), 0)
    assert lines == [
        "log road: no agents are recorded: the roads are empty",
        "log road: no traffic signals are recorded; where the human waits at a free junction one is assumed",
        "log road: no calibrated cameras; the sensors of the default rig are simulated",
    ]
    scenarios, lines = log_scenarios(logs.place("gap", seconds=20.0, gap_s=2.0), choice(4.0, 4.0), 3)
    assert lines[0] == "log gap: a gap of 2.0 s in the poses at 9.0 s: not driven over"
    assert [(window.begin_s, window.seed) for window in scenarios] == [(0.0, 3), (4.0, 4), (11.0, 5), (15.0, 6)]


def test_one_window_by_begin_and_duration(logs: Logs) -> None:
    place = logs.place()
    scenario, _ = log_scenario(place, choice(), 3.0, None)
    assert (scenario.begin_s, scenario.duration_s) == (3.0, 9.0)
    with pytest.raises(SimulationError, match="goes on for 9 s after 3 s, shorter than --duration 10"):
        log_scenario(place, choice(), 3.0, 10.0)
    with pytest.raises(SimulationError, match="no drive 40 s after its begin"):
        log_scenario(place, choice(), 40.0, None)


def test_the_simulated_rig_has_the_cameras_that_look_ahead_in_small() -> None:
    cameras = tuple(
        type(RIG.cameras[0])(name=name, width=2000, height=1500, fx=1700.0, fy=1700.0, cx=1000.0, cy=750.0, yaw_rad=yaw)
        for name, yaw in (("ahead", 0.0), ("left", 0.8), ("behind", 3.0))
    )
    found = simulated_rig(Rig(cameras=cameras, lidar=RIG.lidar, vehicle=RIG.vehicle))
    assert [camera.name for camera in found.cameras] == ["ahead", "left"]
    assert found.cameras[0].fx == pytest.approx(220.0, rel=0.01) and found.cameras[0].width == 259
    assert simulated_rig(RIG) == RIG


def waiting_log():
    """The human stops with the front bumper 6 m before a junction, without a vehicle ahead."""
    log = road_log(seconds=12.0, has_agents=False)

    def piece(number: int, from_m: float, to_m: float, **how):
        whole = lane(number, 0.0)
        lines = {
            name: np.asarray([[EAST_M + x, getattr(whole, name)[0, 1]] for x in (from_m, to_m)])
            for name in ("center_K2", "left_B2", "right_B2")
        }
        return replace(whole, **lines, **how)

    log.lanes = [piece(1, -60.0, 50.0, successors=(3,)), piece(3, 50.0, 80.0, is_in_junction=True)]
    log.map_pieces = list(lane_pieces(log.lanes))
    return log


def test_a_red_light_is_assumed_where_the_human_waits_at_a_free_junction(logs: Logs) -> None:
    place = logs.place(log=waiting_log())
    with LogEpisode(logs.windows(place)[0], RIG.vehicle) as episode:
        signal = episode.start().signal
    # The human's rear axle stops at 40 m.
    assert signal is not None and signal.state is SignalState.RED
    assert signal.distance_m == pytest.approx(41.0, abs=0.5)
    (blocked,) = logs.windows(logs.place("without", log=waiting_log()), window_s=12.0)
    with LogEpisode(replace(blocked, assume_signals=False), RIG.vehicle) as episode:
        assert episode.start().signal is None


def test_no_light_is_assumed_where_the_human_waits_for_the_vehicle_ahead(logs: Logs) -> None:
    log = waiting_log()
    log.agents = road_log().agents
    for _, agents in log.agents.snapshots:
        agents.x_m_N[0], agents.speed_mps_N[0] = EAST_M + 50.0, 0.0
    with LogEpisode(logs.windows(logs.place(log=log))[0], RIG.vehicle) as episode:
        assert episode.start().signal is None
