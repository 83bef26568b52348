"""Metrics of a replay, on plans with known errors."""

import argparse
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from transdiffuser_planner.cli.recordings.replay import add_arguments
from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.types import EgoState, FallbackLevel, Trajectory
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack
from transdiffuser_planner.messages.topic_matching import preset_names
from transdiffuser_planner.replay.cycle_records import AgentForecast, CycleRecord, DriveRecord, PlanRecord
from transdiffuser_planner.replay.metrics.agent_metrics import agent_metrics
from transdiffuser_planner.replay.metrics.drive_metrics import BUSY, PASSED_BY, compute_replay_metrics
from transdiffuser_planner.replay.metrics.metric_definitions import METRICS, metric, metric_table
from transdiffuser_planner.replay.metrics.pdm_metrics import PdmScorer, RecordedMap
from transdiffuser_planner.replay.metrics.trajectory_metrics import (
    comfort_metrics,
    displacement_metrics,
    plan_deviation_metrics,
    state_metrics,
)

SPEED_MPS = 8.0
NO_AGENTS = AgentForecast(existence_A=np.zeros(0), pose_A3=np.zeros((0, 3)), path_AT3=np.zeros((0, 8, 3)))


def ego_at(time_s):
    """The recorded car: along x with 8 m/s."""
    stamp_ns = round(time_s * 1e9)
    return EgoState(
        stamp_ns=stamp_ns, frame_id="map", x_m=SPEED_MPS * time_s, y_m=0.0, heading_rad=0.0, vx_mps=SPEED_MPS
    )


def plan_at(time_s=0.0, *, aside_m=0.0, ahead_mps=0.0, agents=NO_AGENTS):
    """A straight plan that drifts to the left by aside_m within 4 s and drives ahead_mps faster."""
    ego, times = ego_at(time_s), 0.1 * np.arange(41)
    zero = np.zeros(41)
    x = ego.x_m + (SPEED_MPS + ahead_mps) * times
    trajectory = Trajectory(stamp_ns=ego.stamp_ns, frame_id="map", time_s_T=times, x_m_T=x, y_m_T=aside_m * times / 4.0,
                            heading_rad_T=zero, speed_mps_T=np.full(41, SPEED_MPS + ahead_mps), accel_mps2_T=zero,
                            curvature_per_m_T=zero)  # fmt: skip
    knots = np.stack([x[5::5], (aside_m * times / 4.0)[5::5]], axis=-1)
    candidates = np.stack([knots, knots + np.asarray([0.0, 1.0])])
    return PlanRecord(ego=ego, trajectory=trajectory, time_s_T=times[5::5], candidate_MT2=candidates, agents=agents,
                      fallback_level=FallbackLevel.NONE, latency_ms=50.0, ages_s={"lidar": 0.02})  # fmt: skip


def recorded(until_s=10.0):
    return EgoTrack([ego_at(0.1 * i) for i in range(round(until_s * 10) + 1)])


def tracks_of(*cars, until_s=10.0):
    """Agents as (x, y, heading, speed) at time 0."""
    tracks = AgentTracks()
    rows = np.asarray(cars, dtype=np.float64).reshape(-1, 4)
    size = np.full(len(rows), 4.0)
    for i in range(round(until_s * 10) + 1):
        along = rows[:, 3] * 0.1 * i
        tracks.add(i * 10**8, AgentStates(
            frame_id="map", id_N=np.arange(len(rows), dtype=np.uint32), class_N=np.zeros(len(rows), dtype=np.int8),
            x_m_N=rows[:, 0] + along * np.cos(rows[:, 2]), y_m_N=rows[:, 1] + along * np.sin(rows[:, 2]),
            heading_rad_N=rows[:, 2], speed_mps_N=rows[:, 3], length_m_N=size, width_m_N=size / 2.0, height_m_N=size / 2.0,
            braking_N=np.zeros(len(rows), dtype=np.bool_)))  # fmt: skip
    return tracks


