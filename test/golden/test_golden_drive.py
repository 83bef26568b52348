"""A small recorded drive with thresholds, a baseline and golden plans: a changed output of the planner fails.

When this fails, its message is the procedure. The bag is made by make_golden_drive.py; tolerances and their reasons stand in
plans.json, those of the numbers in baseline.yaml.
"""

import json
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")
pytest.importorskip("onnxruntime", reason="the model cannot be executed without ONNX Runtime")

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer

HERE = Path(__file__).resolve().parent
DRIVE = HERE / "town_drive"
HORIZONS = [f"{name}_{s}s_m" for name in ("ade", "fde", "lateral", "longitudinal") for s in (1, 2, 3, 4)]
AGENTS = [f"agent_{name}" for name in ("recall", "precision", "position_m", "ade_m", "fde_m")]
PDM = [
    "pdm_score",
    *(f"pdm_{part}" for part in ("no_collision", "drivable_area", "progress", "time_to_collision", "comfort")),
]
COMFORT = ["max_accel_mps2", "max_decel_mps2", "max_lateral_accel_mps2", "max_jerk_mps3", "comfortable"]
STATE = [
    "plan_deviation_m",
    "plan_deviation_lateral_m",
    "plan_deviation_speed_mps",
    "latency_ms",
    "deadline_missed",
    "fallback",
    "fallback_level",
]
AGES = [f"age_{name}_s" for name in ("rgb_left", "rgb_front", "rgb_right", "lidar", "odometry")]
WORDS = ["replay", str(DRIVE), "--conditions", str(HERE / "conditions.yaml"), "--golden", str(HERE / "plans.json")]


def test_the_golden_drive_reproduces_the_golden_plans_within_the_thresholds(capsys, tmp_path):
    status = main([*WORDS, "--baseline", str(HERE / "baseline.yaml"), "--jsonl", str(tmp_path / "result.jsonl")])
    out = capsys.readouterr().out
    assert status == 0, "\n".join(line for line in out.splitlines() if line.startswith("FAILED"))
    assert "plans  31 from 31 frames" in out
    *cycles, drive = [json.loads(line) for line in (tmp_path / "result.jsonl").read_text().splitlines()]
    check_figures(cycles, drive)


def check_figures(cycles, drive):
    """Check that every kind of figure of a replay is present for a complete drive."""
    wanted = {*HORIZONS, *AGENTS, *PDM, *COMFORT, *STATE, *AGES}
    assert wanted <= set(drive["metrics"])
    assert all(drive["metrics"][name]["mean"] is not None for name in wanted)
    assert drive["fallback_levels"] == {"NONE": 31} and drive["deadline_ms"] > 0.0
    assert len(cycles) == 31 and wanted <= set(cycles[10]["metrics"])


def test_a_changed_model_output_fails_with_the_procedure(capsys, monkeypatch):
    original = PlanNormalizer.to_poses

    def shorter(self, *arguments):
        poses = original(self, *arguments)
        poses[:, 0, :, :2] *= 0.9
        return poses

    monkeypatch.setattr(PlanNormalizer, "to_poses", shorter)
    assert main(WORDS) == 1
    (failed,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED golden")]
    for part in ("plans differ from plans.json", "first at 0.0 s", "x_m", "--update", "CHANGELOG.md"):
        assert part in failed


def test_the_golden_drive_is_small():
    assert sum(file.stat().st_size for file in DRIVE.iterdir()) < 3_000_000
