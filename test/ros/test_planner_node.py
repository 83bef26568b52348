"""The planner node over DDS: its outputs, and its status when it cannot plan."""

import json
import shutil
from pathlib import Path

import needs_ros  # noqa: F401
import numpy as np
import pytest
from rclpy.parameter import Parameter

from transdiffuser_planner.core.planner_config import PlannerConfig, default_values
from transdiffuser_planner.messages import decode_outputs
from transdiffuser_planner.replay.checks.trajectory_checks import trajectory_violations
from transdiffuser_planner.runtime.inference.model_paths import model_folder


def test_a_complete_frame_gives_every_output_with_the_frames_stamp(bench):
    stamp = bench.full_plan()
    received = bench.vehicle.received
    for name in ("path", "predicted_agents", "candidates", "markers"):
        bench.wait(lambda name=name: received[name])
    trajectory = decode_outputs.trajectory(received["trajectory"][-1])
    assert trajectory.stamp_ns == stamp and trajectory.frame_id == "map"
    assert trajectory_violations(trajectory, bench.vehicle.ego(), PlannerConfig()) == ()
    bench.wait(lambda: decode_outputs.candidates(received["candidates"][-1]).stamp_ns == stamp)
    candidates = decode_outputs.candidates(received["candidates"][-1])
    assert len(candidates.id_M) == PlannerConfig().num_candidates
    assert candidates.probability_M.sum() == pytest.approx(1.0, abs=1e-3) or candidates.rejected_M.all()


def test_status_reports_the_provenance_of_a_plan(bench):
    status = decode_outputs.status(bench.vehicle.status_at(bench.full_plan()))
    assert status.ready and status.not_ready_reason == ""
    assert status.model_name == "tiny" and len(status.model_hash) == 64 and status.sampler == PlannerConfig().sampler
    assert status.provider == "cpu" and status.num_denoise_steps == PlannerConfig().num_denoise_steps
    assert set(status.input_ages_s) >= {"rgb_left", "rgb_front", "rgb_right", "lidar", "odometry"}
    assert "route" in status.missing and "lidar" not in status.missing
    assert sum(status.stage_ms.values()) <= status.latency_ms + 1.0


def test_without_input_the_status_lists_the_missing_inputs(make_bench):
    bench = make_bench()
    status = bench.wait(lambda: bench.vehicle.received["status"])[-1]
    assert not status.ready
    assert "no frame yet of rgb_left, rgb_front, rgb_right, lidar" in status.not_ready_reason
    assert not bench.vehicle.received["trajectory"]


def test_old_frames_are_not_planned_from(make_bench):
    bench = make_bench(max_sensor_age_s=0.5)
    vehicle = bench.vehicle
    vehicle.stamp_ns -= 60 * 10**9

    def is_reported() -> bool:
        return any("s old" in status.not_ready_reason for status in vehicle.received["status"])

    bench.publish_until(is_reported)
    assert not vehicle.received["trajectory"]


def test_parameters_have_descriptions_and_bounds(bench):
    for name in default_values():
        descriptor = bench.planner.describe_parameter(name)
        assert descriptor.description
    limit = bench.planner.describe_parameter("deadline_ms").floating_point_range[0]
    assert (limit.from_value, limit.to_value) == (5.0, 1000.0)


def test_a_parameter_out_of_bounds_is_refused_and_nothing_changes(bench):
    before = bench.planner.get_parameter("collision_margin_m").value
    answer = bench.planner.set_parameters([Parameter("collision_margin_m", value=99.0)])[0]
    assert not answer.successful and answer.reason
    assert bench.planner.get_parameter("collision_margin_m").value == before


def test_parameters_that_contradict_each_other_are_refused_with_the_reason(bench):
    answer = bench.planner.set_parameters(
        [Parameter("comfort_decel_mps2", value=6.0), Parameter("emergency_decel_mps2", value=5.0)]
    )[1]
    together = bench.planner.set_parameters_atomically(
        [Parameter("comfort_decel_mps2", value=6.0), Parameter("emergency_decel_mps2", value=5.0)]
    )
    assert not answer.successful and not together.successful
    assert "comfort_decel_mps2 must not exceed emergency_decel_mps2" in together.reason


def test_the_models_scorer_selects_the_plan_when_configured(bench):
    assert bench.planner.set_parameters([Parameter("selection", value="scorer")])[0].successful
    stamp = bench.full_plan()
    received = bench.vehicle.received["candidates"]
    bench.wait(lambda: received and decode_outputs.candidates(received[-1]).stamp_ns >= stamp)
    terms = decode_outputs.candidates(received[-1]).cost_terms
    assert {"score", "no_at_fault_collision", "drivable_area", "ego_progress", "outlier"} <= set(terms)
    assert bench.vehicle.status_at(stamp).fallback_level == 0


def test_selection_by_scorer_is_refused_for_a_model_without_one(make_bench, tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(model_folder("tiny"), model, ignore=shutil.ignore_patterns("scorer.onnx", "measured"))
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    del manifest["graphs"]["scorer"], manifest["files"]["scorer.onnx"]
    (model / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    bench = make_bench(model=str(model))
    answer = bench.planner.set_parameters([Parameter("selection", value="scorer")])[0]
    assert not answer.successful and "the model has no scorer" in answer.reason
    assert bench.planner.get_parameter("selection").value == "rules"
    assert bench.vehicle.status_at(bench.full_plan()).fallback_level == 0


def test_a_changed_parameter_takes_effect_in_the_next_cycle(bench):
    assert bench.planner.set_parameters([Parameter("num_candidates", value=5)])[0].successful
    assert bench.vehicle.status_at(bench.full_plan()).num_candidates == 5


def test_an_altered_model_is_refused_by_name_and_the_node_stays_unconfigured(make_bench, tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(model_folder("tiny"), model)
    path = model / "denoise.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    bench = make_bench(model=str(model))
    assert not bench.started
    text = bench.wait(lambda: bench.vehicle.diagnostic_text())
    assert "denoise.onnx" in text
    status = bench.wait(lambda: bench.vehicle.received["status"])[-1]
    assert not status.ready and "denoise.onnx" in status.not_ready_reason
    bench.vehicle.frame()
    bench.wait(lambda: len(bench.vehicle.received["diagnostics"]) >= 2)
    assert not bench.vehicle.received["trajectory"]


def test_the_same_frame_and_seed_give_the_same_plan(make_bench):
    plans = []
    for _ in range(2):
        bench = make_bench()
        bench.vehicle.stamp_ns = 1_700_000_000_000_000_000 // 10**8 * 10**8
        bench.planner.set_parameters([Parameter("max_sensor_age_s", value=10.0)])
        job = _first_snapshot(bench)
        plans.append(bench.planner.model_manager.planner.plan(job).trajectory)
    np.testing.assert_array_equal(plans[0].x_m_T, plans[1].x_m_T)
    np.testing.assert_array_equal(plans[0].speed_mps_T, plans[1].speed_mps_T)


def _first_snapshot(bench):
    """The snapshot of one frame received over DDS."""
    vehicle, assembler = bench.vehicle, bench.planner._scheduler.assembler
    vehicle.frame()

    def complete() -> bool:
        for camera in ("rgb_left", "rgb_front", "rgb_right"):
            vehicle.image(camera)
        vehicle.state()
        vehicle.cloud()
        return assembler.complete_stamp_ns() == vehicle.stamp_ns

    bench.wait(complete)
    return assembler.assemble(vehicle.stamp_ns)
