"""Graphs bound to buffers of a device, here of the CPU: the bits of the plain path, and no copies that need not be."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from straight_drive import RIG, snapshot

from transdiffuser_planner.core.contract import SCORE_NAMES, agent_specs, auxiliary_specs, observation_specs, plan_spec
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.runtime.inference import bound_backend
from transdiffuser_planner.runtime.inference.bound_backend import BoundBackend
from transdiffuser_planner.runtime.inference.bound_graph import Device
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.runtime.inference.onnx_session import CaptureError
from transdiffuser_planner.runtime.planner import Planner

MANIFEST = load_manifest(model_folder("tiny"))
CONTRACT = MANIFEST.contract
AGENTS = ("agents", "agents_valid")
Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def bound() -> BoundBackend:
    return BoundBackend(MANIFEST, PlannerConfig(num_threads=1))


@pytest.fixture(scope="module")
def plain() -> OnnxBackend:
    return OnnxBackend(MANIFEST, 1)


def make_scene(seed: int) -> Tensors:
    rng = np.random.default_rng(seed)
    specs = {**observation_specs(CONTRACT), **agent_specs(CONTRACT)}
    values = {name: rng.random((1, *spec.shape)).astype(np.float32) for name, spec in specs.items()}
    return {name: np.ones_like(value) if name.endswith("valid") else value for name, value in values.items()}


def fewer_agents(scene: Tensors, count: int) -> tuple[Tensors, Tensors]:
    """The first agents, and the same padded with masked ones."""
    few = {name: scene[name][:, :count] for name in AGENTS}
    padded = {name: scene[name].copy() for name in AGENTS}
    for value in padded.values():
        value[:, count:] = 0.0
    return few, padded


def noisy(count: int, num_agents: int) -> np.ndarray:
    """Samples of which absent agents are zeros."""
    samples = np.random.default_rng(1).standard_normal((count, *plan_spec(CONTRACT).shape)).astype(np.float32)
    samples[:, 1 + num_agents :] = 0.0
    return samples


@pytest.mark.parametrize("num_agents", [0, 3, CONTRACT.num_agents])
def test_every_stage_has_the_bits_of_the_plain_path(bound: BoundBackend, plain: OnnxBackend, num_agents: int) -> None:
    scene = make_scene(1)
    few, padded = fewer_agents(scene, num_agents)
    features, expected = bound.encode(scene), plain.encode(scene)
    assert set(features) == set(expected)
    assert all(np.array_equal(features[name], expected[name]) for name in expected)
    condition, expected_condition = bound.condition(features, scene, few), plain.condition(expected, scene, padded)
    samples = noisy(4, num_agents)
    for k in (CONTRACT.num_denoise_steps, 1):
        found = bound.predict_noise(np.ascontiguousarray(samples[:, : 1 + num_agents]), k, condition)
        assert np.array_equal(found, plain.predict_noise(samples, k, expected_condition)[:, : 1 + num_agents])
    pose = np.random.default_rng(3).standard_normal((5, 1 + num_agents, CONTRACT.num_plan_steps, 3)).cumsum(axis=2)
    scores = bound.score(pose, features, scene, few)
    assert scores.shape == (5, len(SCORE_NAMES))
    np.testing.assert_allclose(scores, plain.score(pose, expected, scene, few), atol=1e-5)


def test_results_stay_valid_after_later_runs_and_in_any_order(bound: BoundBackend, plain: OnnxBackend) -> None:
    scenes = [make_scene(seed) for seed in (1, 2)]
    features = [bound.encode(scene) for scene in scenes]
    expected = [plain.encode(scene) for scene in scenes]
    conditions = [bound.condition(features[i], scenes[i], {n: scenes[i][n] for n in AGENTS}) for i in (0, 1)]
    wanted = [plain.condition(expected[i], scenes[i], {n: scenes[i][n] for n in AGENTS}) for i in (0, 1)]
    samples = noisy(3, CONTRACT.num_agents)
    for i in (0, 1, 1, 0):
        assert np.array_equal(
            bound.predict_noise(samples, 4, conditions[i]), plain.predict_noise(samples, 4, wanted[i])
        )
    for i in (1, 0):
        assert all(np.array_equal(features[i][name], expected[i][name]) for name in expected[i])
        assert all(np.array_equal(conditions[i][name], wanted[i][name]) for name in wanted[i])


def test_tensors_from_elsewhere_are_taken_too(bound: BoundBackend, plain: OnnxBackend) -> None:
    scene = make_scene(3)
    agents = {name: scene[name] for name in AGENTS}
    encoded = plain.encode(scene)
    tokens = {name: encoded[name] for name in MANIFEST.encoder_features}
    bound.encode(make_scene(4))
    condition, wanted = bound.condition(tokens, scene, agents), plain.condition(tokens, scene, agents)
    assert all(np.array_equal(condition[name], wanted[name]) for name in wanted)


def test_only_what_the_planner_reads_is_copied(bound: BoundBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, samples = make_scene(5), noisy(3, CONTRACT.num_agents)
    agents = {name: scene[name] for name in AGENTS}
    bound.predict_noise(samples, 1, bound.condition(bound.encode(scene), scene, agents))
    uploads, downloads = [], []
    update, read = onnxruntime.OrtValue.update_inplace, onnxruntime.OrtValue.numpy

    def counted_update(value: onnxruntime.OrtValue, data: np.ndarray) -> None:
        uploads.append(data.shape)
        update(value, data)

    def counted_read(value: onnxruntime.OrtValue) -> np.ndarray:
        found = read(value)
        downloads.append(found.shape)
        return found

    monkeypatch.setattr(onnxruntime.OrtValue, "update_inplace", counted_update)
    monkeypatch.setattr(onnxruntime.OrtValue, "numpy", counted_read)
    features = bound.encode(scene)
    assert len(uploads) == 4 and not downloads
    heads = [features[name] for name in auxiliary_specs(CONTRACT)]
    assert downloads == [head.shape for head in heads]
    uploads.clear(), downloads.clear()
    condition = bound.condition(features, scene, agents)
    assert not downloads and features["bev_tokens"].shape not in uploads
    downloads.clear()
    uploads.clear()
    for k in range(5, 0, -1):
        bound.predict_noise(samples, k, condition)
    assert uploads == [samples.shape, (1,)] * 5 and downloads == [samples.shape] * 5


def test_the_planner_reads_no_features(bound: BoundBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    planner = Planner(bound, RIG, PlannerConfig(num_candidates=4, num_threads=2, selection="scorer"))
    planner.plan(snapshot(20))
    read, shapes = onnxruntime.OrtValue.numpy, []
    monkeypatch.setattr(onnxruntime.OrtValue, "numpy", lambda value: shapes.append(tuple(value.shape())) or read(value))
    results = [planner.plan(snapshot(index)) for index in (21, 22)]
    assert all(len(result.candidates.pose_MT3) == 4 for result in results)
    steps = PlannerConfig().num_denoise_steps
    assert len(shapes) == 2 * (len(auxiliary_specs(CONTRACT)) + steps + 1)  # heads, noise of all candidates, scores


def test_threads_share_the_device_one_after_the_other(bound: BoundBackend) -> None:
    scenes = [make_scene(seed) for seed in range(4)]
    samples = noisy(3, CONTRACT.num_agents)

    def noise(scene: Tensors) -> np.ndarray:
        condition = bound.condition(bound.encode(scene), scene, {name: scene[name] for name in AGENTS})
        return bound.predict_noise(samples, 3, condition)

    alone = [noise(scene) for scene in scenes]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(noise, scenes))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_graph_that_cannot_be_captured_runs_without_or_is_refused_as_configured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    captured: list[tuple[str, bool]] = []
    original = BoundBackend._bound

    def refusing(self, name, sizes, shared, *, capture):  # type: ignore[no-untyped-def]
        captured.append((name, capture))
        if capture and name == "condition":
            raise CaptureError("graph condition.onnx: no CUDA graph, it has branches or loops")
        monkeypatch.setattr(self, "provider", "cpu")
        try:
            return original(self, name, sizes, shared, capture=capture)
        finally:
            monkeypatch.setattr(self, "provider", "cuda")

    monkeypatch.setattr(BoundBackend, "_bound", refusing)
    monkeypatch.setattr(bound_backend, "provider_problem", lambda provider: "")
    monkeypatch.setattr(bound_backend, "Device", lambda kind, number: Device("cpu"))
    monkeypatch.setattr(bound_backend, "provider_options", lambda *args, **options: [("CPUExecutionProvider", {})])
    backend = BoundBackend(MANIFEST, PlannerConfig(provider="cuda"))
    assert captured == [("encoder", True), ("condition", True), ("condition", False)]
    assert "branches or loops" in backend.not_captured["condition"] and "it runs without" in capsys.readouterr().err
    with pytest.raises(ModelError, match="branches or loops; set cuda_graphs to auto"):
        BoundBackend(MANIFEST, PlannerConfig(provider="cuda", cuda_graphs="on"))
    captured.clear()
    BoundBackend(MANIFEST, PlannerConfig(provider="cuda", cuda_graphs="off"))
    assert captured == [("encoder", False), ("condition", False)]
