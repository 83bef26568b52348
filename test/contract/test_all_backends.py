"""Requirements of every inference backend."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from arithmetic_backend import arithmetic_backend
from plugin_package import write_package
from straight_drive import snapshot

from transdiffuser_planner.core.contract import agent_specs, auxiliary_specs, observation_specs, plan_spec
from transdiffuser_planner.core.errors import ConfigError, ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.backend_registry import BUILT_IN, GROUP, make_backend
from transdiffuser_planner.runtime.inference.bound_backend import BoundBackend
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner

Tensors = dict[str, np.ndarray]

MANIFEST = load_manifest(model_folder("tiny"))
CONTRACT = MANIFEST.contract
FACTORIES = {**BUILT_IN, "bound": BoundBackend, "arithmetic": arithmetic_backend}


@pytest.fixture(scope="module", params=sorted(FACTORIES))
def backend(request: pytest.FixtureRequest) -> InferenceBackend:
    return FACTORIES[request.param](MANIFEST, PlannerConfig(num_threads=1))


@pytest.fixture(scope="module")
def scene() -> Tensors:
    """Random inputs, all valid."""
    rng = np.random.default_rng(5)
    specs = {**observation_specs(CONTRACT), **agent_specs(CONTRACT)}
    values = {name: rng.random((1, *spec.shape)).astype(np.float32) for name, spec in specs.items()}
    return {name: np.ones_like(value) if name.endswith("valid") else value for name, value in values.items()}


def _condition(backend: InferenceBackend, scene: Tensors, num_agents: int) -> Tensors:
    agents = {name: scene[name][:, :num_agents] for name in ("agents", "agents_valid")}
    return backend.condition(backend.encode(scene), scene, agents)


def _noisy(num_candidates: int, num_agents: int) -> np.ndarray:
    shape = (num_candidates, 1 + num_agents, plan_spec(CONTRACT).shape[1])
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


def test_it_is_a_backend_and_names_its_provider(backend: InferenceBackend) -> None:
    assert isinstance(backend, InferenceBackend)
    assert backend.manifest is MANIFEST and backend.provider and backend.precision == "fp32"
    assert backend.parallel_shares >= 1


def test_the_encoder_gives_the_features_and_auxiliary_outputs_of_the_contract(
    backend: InferenceBackend, scene: Tensors
) -> None:
    encoded = backend.encode(scene)
    assert set(encoded) == {*MANIFEST.encoder_features, *auxiliary_specs(CONTRACT)}
    for name, spec in auxiliary_specs(CONTRACT).items():
        assert encoded[name].shape == (1, *spec.shape) and encoded[name].dtype == np.float32
    assert all(np.isfinite(tensor).all() for tensor in encoded.values())


@pytest.mark.parametrize("num_agents", [0, 2, CONTRACT.num_agents])
def test_noise_has_the_shape_of_the_samples_for_any_number_of_agents(
    backend: InferenceBackend, scene: Tensors, num_agents: int
) -> None:
    noisy = _noisy(3, num_agents)
    noise = backend.predict_noise(noisy, CONTRACT.num_denoise_steps, _condition(backend, scene, num_agents))
    assert noise.shape == noisy.shape and noise.dtype == np.float32 and np.isfinite(noise).all()


def test_samples_do_not_depend_on_one_another(backend: InferenceBackend, scene: Tensors) -> None:
    noisy, condition = _noisy(4, 2), _condition(backend, scene, 2)
    together = backend.predict_noise(noisy, 5, condition)
    np.testing.assert_allclose(backend.predict_noise(noisy[1:3].copy(), 5, condition), together[1:3], atol=1e-4)


def test_inputs_stay_unchanged_and_equal_inputs_give_equal_outputs(backend: InferenceBackend, scene: Tensors) -> None:
    before, noisy, condition = {k: v.copy() for k, v in scene.items()}, _noisy(3, 1), _condition(backend, scene, 1)
    first, kept = backend.predict_noise(noisy, 7, condition), noisy.copy()
    again = backend.predict_noise(noisy, 7, _condition(backend, scene, 1))
    assert np.array_equal(first, again) and np.array_equal(noisy, kept)
    assert all(np.array_equal(scene[name], before[name]) for name in scene)


def test_several_threads_get_the_results_of_one(backend: InferenceBackend, scene: Tensors) -> None:
    noisy, condition = _noisy(3, 1), _condition(backend, scene, 1)
    alone = [backend.predict_noise(noisy, k, condition) for k in range(1, 9)]
    with ThreadPoolExecutor(max_workers=2) as threads:
        shared = list(threads.map(lambda k: backend.predict_noise(noisy, k, condition), range(1, 9)))
    assert all(np.array_equal(a, b) for a, b in zip(alone, shared, strict=True))


def test_scores_lie_between_0_and_1_or_are_refused(backend: InferenceBackend, scene: Tensors) -> None:
    pose = np.random.default_rng(3).standard_normal((4, 3, CONTRACT.num_plan_steps, 3)).cumsum(axis=2)
    agents = {name: scene[name][:, :2] for name in ("agents", "agents_valid")}
    if not backend.has_scorer:
        with pytest.raises(ModelError, match="no scorer"):
            backend.score(pose, backend.encode(scene), scene, agents)
        return
    score = backend.score(pose, backend.encode(scene), scene, agents)
    assert len(score) == 4 and (score >= 0.0).all() and (score <= 1.0).all()


def test_the_planner_plans_with_it(backend: InferenceBackend) -> None:
    planner = Planner(backend, Rig.load(RIGS / "carla.yaml"), PlannerConfig(num_candidates=4, num_threads=1))
    result = planner.plan(snapshot(0))
    assert np.isfinite(result.trajectory.x_m_T).all() and result.provenance.provider == backend.provider


def test_a_package_adds_a_backend_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "arithmetic": "arithmetic_backend:arithmetic_backend",
        "broken": "no_such_module:factory",
        "number": "math:pow",
    }
    monkeypatch.syspath_prepend(write_package(tmp_path, GROUP, points))
    made = make_backend(MANIFEST, PlannerConfig(backend="arithmetic"))
    assert type(made).__name__ == "ArithmeticBackend"
    with pytest.raises(ConfigError, match=r"'broken' .*no_such_module.* extra-planners .*repair or uninstall"):
        make_backend(MANIFEST, PlannerConfig(backend="broken"))
    with pytest.raises(ConfigError, match="backend 'number': failed to load"):
        make_backend(MANIFEST, PlannerConfig(backend="number"))
    with pytest.raises(ConfigError, match="'vulkan' is unknown; known are onnxruntime, arithmetic, broken, number"):
        make_backend(MANIFEST, PlannerConfig(backend="vulkan"))
