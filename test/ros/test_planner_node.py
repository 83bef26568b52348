"""The planner node over DDS: what it publishes, and what it says when it cannot."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rclpy.parameter import Parameter

from transdiffuser_planner.core.config import PlannerConfig, default_values
from transdiffuser_planner.core.paths import model_folder
from transdiffuser_planner.recording import decode_plan
from transdiffuser_planner.replay.checks import trajectory_faults


def test_a_complete_frame_gives_every_output_with_the_frames_stamp(stage):
    stamp = stage.plan_of_next_frame()
    heard = stage.vehicle.heard
    for name in ("path", "predicted_agents", "candidates", "markers"):
        stage.wait(lambda name=name: heard[name])
    trajectory = decode_plan.trajectory(heard["trajectory"][-1])
    assert trajectory.stamp_ns == stamp and trajectory.frame_id == "map"
    assert trajectory_faults(trajectory, stage.vehicle.ego(), PlannerConfig()) == ()
    candidates = decode_plan.candidates(heard["candidates"][-1])
    assert len(candidates.id_M) == PlannerConfig().num_candidates
    assert candidates.probability_M.sum() == pytest.approx(1.0, abs=1e-3) or candidates.rejected_M.all()


def test_status_says_where_a_plan_came_from(stage):
    status = decode_plan.status(stage.vehicle.status_at(stage.plan_of_next_frame()))
    assert status.ready and status.not_ready_reason == ""
    assert status.model_name == "tiny" and len(status.model_hash) == 64
    assert status.provider == "cpu" and status.num_denoise_steps == 10
    assert set(status.input_ages_s) >= {"rgb_left", "rgb_front", "rgb_right", "lidar", "odometry"}
    assert "route" in status.missing and "lidar" not in status.missing
    assert sum(status.stage_ms.values()) <= status.latency_ms + 1.0


def test_without_input_the_status_says_what_is_missing(make_stage):
    stage = make_stage()
    status = stage.wait(lambda: stage.vehicle.heard["status"])[-1]
    assert not status.ready
    assert "no frame yet of rgb_left, rgb_front, rgb_right, lidar" in status.not_ready_reason
    assert not stage.vehicle.heard["trajectory"]


def test_old_frames_are_not_planned_from(make_stage):
    stage = make_stage(max_sensor_age_s=0.5)
    vehicle = stage.vehicle
    vehicle.stamp_ns -= 60 * 10**9

    def told() -> bool:
        vehicle.frame()
        return any("s old" in status.not_ready_reason for status in vehicle.heard["status"])

    stage.wait(told)
    assert not vehicle.heard["trajectory"]


def test_parameters_have_descriptions_and_bounds(stage):
    for name in default_values():
        descriptor = stage.planner.describe_parameter(name)
        assert descriptor.description
    limit = stage.planner.describe_parameter("deadline_ms").floating_point_range[0]
    assert (limit.from_value, limit.to_value) == (5.0, 1000.0)


def test_a_parameter_out_of_bounds_is_refused_and_nothing_changes(stage):
    before = stage.planner.get_parameter("collision_margin_m").value
    answer = stage.planner.set_parameters([Parameter("collision_margin_m", value=99.0)])[0]
    assert not answer.successful and answer.reason
    assert stage.planner.get_parameter("collision_margin_m").value == before


def test_parameters_that_contradict_each_other_are_refused_with_the_reason(stage):
    answer = stage.planner.set_parameters(
        [Parameter("comfort_decel_mps2", value=6.0), Parameter("emergency_decel_mps2", value=5.0)]
    )[1]
    together = stage.planner.set_parameters_atomically(
        [Parameter("comfort_decel_mps2", value=6.0), Parameter("emergency_decel_mps2", value=5.0)]
    )
    assert not answer.successful and not together.successful
    assert "comfort_decel_mps2 must not exceed emergency_decel_mps2" in together.reason


def test_the_models_scorer_chooses_when_it_is_asked_to(stage):
    assert stage.planner.set_parameters([Parameter("selection", value="scorer")])[0].successful
    stamp = stage.plan_of_next_frame()
    heard = stage.vehicle.heard["candidates"]
    stage.wait(lambda: heard and decode_plan.candidates(heard[-1]).stamp_ns >= stamp)
    terms = decode_plan.candidates(heard[-1]).cost_terms
    assert {"score", "no_at_fault_collision", "drivable_area", "ego_progress", "typical"} <= set(terms)
    assert stage.vehicle.status_at(stamp).fallback_rung == 0


def test_a_scorer_that_the_model_does_not_have_is_refused_and_rules_go_on(make_stage, tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(model_folder("tiny"), model, ignore=shutil.ignore_patterns("scorer.onnx", "measured"))
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    del manifest["graphs"]["scorer"], manifest["files"]["scorer.onnx"]
    (model / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    stage = make_stage(model=str(model))
    answer = stage.planner.set_parameters([Parameter("selection", value="scorer")])[0]
    assert not answer.successful and "the model has no scorer" in answer.reason
    assert stage.planner.get_parameter("selection").value == "rules"
    assert stage.vehicle.status_at(stage.plan_of_next_frame()).fallback_rung == 0


def test_a_changed_parameter_takes_effect_in_the_next_cycle(stage):
    assert stage.planner.set_parameters([Parameter("num_candidates", value=5)])[0].successful
    assert stage.vehicle.status_at(stage.plan_of_next_frame()).num_candidates == 5


def test_an_altered_model_is_refused_by_name_and_the_node_stays_unconfigured(make_stage, tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(model_folder("tiny"), model)
    path = model / "denoise.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    stage = make_stage(model=str(model))
    assert not stage.started
    text = stage.wait(lambda: stage.vehicle.diagnostic_text())
    assert "denoise.onnx" in text
    status = stage.wait(lambda: stage.vehicle.heard["status"])[-1]
    assert not status.ready and "denoise.onnx" in status.not_ready_reason
    stage.vehicle.frame()
    stage.wait(lambda: len(stage.vehicle.heard["diagnostics"]) >= 2)
    assert not stage.vehicle.heard["trajectory"]


def test_the_same_frame_and_seed_give_the_same_plan(make_stage):
    plans = []
    for _ in range(2):
        stage = make_stage()
        stage.vehicle.stamp_ns = 1_700_000_000_000_000_000 // 10**8 * 10**8
        stage.planner.set_parameters([Parameter("max_sensor_age_s", value=10.0)])
        job = _first_snapshot(stage)
        plans.append(stage.planner.keeper.planner.plan(job).trajectory)
    np.testing.assert_array_equal(plans[0].x_m_T, plans[1].x_m_T)
    np.testing.assert_array_equal(plans[0].speed_mps_T, plans[1].speed_mps_T)


def _first_snapshot(stage):
    """The snapshot of one frame as it came over DDS."""
    vehicle, assembler = stage.vehicle, stage.planner._scheduler.assembler
    vehicle.frame()

    def complete() -> bool:
        for camera in ("rgb_left", "rgb_front", "rgb_right"):
            vehicle.image(camera)
        vehicle.state()
        vehicle.cloud()
        return assembler.is_complete(vehicle.stamp_ns)

    stage.wait(complete)
    return assembler.assemble(vehicle.stamp_ns)
