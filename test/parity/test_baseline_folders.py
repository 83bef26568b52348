"""Trained baselines become folders that plan without PyTorch, with the results of PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from untrained_baselines import export_untrained, untrained_run  # noqa: E402

from transdiffuser_planner.cli.main import main  # noqa: E402
from transdiffuser_planner.core.contract import TINY  # noqa: E402
from transdiffuser_planner.core.errors import ModelError, TrainingError  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import SampleSet  # noqa: E402
from transdiffuser_planner.runtime.inference.baseline_model import (  # noqa: E402
    BASELINES,
    GRAPH_NAME,
    REGRESSION_HEAD,
    BaselineModel,
    load_baseline_manifest,
)
from transdiffuser_planner.runtime.inference.manifest import load_manifest  # noqa: E402
from transdiffuser_planner.runtime.inference.model_paths import model_folder  # noqa: E402
from transdiffuser_planner.training.export import baseline_folders  # noqa: E402
from transdiffuser_planner.training.export.baseline_folders import input_names, parity_inputs  # noqa: E402
from transdiffuser_planner.training.run import Run  # noqa: E402
from transdiffuser_planner.training.stages import baselines  # noqa: E402

MODEL = model_folder("tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, samples_folder: Path) -> Run:
    """A run whose baselines were exported by the command."""
    folder = tmp_path_factory.mktemp("run")
    found = untrained_run(folder)
    words = [
        "export",
        str(folder),
        "--baselines",
        "--model",
        str(MODEL),
        "--samples",
        str(samples_folder / "validation"),
    ]
    assert main(words) == 0
    return found


@pytest.mark.parametrize("name", BASELINES)
def test_onnx_plans_equal_those_of_pytorch(run: Run, samples_folder: Path, name: str) -> None:
    model = BaselineModel(load_baseline_manifest(run.folder / name))
    assert run.model is not None
    network, normalizer = run.trained_baseline(name), run.normalizer()
    for values in parity_inputs(run.model, SampleSet.open(samples_folder / "train", TINY), 3):
        with torch.no_grad():
            plan = baselines.predict(network, {key: torch.from_numpy(values[key]) for key in input_names(name)})
        expected_T3 = normalizer.to_poses(plan.numpy()[:, :1], np.zeros((0, 3)))[0, 0]
        found_T3 = model.plan(values)
        assert found_T3.shape == (TINY.num_plan_steps, 3) and np.abs(np.diff(found_T3, axis=0)).max() > 0.01
        np.testing.assert_allclose(found_T3, expected_T3, atol=1e-3)


def test_the_manifest_describes_the_baseline(run: Run) -> None:
    for name in BASELINES:
        manifest = load_baseline_manifest(run.folder / name)
        data = json.loads((run.folder / name / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest.name, data["kind"], manifest.contract) == (name, "baseline", TINY)
        assert manifest.needs_sensors is (name == REGRESSION_HEAD) and len(manifest.baseline_hash) == 64
        assert manifest.training["data"] == {"samples": 40} and manifest.training["parity"] < 1e-4


def test_a_changed_byte_another_kind_and_another_encoder_are_refused(run: Run, tmp_path: Path) -> None:
    source, manifest = run.folder / REGRESSION_HEAD, load_baseline_manifest(run.folder / REGRESSION_HEAD)
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / GRAPH_NAME).write_bytes(b"x")
    with pytest.raises(ModelError, match=r"baseline\.onnx differs from its SHA-256"):
        load_baseline_manifest(tmp_path)
    with pytest.raises(ModelError, match="is missing kind, encoder_hash"):
        load_baseline_manifest(MODEL)
    with pytest.raises(ModelError, match=r"no manifest\.json; make it with 'transdiffuser export RUN --baselines'"):
        load_baseline_manifest(tmp_path / "nothing")
    manifest.check_encoder(load_manifest(MODEL))
    other = load_manifest(MODEL)
    other.graphs["encoder"] = other.graphs["condition"]
    with pytest.raises(ModelError, match="was trained on the encoder of another model"):
        manifest.check_encoder(other)


def test_export_is_refused_when_onnx_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_folders, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(TrainingError, match="export of ego-status-mlp refused: ONNX differs"):
        export_untrained(tmp_path)
    assert not list((tmp_path / "baselines").glob("*"))


def test_weights_under_an_old_name_are_one_clear_line(tmp_path: Path) -> None:
    run = untrained_run(tmp_path)
    (tmp_path / "regression-head.safetensors").rename(tmp_path / "regression.safetensors")
    with pytest.raises(TrainingError, match=r"baseline 'regression-head' is now regression-head\.safetensors"):
        run.trained_baseline(REGRESSION_HEAD)


def test_export_without_a_model_names_the_missing_model(
    run: Run, samples_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(run.folder), "--baselines", "--samples", str(samples_folder / "validation")]
    assert main(words) == 2
    assert "give --model, the exported model whose encoder they read" in capsys.readouterr().err


_WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder
class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "pytorch_lightning", "safetensors", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, NotInstalled())
from pathlib import Path
from straight_drive import snapshot
import transdiffuser_planner.cli.evaluate
import transdiffuser_planner.evaluation.open_loop.compared_planners
import transdiffuser_planner.evaluation.open_loop.instructed_candidates
import transdiffuser_planner.evaluation.model_card.comparison_section
import transdiffuser_planner.evaluation.open_loop.planner_comparison
import transdiffuser_planner.evaluation.open_loop.predictions
from transdiffuser_planner.simulation.rollout.planner_interface import PlannerInput
from transdiffuser_planner.planners.registry import make_planner, make_specs
specs, skipped = make_specs(sys.argv[2:], baselines=Path(sys.argv[1]))
assert not skipped, skipped
for spec in specs:
    planner = make_planner(spec)
    planner.reset(None)
    plan = planner.plan(PlannerInput(step=None, ego=snapshot(3).ego, snapshot=snapshot(3)))
    print(spec.name, plan.frame_id, len(plan.x_m_T))
"""


def test_the_suite_and_the_tables_need_no_torch(run: Run) -> None:
    pytest.importorskip("libsumo")
    words = [sys.executable, "-c", _WITHOUT_TORCH, str(run.folder), *BASELINES]
    paths = [str(Path(__file__).parents[1] / "support"), *(path for path in sys.path if path)]
    done = subprocess.run(words, capture_output=True, text=True, env={"PYTHONPATH": ":".join(paths)}, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(BASELINES)