def test_the_logged_trajectory_has_no_error_and_an_offset_plan_has():
    assert displacement_metrics(plan_at(), recorded())["fde_4s_m"] == pytest.approx(0.0, abs=1e-9)
    found = displacement_metrics(plan_at(aside_m=2.0, ahead_mps=-1.0), recorded())
    assert found["lateral_4s_m"] == pytest.approx(2.0) and found["lateral_1s_m"] == pytest.approx(0.5)
    assert found["longitudinal_4s_m"] == pytest.approx(4.0) and found[
        "longitudinal_error_signed_4s_m"
    ] == pytest.approx(-4.0)
    assert found["fde_4s_m"] == pytest.approx(np.hypot(2.0, 4.0))
    assert found["ade_1s_m"] == pytest.approx(np.mean([np.hypot(0.25, 0.5), np.hypot(0.5, 1.0)]))
    assert found["constant_velocity_ade_m"] == pytest.approx(0.0, abs=1e-6)


def test_a_recording_that_ends_early_is_used_as_far_as_it_goes():
    found = displacement_metrics(plan_at(7.5), recorded())
    assert "ade_2s_m" in found and "ade_3s_m" not in found and "min_ade_m" not in found
    assert displacement_metrics(plan_at(9.5), recorded()) == {}


def test_comfort_is_checked_by_the_largest_values():
    calm = plan_at().trajectory
    assert comfort_metrics(calm) == {"max_accel_mps2": 0.0, "max_decel_mps2": 0.0, "max_lateral_accel_mps2": 0.0,
                                     "max_jerk_mps3": 0.0, "comfortable": 1.0}  # fmt: skip
    hard = Trajectory(**{name: getattr(calm, name) for name in calm.__dataclass_fields__}
                      | {"accel_mps2_T": np.linspace(0.0, -6.0, 41)})  # fmt: skip
    assert comfort_metrics(hard)["max_decel_mps2"] == pytest.approx(6.0) and comfort_metrics(hard)["comfortable"] == 0.0


def test_plan_deviation_is_the_distance_of_two_plans_at_the_same_times():
    assert plan_deviation_metrics(plan_at(0.5), plan_at(0.0))["plan_deviation_m"] == pytest.approx(0.0, abs=1e-9)
    moved = plan_deviation_metrics(plan_at(0.5, aside_m=4.0), plan_at(0.0))
    assert moved["plan_deviation_lateral_m"] == pytest.approx(np.mean([0.5, 1.0, 1.5, 2.0]))
    assert plan_deviation_metrics(plan_at(3.0), plan_at(0.0)) == {} == plan_deviation_metrics(plan_at(3.0), None)


def test_latency_is_compared_with_the_deadline_and_ages_are_kept():
    assert (
        state_metrics(plan_at(), 100.0)["deadline_missed"] == 0.0
        and state_metrics(plan_at(), 40.0)["deadline_missed"] == 1.0
    )
    assert state_metrics(plan_at(), 100.0)["age_lidar_s"] == 0.02


def test_agents_are_matched_with_the_recorded_ones_by_position():
    times = 0.5 * np.arange(1, 9)
    path = np.stack([20.0 + 5.0 * times, np.full(8, 3.0), np.zeros(8)], axis=-1)
    forecast = AgentForecast(existence_A=np.asarray([0.9, 0.9, 0.1]),
                             pose_A3=np.asarray([[20.5, 3.0, 0.0], [10.0, -8.0, 0.0], [5.0, 5.0, 0.0]]),
                             path_AT3=np.stack([path + np.asarray([0.5, 0.0, 0.0]), path * 0.0, path]))  # fmt: skip
    found = agent_metrics(
        plan_at(agents=forecast), tracks_of((20.0, 3.0, 0.0, 5.0), (15.0, 10.0, 0.0, 0.0), (80.0, 0.0, 0.0, 0.0))
    )
    assert found == {"agent_recall": 0.5, "agent_precision": 0.5, "agent_position_m": pytest.approx(0.5),
                     "agent_ade_m": pytest.approx(0.5), "agent_fde_m": pytest.approx(0.5)}  # fmt: skip
    assert agent_metrics(plan_at(agents=forecast), AgentTracks()) == {}


