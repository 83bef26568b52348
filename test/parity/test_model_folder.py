"""Export of a network with random weights to a model folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from random_tiny import random_tiny  # noqa: E402

from transdiffuser_planner.core.contract import SCORER_INPUTS, TINY, observation_specs  # noqa: E402
from transdiffuser_planner.core.errors import ModelError, TrainingError  # noqa: E402
from transdiffuser_planner.core.vehicle import EGO_VEHICLE  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.networks.planner_network import PlannerNetwork  # noqa: E402
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule  # noqa: E402
from transdiffuser_planner.runtime.inference.manifest import load_manifest  # noqa: E402
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend  # noqa: E402
from transdiffuser_planner.training.export import model_folder  # noqa: E402
from transdiffuser_planner.training.export.random_model import (  # noqa: E402
    random_codebook,
    random_network,
    random_scorer,
    unit_normalizer,
)


def make_network(seed: int = 0) -> PlannerNetwork:
    """Random weights, also in the layers that start at zero; those of ``model`` have seed 0."""
    return random_network(tiny_config(), TINY, seed)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights."""
    return random_tiny(tmp_path_factory)


@pytest.mark.parametrize("num_agents", [0, 2, TINY.num_agents])
def test_runtime_equals_the_network(model: Path, num_agents: int) -> None:
    network, backend = make_network(), OnnxBackend(load_manifest(model), 1)
    values = model_folder.random_observation(TINY, 7)
    observation = {name: values[name] for name in observation_specs(TINY)}
    agents = {name: values[name][:, :num_agents] for name in ("agents", "agents_valid")}
    condition = backend.condition(backend.encode(observation), observation, agents)
    x = np.random.default_rng(0).standard_normal((5, 1 + num_agents, 3 * TINY.num_plan_steps)).astype(np.float32)
    ours = backend.predict_noise(x, 4, condition)
    with torch.no_grad():
        theirs = network(
            {name: torch.from_numpy(value) for name, value in observation.items()},
            *(torch.from_numpy(agents[name]) for name in ("agents", "agents_valid")),
            torch.from_numpy(x)[None],
            torch.tensor([[4]]),
        )[0].numpy()
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("num_agents", [0, 2, TINY.num_agents])
def test_predicted_scores_equal_the_scorers(model: Path, num_agents: int) -> None:
    backend, scorer = OnnxBackend(load_manifest(model), 1), random_scorer(tiny_config(), TINY)
    values = model_folder.random_observation(TINY, 7)
    agents = {name: values[name][:, :num_agents] for name in ("agents", "agents_valid")}
    features = backend.encode({name: values[name] for name in observation_specs(TINY)})
    shape = (5, 1 + num_agents, TINY.num_plan_steps, 3)
    pose = np.random.default_rng(0).standard_normal(shape).astype(np.float32).cumsum(axis=2)
    ours = backend.score(pose, features, values, agents)
    scene = {name: torch.from_numpy({**values, **features, **agents}[name]) for name in SCORER_INPUTS}
    with torch.no_grad():
        poses = torch.from_numpy(pose)
        theirs = scorer(poses[None, :, 0], poses[None, :, 1:], scene)[0].sigmoid().numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    turned = backend.score(
        pose[:, [0, *range(num_agents, 0, -1)]], features, values, {k: v[:, ::-1] for k, v in agents.items()}
    )
    np.testing.assert_allclose(turned, ours, atol=1e-5)  # the order of agents does not matter


def test_one_changed_byte_is_rejected(model: Path, tmp_path: Path) -> None:
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = bytearray((tmp_path / "denoise.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "denoise.onnx").write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"denoise\.onnx differs from its SHA-256"):
        load_manifest(tmp_path)


def test_export_is_refused_when_onnx_differs(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = {name: path.name for name, path in load_manifest(model).graphs.items() if name != "scorer"}

    def graphs_of_other_weights(network, folder, inputs):
        for name in graphs.values():
            shutil.copy(model / name, folder)
        return graphs

    monkeypatch.setattr(model_folder, "write_graphs", graphs_of_other_weights)
    schedule = NoiseSchedule.cosine(TINY.num_denoise_steps)
    parts = {"vehicle": EGO_VEHICLE, "codebook": random_codebook(TINY)}
    with pytest.raises(TrainingError, match="export refused"):
        model_folder.export_model(make_network(1), unit_normalizer(TINY), schedule, tmp_path / "model", **parts)
    assert not (tmp_path / "model").exists() and not list(tmp_path.iterdir())


def test_manifest_names_every_file_with_its_hash(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == {path.name for path in model.iterdir()} - {"manifest.json"}
