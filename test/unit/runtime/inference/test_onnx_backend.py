"""The shipped model's graphs through the backend: any number of agents, several threads, both precisions."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from transdiffuser_planner.core.contract import agent_specs, observation_specs, plan_spec
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.inference import onnx_backend
from transdiffuser_planner.runtime.inference.backend_registry import make_backend
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.runtime.planner import Planner

TINY = model_folder("tiny")


@pytest.fixture(scope="module")
def backend() -> OnnxBackend:
    return OnnxBackend(load_manifest(TINY), 1)


@pytest.fixture(scope="module")
def scene(backend: OnnxBackend) -> dict[str, np.ndarray]:
    """Random inputs, all valid."""
    rng = np.random.default_rng(5)
    contract = backend.manifest.contract
    specs = {**observation_specs(contract), **agent_specs(contract)}
    return {
        name: np.ones((1, *spec.shape), np.float32)
        if name.endswith("valid")
        else rng.random((1, *spec.shape)).astype(np.float32)
        for name, spec in specs.items()
    }


def make_samples(backend: OnnxBackend, count: int) -> np.ndarray:
    shape = (count, *plan_spec(backend.manifest.contract).shape)
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def make_condition(backend: OnnxBackend, scene: dict[str, np.ndarray], agents: np.ndarray, valid: np.ndarray):  # type: ignore[no-untyped-def]
    return backend.condition(backend.encode(scene), scene, {"agents": agents, "agents_valid": valid})


@pytest.mark.parametrize("there", [0, 1, 3])
def test_absent_agents_equal_masked_ones(backend: OnnxBackend, scene: dict[str, np.ndarray], there: int) -> None:
    valid = scene["agents_valid"].copy()
    valid[:, there:] = 0.0
    masked = make_condition(backend, scene, scene["agents"], valid)
    fewer = make_condition(backend, scene, scene["agents"][:, :there], valid[:, :there])
    x = make_samples(backend, 4)
    wide = backend.predict_noise(x, 6, masked)[:, : 1 + there]
    narrow = backend.predict_noise(np.ascontiguousarray(x[:, : 1 + there]), 6, fewer)
    assert narrow.shape == wide.shape and np.abs(wide).max() > 0.1
    np.testing.assert_allclose(narrow, wide, atol=1e-4)


def test_two_threads_give_the_same_bits_as_one(backend: OnnxBackend, scene: dict[str, np.ndarray]) -> None:
    condition = make_condition(backend, scene, scene["agents"], scene["agents_valid"])
    halves = [np.ascontiguousarray(half) for half in np.split(make_samples(backend, 12), 2)]

    def walk(x: np.ndarray) -> np.ndarray:
        for k in range(10, 0, -1):
            x = x - 0.1 * backend.predict_noise(x, k, condition)
        return x

    alone = [walk(half) for half in halves]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            for ours, theirs in zip(alone, pool.map(walk, halves), strict=True):
                assert np.array_equal(ours, theirs)


def test_a_size_loaded_ahead_is_not_loaded_again(scene: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[str, int, dict[str, int] | None]] = []
    original = onnx_backend.make_session

    def counted(path, provider, num_threads, sizes=None):  # type: ignore[no-untyped-def]
        loaded.append((path.name, num_threads, sizes))
        return original(path, provider, num_threads, sizes)

    monkeypatch.setattr(onnx_backend, "make_session", counted)
    backend = OnnxBackend(load_manifest(TINY), 2, denoise_sizes=[(3, 9), (3, 9)])
    assert sorted(entry[:2] for entry in loaded) == [
        ("condition.onnx", 1),
        ("denoise.onnx", 1),
        ("encoder.onnx", 2),
        ("scorer.onnx", 1),
    ]
    condition = make_condition(backend, scene, scene["agents"], scene["agents_valid"])
    backend.predict_noise(make_samples(backend, 3), 2, condition)
    assert len(loaded) == 4
    backend.predict_noise(make_samples(backend, 2), 2, condition)
    assert len(loaded) == 5


@pytest.mark.parametrize(("candidates", "threads"), [(5, 2), (3, 1), (1, 2)])
def test_no_cycle_loads_a_graph(candidates: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PlannerConfig(num_candidates=candidates, num_threads=threads, num_denoise_steps=1)
    planner = Planner(make_backend(load_manifest(TINY), config), Rig.load(RIGS / "carla.yaml"), config)
    monkeypatch.setattr(onnx_backend, "make_session", None)  # calling it would fail
    planner.warm_up()


def test_int8_differs_a_little(backend: OnnxBackend, scene: dict[str, np.ndarray]) -> None:
    small = OnnxBackend(backend.manifest, 1, "int8")
    ours, theirs = backend.encode(scene), small.encode(scene)
    for name in backend.manifest.encoder_features:
        gap = np.abs(ours[name] - theirs[name]).mean() / np.abs(ours[name]).mean()
        assert 0.0 < gap < 0.3, name


def copy_model(folder: Path) -> Path:
    for path in TINY.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    return folder


def test_without_its_int8_file_a_model_still_runs_in_fp32(tmp_path: Path) -> None:
    manifest = load_manifest(copy_model(tmp_path))
    for path in manifest.int8_graphs.values():
        path.unlink()
    manifest = load_manifest(tmp_path)
    OnnxBackend(manifest, 1)
    with pytest.raises(ModelError, match=r"int8\.onnx missing; make them with 'transdiffuser quantize"):
        OnnxBackend(manifest, 1, "int8")


def test_a_model_without_int8_graphs_gives_the_command_that_makes_them(tmp_path: Path) -> None:
    path = copy_model(tmp_path) / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["int8"]
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ModelError, match="no int8 graphs; make them with"):
        OnnxBackend(load_manifest(tmp_path), 1, "int8")


def test_a_changed_int8_file_is_rejected(tmp_path: Path) -> None:
    manifest = load_manifest(copy_model(tmp_path))
    path = next(iter(manifest.int8_graphs.values()))
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match=r"int8\.onnx differs from its SHA-256"):
        load_manifest(tmp_path)


def test_unknown_precision_lists_the_known_ones(backend: OnnxBackend) -> None:
    with pytest.raises(ModelError, match="'fp16' is unknown; known are fp32, int8"):
        OnnxBackend(backend.manifest, 1, "fp16")


def test_a_provider_that_is_not_available_is_an_error_or_replaced_by_the_cpu_as_configured() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA may work here")
    manifest = load_manifest(TINY)
    with pytest.raises(ModelError, match="execution provider 'cuda' is not available"):
        make_backend(manifest, PlannerConfig(provider="cuda"))
    lenient = make_backend(manifest, PlannerConfig(provider="cuda", precision="fp16", strict_provider=False))
    assert (lenient.provider, lenient.precision) == ("cpu", "fp32")
