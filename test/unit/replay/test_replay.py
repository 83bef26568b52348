"""Replay: the planner over bags, deterministic, checked, and clear errors for missing inputs."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from replay_bags import RIG, TOPICS, as_it_is, rewritten

from transdiffuser_planner.core.errors import InputError, RecordingError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages import decode_outputs
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.replay.checks.trajectory_checks import trajectory_violations
from transdiffuser_planner.replay.drive_check import DriveTester, Expectations, Setup
from transdiffuser_planner.replay.runner import ReplayJob, replay
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner


def test_every_frame_gives_a_valid_plan_and_the_bag_holds_them(bag, planner, tmp_path):
    result = replay(ReplayJob(bag=bag, topics=TOPICS, rig=RIG, out=tmp_path / "out"), planner)
    assert result.num_plans >= 55 and not result.not_ready and not result.refused
    assert not result.violations
    assert len(result.metrics.values("ade_4s_m")) >= 30
    with BagReader(tmp_path / "out") as reader:
        plans = [m.message for m in reader.messages({f"{OUTPUT_NAMESPACE}/trajectory"})]
        kinds = set(reader.topics())
    assert len(plans) == result.num_plans
    assert {
        f"{OUTPUT_NAMESPACE}/{name}" for name in ("status", "candidates", "predicted_agents", "markers", "path")
    } <= kinds
    assert decode_outputs.trajectory(plans[0]).time_s_T[-1] == pytest.approx(4.0)


def test_the_same_bag_model_and_seed_give_the_same_plans_bit_for_bit(short_bag, replayed, planner):
    other = Planner.load(model_folder("tiny"), RIG, replace(planner.config, run_seed=1))
    job = ReplayJob(bag=short_bag, topics=TOPICS, rig=RIG)
    assert replay(job, planner).plan_hash == replayed.plan_hash != replay(job, other).plan_hash


def test_a_bag_that_ends_in_the_middle_is_replayed_up_to_there(short_bag, planner, tmp_path):
    cut = tmp_path / "cut"
    shutil.copytree(short_bag, cut)
    file = next(cut.glob("*.mcap"))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 6 // 10])
    result = replay(ReplayJob(bag=cut, topics=TOPICS, rig=RIG), planner)
    assert 10 <= result.num_plans < 26
    assert "ends in the middle" in result.damage


def test_a_bag_without_odometry_is_refused_with_what_it_has(short_bag, planner):
    topics = TopicMap(images=TOPICS.images, lidar=TOPICS.lidar, odometry="/no/such/topic")
    with pytest.raises(InputError, match="odometry on '/no/such/topic'"):
        replay(ReplayJob(bag=short_bag, topics=topics, rig=RIG), planner)


def test_a_path_that_is_not_a_bag_is_refused(planner, tmp_path):
    with pytest.raises(RecordingError, match="does not exist"):
        replay(ReplayJob(bag=tmp_path / "nothing", topics=TOPICS, rig=RIG), planner)


def test_checks_find_a_plan_that_jumps_and_one_that_starts_at_another_pose():
    ego = EgoState(stamp_ns=0, frame_id="map", x_m=0.0, y_m=0.0, heading_rad=0.0, vx_mps=5.0)
    times = 0.1 * np.arange(41)

    def straight(x_m):
        zero = np.zeros(41)
        return Trajectory(stamp_ns=0, frame_id="map", time_s_T=times, x_m_T=x_m, y_m_T=zero, heading_rad_T=zero,
                          speed_mps_T=np.full(41, 5.0), accel_mps2_T=zero, curvature_per_m_T=zero)  # fmt: skip

    assert trajectory_violations(straight(5.0 * times), ego, PlannerConfig()) == ()
    assert "does not start at the ego's pose" in trajectory_violations(
        straight(5.0 * times + 1.0), ego, PlannerConfig()
    )
    jumping = 5.0 * times + np.where(times > 2.0, 3.0, 0.0)
    assert "jumps farther than its speed" in trajectory_violations(straight(jumping), ego, PlannerConfig())
    assert trajectory_violations(straight(np.full(41, np.nan)), ego, PlannerConfig()) == ("not finite",)


def test_a_real_drive_is_recognized_and_gives_finite_and_feasible_plans_with_one_camera():
    path = os.environ.get("TRANSDIFFUSER_KITTI_BAG", "")
    if not Path(path).is_dir() or not path:
        pytest.skip("TRANSDIFFUSER_KITTI_BAG does not name a bag of a real drive")
    tester = DriveTester(Setup(config=PlannerConfig(num_threads=1)), Expectations())
    choice = tester.choose([Path(path)])
    assert choice.name == "kitti" and choice.rig == Rig.load(preset_files("kitti")[1])
    verdict = tester.run([Path(path)], choice)
    assert verdict.has_passed, verdict.failures
    assert verdict.result.num_plans >= 70 and not verdict.result.not_ready
    assert set(verdict.result.masked) >= {"route", "command"}


def test_several_bags_are_replayed_as_one_drive(short_bag, replayed, planner, tmp_path):
    first = rewritten(short_bag, tmp_path / "first", lambda item, s: as_it_is(item) if s < 2.5 else [])
    second = rewritten(short_bag, tmp_path / "second", lambda item, s: as_it_is(item) if s >= 2.5 else [])
    parts = replay(ReplayJob(bag=first, more=(second,), topics=TOPICS, rig=RIG), planner)
    assert parts.num_plans == replayed.num_plans and parts.plan_hash == replayed.plan_hash
