"""The shipped model on the GPU providers of ONNX Runtime; each skips, with the reason, if its provider does not work here.

With a GPU: ``python -m pytest test/gpu``. The first run of TensorRT builds its engines, which takes minutes.
"""

import numpy as np
import onnxruntime
import pytest
from straight_drive import RIG, snapshot

from transdiffuser_planner.core.contract import agent_specs, auxiliary_specs, observation_specs, plan_spec
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.runtime.inference.bound_backend import BoundBackend, engine_cache
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.runtime.inference.providers import PROVIDERS, provider_problem
from transdiffuser_planner.runtime.planner import Planner

GPU = [name for name in PROVIDERS if name != "cpu"]
MANIFEST = load_manifest(model_folder("tiny"))
CONTRACT = MANIFEST.contract
AGENTS = ("agents", "agents_valid")
# Features are of the order of 1. CUDA sums in another order; TensorRT may multiply in TF32; fp16 has 11 bits.
FEATURES_ATOL = {("cuda", "fp32"): 1e-3, ("tensorrt", "fp32"): 2e-2, ("cuda", "fp16"): 5e-2, ("tensorrt", "fp16"): 5e-2}
FIRST_POINTS, POSITION_ATOL_M = 4, 0.2
Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=GPU)
def provider(request: pytest.FixtureRequest) -> str:
    """A GPU provider that this onnxruntime has and that loads the model."""
    problem = provider_problem(request.param)
    if problem:
        pytest.skip(problem)
    try:
        BoundBackend(MANIFEST, PlannerConfig(provider=request.param))
    except ModelError as error:
        pytest.skip(f"{PROVIDERS[request.param]} does not work on this machine: {error}")
    return str(request.param)


@pytest.fixture(scope="module")
def scene() -> Tensors:
    rng = np.random.default_rng(3)
    specs = {**observation_specs(CONTRACT), **agent_specs(CONTRACT)}
    values = {name: rng.random((1, *spec.shape)).astype(np.float32) for name, spec in specs.items()}
    return {name: np.ones_like(value) if name.endswith("valid") else value for name, value in values.items()}


def noises(
    backend: BoundBackend | OnnxBackend, scene: Tensors, num_agents: int = CONTRACT.num_agents
) -> list[np.ndarray]:
    """Predicted noise at several steps, from the observation on."""
    agents = {name: scene[name][:, :num_agents] for name in AGENTS}
    condition = backend.condition(backend.encode(scene), scene, agents)
    shape = (30, 1 + num_agents, plan_spec(CONTRACT).shape[1])
    samples = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    return [backend.predict_noise(samples, k, condition) for k in (CONTRACT.num_denoise_steps, 5, 1)]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_features_and_noise_agree_with_those_of_the_cpu(provider: str, precision: str, scene: Tensors) -> None:
    gpu, cpu = (
        BoundBackend(MANIFEST, PlannerConfig(provider=provider, precision=precision)),
        OnnxBackend(MANIFEST, 1),
    )
    found, expected, atol = gpu.encode(scene), cpu.encode(scene), FEATURES_ATOL[provider, precision]
    for name in MANIFEST.encoder_features:
        np.testing.assert_allclose(found[name], expected[name], atol=atol, err_msg=name)
    for num_agents in (0, CONTRACT.num_agents):
        for ours, theirs in zip(noises(gpu, scene, num_agents), noises(cpu, scene, num_agents), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=5 * atol)


def test_the_first_run_and_later_ones_are_equal_with_cuda_graphs_and_without(provider: str, scene: Tensors) -> None:
    with_graphs = BoundBackend(MANIFEST, PlannerConfig(provider=provider, cuda_graphs="on"))
    without = BoundBackend(MANIFEST, PlannerConfig(provider=provider, cuda_graphs="off"))
    first, expected = noises(with_graphs, scene), noises(without, scene)
    for _ in range(4):
        again = noises(with_graphs, scene)
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for ours, theirs in zip(first, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 if provider == "cuda" else 2e-2)


def test_every_graph_is_captured(provider: str, scene: Tensors) -> None:
    backend = BoundBackend(MANIFEST, PlannerConfig(provider=provider))
    noises(backend, scene)
    pose = np.zeros((30, 1 + CONTRACT.num_agents, CONTRACT.num_plan_steps, 3))
    backend.score(pose, backend.encode(scene), scene, {name: scene[name] for name in AGENTS})
    assert not backend.not_captured


def test_scores_agree_with_those_of_the_cpu(provider: str, scene: Tensors) -> None:
    gpu, cpu = BoundBackend(MANIFEST, PlannerConfig(provider=provider)), OnnxBackend(MANIFEST, 1)
    pose = np.random.default_rng(4).standard_normal((30, 4, CONTRACT.num_plan_steps, 3)).cumsum(axis=2)
    agents = {name: scene[name][:, :3] for name in AGENTS}
    found, expected = (backend.score(pose, backend.encode(scene), scene, agents) for backend in (gpu, cpu))
    np.testing.assert_allclose(found, expected, atol=5e-2)


def test_tensors_stay_on_the_gpu(provider: str, scene: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = BoundBackend(MANIFEST, PlannerConfig(provider=provider))
    noises(backend, scene)
    copied: list[tuple[int, ...]] = []
    read = onnxruntime.OrtValue.numpy

    def counted(value: onnxruntime.OrtValue) -> np.ndarray:
        assert value.device_name() == "cuda"
        copied.append(tuple(value.shape()))
        return read(value)

    monkeypatch.setattr(onnxruntime.OrtValue, "numpy", counted)
    features = backend.encode(scene)
    heads = [features[name].shape for name in auxiliary_specs(CONTRACT)]
    assert copied == heads
    del features  # else it would be copied before its buffers are used again
    copied.clear()
    noises(backend, scene)
    assert copied == [(30, *plan_spec(CONTRACT).shape)] * 3


def test_engines_are_kept(provider: str, scene: Tensors) -> None:
    if provider != "tensorrt":
        pytest.skip("only TensorRT has engines")
    noises(BoundBackend(MANIFEST, PlannerConfig(provider=provider)), scene)
    before = {path: path.stat().st_mtime_ns for path in engine_cache(MANIFEST).rglob("*.engine")}
    noises(BoundBackend(MANIFEST, PlannerConfig(provider=provider)), scene)
    after = {path: path.stat().st_mtime_ns for path in engine_cache(MANIFEST).rglob("*.engine")}
    assert before and before == after


def test_a_gpu_that_is_not_there_is_refused(provider: str) -> None:
    with pytest.raises(ModelError, match="set device_id to one that nvidia-smi lists"):
        BoundBackend(MANIFEST, PlannerConfig(provider=provider, device_id=63))


@pytest.mark.parametrize("selection", ["rules", "scorer"])
def test_the_planner_plans_on_it_and_reports_it(provider: str, selection: str) -> None:
    config = PlannerConfig(provider=provider, num_threads=2, selection=selection)
    result = Planner.load(model_folder("tiny"), RIG, config).plan(snapshot(20))
    assert result.fallback_level == FallbackLevel.NONE and result.provenance.provider == provider


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_beginning_of_a_plan_agrees_with_that_of_the_cpu(provider: str, precision: str) -> None:
    plans = []
    for config in (PlannerConfig(num_threads=1), PlannerConfig(provider=provider, precision=precision)):
        plans.append(Planner.load(model_folder("tiny"), RIG, config).plan(snapshot(20)).trajectory)
    np.testing.assert_allclose(plans[1].x_m_T[:FIRST_POINTS], plans[0].x_m_T[:FIRST_POINTS], atol=POSITION_ATOL_M)