def road(half_width_m=4.0):
    ring = np.asarray([[-60.0, -half_width_m], [300.0, -half_width_m], [300.0, half_width_m], [-60.0, half_width_m]])
    return RecordedMap(pieces=[(0, ring)], routes=[(0, np.asarray([[-60.0, 0.0], [300.0, 0.0]]))])


def test_pdm_parts_follow_the_recorded_traffic_and_road():
    empty = tracks_of((200.0, 50.0, 0.0, 0.0))
    good = PdmScorer(road(), empty, recorded())(plan_at())
    assert good["pdm_score"] == pytest.approx(1.0) and good["pdm_comfort"] == 1.0
    assert PdmScorer(road(), empty, recorded())(plan_at(aside_m=8.0))["pdm_drivable_area"] == 0.0
    slow = PdmScorer(road(), empty, recorded())(plan_at(ahead_mps=-4.0))
    assert slow["pdm_progress"] < 0.8
    neighbor = tracks_of((24.0, 3.0, 0.0, 0.0))
    assert PdmScorer(road(), neighbor, recorded())(plan_at(aside_m=3.0))["pdm_no_collision"] == 0.0


def test_a_part_that_the_recorded_driver_fails_too_is_skipped_and_counted():
    scorer = PdmScorer(road(half_width_m=1.0), tracks_of((200.0, 50.0, 0.0, 0.0)), recorded())
    found = scorer(plan_at())
    assert scorer.skipped == {"plan without pdm_drivable_area: the recorded driver does not fulfill it either": 1}
    assert "pdm_drivable_area" not in found and "pdm_score" not in found and found["pdm_no_collision"] == 1.0


def test_frames_and_plans_that_do_not_count_are_counted_with_their_reason():
    cycles = [CycleRecord(stamp_ns=round(t * 1e9), log_time_ns=0, plan=plan_at(t)) for t in (0.0, 7.0, 9.5)]
    cycles.append(CycleRecord(stamp_ns=10**10, log_time_ns=0, reason="no odometry yet"))
    ego = [ego_at(0.1 * i) for i in range(101)]
    drive = DriveRecord(deadline_ms=100.0, cycles=cycles, ego=ego, num_frames=9, num_skipped_busy=2)
    found = compute_replay_metrics(drive, AgentTracks(), RecordedMap(), 0)
    short, none = "plan evaluated in part: the recording ends or breaks within the next 4 s", "no plan: no odometry yet"
    nothing = "plan not evaluated: the recording ends or breaks within the next second"
    assert found.skipped == Counter({PASSED_BY: 3, BUSY: 2, short: 1, nothing: 1, none: 1})
    assert found.totals["num_evaluated"] == 2.0 and found.totals["planned_share"] == 0.75


def test_every_metric_that_is_computed_is_in_the_table():
    found = (
        displacement_metrics(plan_at(), recorded())
        | state_metrics(plan_at(), 1.0)
        | comfort_metrics(plan_at().trajectory)
    )
    found |= plan_deviation_metrics(plan_at(0.5), plan_at()) | PdmScorer(
        road(), tracks_of((99.0, 9.0, 0.0, 0.0)), recorded()
    )(plan_at())
    for name in found:
        assert metric(name, "here") is not None
    assert set(found) - {"age_lidar_s"} <= set(METRICS)


def test_the_page_on_replay_holds_the_table_of_metrics_and_only_options_that_exist():
    page = (Path(__file__).resolve().parents[4] / "docs" / "replay.md").read_text()
    assert metric_table() in page
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    known = set(parser._option_string_actions)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) <= known
    assert all(f"`{name}`" in page for name in preset_names())
