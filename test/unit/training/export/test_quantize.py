"""int8 graphs: written graphs, graphs left in fp32, entries of the manifest."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from random_tiny import random_tiny

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.runtime.inference.manifest import load_manifest, sha256_of
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.export import quantize
from transdiffuser_planner.training.export.quantization_error import measure_shift

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights."""
    return random_tiny(tmp_path_factory)


@pytest.fixture
def model(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(quantize, "TIMING_ROUNDS", 1)
    return Path(shutil.copytree(exported, tmp_path / "tiny"))


@pytest.fixture(scope="module")
def quantized(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It with int8 graphs, however fast they are."""
    folder = Path(shutil.copytree(exported, tmp_path_factory.mktemp("quantized") / "tiny"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantize, "TIMING_ROUNDS", 1)
        patch.setattr(quantize, "MIN_GAIN", 0.0)
        quantize.quantize_model(folder, quantize.random_scenes(TINY, 2), {"data": "drawn inputs", "scenes": 2})
    return folder


def test_int8_graphs_are_written_next_to_the_fp32_ones(exported: Path, quantized: Path) -> None:
    before = {path.name: sha256_of(path) for path in exported.glob("*.onnx")}
    model, scenes = quantized, quantize.random_scenes(TINY, 2)
    manifest = load_manifest(model)
    assert {name: path.name for name, path in manifest.int8_graphs.items()} == {
        name: f"{name}.int8.onnx" for name in quantize.GRAPHS
    }
    assert before.items() <= {path.name: sha256_of(path) for path in model.glob("*.onnx")}.items()
    assert (model / "encoder.int8.onnx").stat().st_size < 0.5 * (model / "encoder.onnx").stat().st_size
    plan = {name: quantize.draw_plans(OnnxBackend(manifest, 1, name), scenes[0], 3) for name in ("fp32", "int8")}
    assert np.isfinite(plan["int8"]).all() and not np.array_equal(plan["fp32"], plan["int8"])


def test_slower_graphs_stay_fp32_and_are_listed_in_the_manifest(
    model: Path, quantized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_before(source: Path, target: Path, feeds: object) -> None:
        shutil.copy(quantized / f"{source.stem}.int8.onnx", target)

    monkeypatch.setattr(quantize, "_quantize", made_before)
    monkeypatch.setattr(quantize, "MIN_GAIN", float("inf"))
    quantize.quantize_model(model, quantize.random_scenes(TINY, 1), {})
    int8 = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["int8"]
    assert int8["graphs"] == {} and set(int8["left_fp32"]) == set(quantize.GRAPHS)
    assert not list(model.glob("*.int8.onnx"))


def test_plans_of_both_precisions_are_compared_in_meters(quantized: Path) -> None:
    scenes = quantize.random_scenes(TINY, 2)
    plan = {"plan": np.zeros((1, TINY.num_plan_steps, 3)), "plan_valid": np.ones((1, TINY.num_plan_steps))}
    result = measure_shift(quantized, [{**scene, **plan} for scene in scenes], 3)
    shift = result["shift_m"]
    assert 0.0 < shift["mean"] <= shift["p95"] <= shift["worst"]
    assert result["scenes"] == 2 and set(result["mean_error_m"]) == {"fp32", "int8"}


def test_an_empty_set_of_samples_is_refused(model: Path) -> None:
    with pytest.raises(TrainingError, match="no samples to calibrate on"):
        quantize.quantize_model(model, [], {})


def test_the_command_reports_errors_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", str(tmp_path), "--random"]) == 2
    assert "no manifest.json" in capsys.readouterr().err
    assert main(["export", "--random", "tiny"]) == 2
    assert "--random goes with --out" in capsys.readouterr().err
    assert main(["export"]) == 2
    assert "--samples, or --random" in capsys.readouterr().err
