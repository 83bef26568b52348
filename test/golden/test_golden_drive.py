"""A small recorded drive with thresholds, a baseline and golden plans: a changed output of the planner is noticed.

When this fails, its message is the procedure. The bag is made by make_golden_drive.py; tolerances and their reasons stand in
plans.json, those of the numbers in baseline.yaml.
"""

from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")
pytest.importorskip("onnxruntime", reason="the model cannot be executed without ONNX Runtime")

from transdiffuser_planner.apps.main import main
from transdiffuser_planner.pipeline.normalization import PlanNormalizer

HERE = Path(__file__).resolve().parent
DRIVE = HERE / "town_drive"
WORDS = ["replay", str(DRIVE), "--conditions", str(HERE / "conditions.yaml"), "--golden", str(HERE / "plans.json")]


def test_the_golden_drive_gives_the_golden_plans_and_keeps_its_thresholds(capsys):
    status = main([*WORDS, "--baseline", str(HERE / "baseline.yaml")])
    out = capsys.readouterr().out
    assert status == 0, "\n".join(line for line in out.splitlines() if line.startswith("FAILED"))
    assert "plans  31 from 31 frames" in out


def test_changing_the_models_output_on_purpose_fails_and_says_what_to_do(capsys, monkeypatch):
    original = PlanNormalizer.to_poses

    def shorter(self, *arguments):
        poses = original(self, *arguments)
        poses[:, 0, :, :2] *= 0.9
        return poses

    monkeypatch.setattr(PlanNormalizer, "to_poses", shorter)
    assert main(WORDS) == 1
    (failed,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED golden")]
    for part in ("plans differ from plans.json", "first at 0.0 s", "x_m", "--update", "say why in CHANGELOG.md"):
        assert part in failed


def test_the_golden_drive_is_small():
    assert sum(file.stat().st_size for file in DRIVE.iterdir()) < 3_000_000
