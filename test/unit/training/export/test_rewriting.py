"""Rewritten graphs: equal to the original with and without sensors, and fewer operators that move numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")

import onnxruntime  # noqa: E402

from transdiffuser_planner.cli.main import main  # noqa: E402
from transdiffuser_planner.core.contract import ENCODER_INPUTS, TINY  # noqa: E402
from transdiffuser_planner.core.errors import TrainingError  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.networks.planner_network import PerceptionNetwork  # noqa: E402
from transdiffuser_planner.runtime.inference.manifest import load_manifest, sha256_of  # noqa: E402
from transdiffuser_planner.runtime.vision.view_segmenter import ViewSegmenter  # noqa: E402
from transdiffuser_planner.training.export import rewritten_folder  # noqa: E402
from transdiffuser_planner.training.export.model_folder import random_observation  # noqa: E402
from transdiffuser_planner.training.export.onnx_graphs import EncoderGraph, trace  # noqa: E402
from transdiffuser_planner.training.export.random_model import random_network  # noqa: E402
from transdiffuser_planner.training.export.rewriting.feature_maps import IDENTITY, join_in_rows  # noqa: E402
from transdiffuser_planner.training.export.rewriting.rewrite_encoder import rewrite_encoder  # noqa: E402
from transdiffuser_planner.training.export.shared_tensors import share_tensors  # noqa: E402

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[4] / "models" / "tiny"


def traced(perception: PerceptionNetwork, path: Path) -> Path:
    """The encoder as the exporter writes it."""
    import torch

    values = random_observation(TINY, 0)
    inputs = tuple(torch.from_numpy(values[name]) for name in ENCODER_INPUTS)
    with torch.no_grad():
        outputs = tuple(f"output_{number}" for number in range(len(EncoderGraph(perception)(*inputs))))
        trace(EncoderGraph(perception), inputs, path, ENCODER_INPUTS, outputs)
    return path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = random_network(tiny_config(), TINY)
    return traced(network.perception, tmp_path_factory.mktemp("graph") / "encoder.onnx")


@pytest.fixture(scope="module")
def rewritten(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(original, tmp_path_factory.mktemp("rewritten") / "encoder.onnx"))
    rewrite_encoder(path)
    return path


def outputs(path: Path, camera_valid: tuple[float, ...], lidar_valid: float) -> list[np.ndarray]:
    feeds = {name: value for name, value in random_observation(TINY, 3).items() if name in ENCODER_INPUTS}
    feeds["camera_valid"] = np.asarray([camera_valid], dtype=np.float32)
    feeds["lidar_valid"] = np.full_like(feeds["lidar_valid"], lidar_valid)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds)


@pytest.mark.parametrize(
    ("camera_valid", "lidar_valid"), [((1.0, 1.0, 1.0), 1.0), ((0.0, 1.0, 1.0), 1.0), ((1.0, 0.0, 0.0), 0.0)]
)
def test_rewritten_encoder_equals_the_original(
    original: Path, rewritten: Path, camera_valid: tuple[float, ...], lidar_valid: float
) -> None:
    for ours, theirs in zip(
        outputs(original, camera_valid, lidar_valid), outputs(rewritten, camera_valid, lidar_valid), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, float(np.abs(ours).max())))


def test_every_pattern_of_the_encoder_is_found(original: Path, rewritten: Path) -> None:
    def kinds(path: Path) -> list[str]:
        return [node.op_type for node in onnx.load(str(path)).graph.node]

    before, after = kinds(original), kinds(rewritten)
    fusions, stages = 4, 4
    assert "DepthToSpace" not in after and "Shape" not in after
    assert after.count("Slice") == 2 * fusions  # both grids after each fusion; queries, keys and values are split once
    assert (
        after.count("Sub") == 2 + 1
    )  # the decoder's image and LiDAR tokens, and one share of missing data for all fusions
    identities = [node for node in onnx.load(str(rewritten)).graph.node if node.name.startswith(IDENTITY)]
    assert len(identities) == 2 * stages
    assert len(after) < 0.6 * len(before)


def test_rewriting_twice_changes_nothing(rewritten: Path, tmp_path: Path) -> None:
    twice = Path(shutil.copy(rewritten, tmp_path / "encoder.onnx"))
    rewrite_encoder(twice)
    for ours, theirs in zip(outputs(rewritten, (1, 1, 1), 1), outputs(twice, (1, 1, 1), 1), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_blocks_are_undone_for_int8(rewritten: Path, tmp_path: Path) -> None:
    model = onnx.load(str(rewritten))
    join_in_rows(model)
    onnx.checker.check_model(model)
    assert not any(node.name.startswith(IDENTITY) for node in model.graph.node)
    onnx.save(model, str(tmp_path / "rows.onnx"))
    for ours, theirs in zip(
        outputs(rewritten, (1, 0, 1), 1), outputs(tmp_path / "rows.onnx", (1, 0, 1), 1), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, float(np.abs(ours).max())))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "tiny"))


def test_model_folder_is_rewritten_and_stays_loadable(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, model_hash = (
        json.loads((folder / "manifest.json").read_text(encoding="utf-8")),
        load_manifest(folder).model_hash,
    )
    assert main(["export", "--rewrite", str(folder)]) == 0
    after = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert after["training"].pop("rewritten_from")["model_hash"] == model_hash
    before["training"].pop("rewritten_from", None)
    assert before.pop("files").keys() == after.pop("files").keys() and before == after
    assert load_manifest(folder).graphs["encoder"].is_file() and not list(folder.glob("*.partial.*"))
    assert "largest difference" in capsys.readouterr().out


def test_the_view_graph_of_a_rewritten_folder_still_reads_the_encoders_weights(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED.parent / "tiny_real", tmp_path / "tiny_real"))
    observation = random_observation(load_manifest(folder).contract, 0)
    before = ViewSegmenter(load_manifest(folder)).classes(observation)
    # Another byte before the weights: a graph that read at the old places would compute something else.
    encoder = folder / "encoder.onnx"
    model = onnx.load(str(encoder))
    model.doc_string = "moved"
    model.graph.initializer.insert(0, onnx.numpy_helper.from_array(np.zeros(500, np.float32), "unused"))
    onnx.save(model, str(encoder))
    view = onnx.load(str(SHIPPED.parent / "tiny_real" / "view.onnx"))
    onnx.save(view, str(folder / "view.onnx"))
    share_tensors(folder / "view.onnx", encoder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] |= {name: sha256_of(folder / name) for name in ("encoder.onnx", "view.onnx")}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    np.testing.assert_array_equal(ViewSegmenter(load_manifest(folder)).classes(observation), before)
    rewritten_folder.rewrite_folder(folder)
    assert (folder / "view.onnx").stat().st_size < 1e6
    np.testing.assert_array_equal(ViewSegmenter(load_manifest(folder)).classes(observation), before)


def test_folder_stays_unchanged_when_the_rewritten_graph_differs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    monkeypatch.setattr(rewritten_folder, "MAX_REWRITE_DIFFERENCE", -1.0)
    with pytest.raises(TrainingError, match="nothing was changed"):
        rewritten_folder.rewrite_folder(folder)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
