"""The shipped model on the GPU providers of ONNX Runtime; each skips, with the reason, if its provider is not available."""

import numpy as np
import onnxruntime
import pytest
from straight_drive import RIG, snapshot

from transdiffuser_planner.core.contract import observation_specs
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_backend import PROVIDERS, OnnxBackend
from transdiffuser_planner.runtime.planner import Planner

GPU = [name for name in PROVIDERS if name != "cpu"]
FEATURES_ATOL = 5e-3  # TF32 and other orders of summation; features are of the order of 1
FIRST_POINTS, POSITION_ATOL_M = 4, 0.2


@pytest.fixture(scope="module", params=GPU)
def provider(request: pytest.FixtureRequest) -> str:
    """A GPU provider that this onnxruntime has and that loads the model."""
    name = request.param
    if PROVIDERS[name] not in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has no {PROVIDERS[name]}: install onnxruntime-gpu")
    try:
        OnnxBackend(load_manifest(model_folder("tiny")), name, 1)
    except ModelError as error:
        pytest.skip(f"{PROVIDERS[name]} does not work on this machine: {error}")
    return name


def test_features_agree_with_those_of_the_cpu(provider: str) -> None:
    manifest = load_manifest(model_folder("tiny"))
    rng = np.random.default_rng(3)
    observation = {
        name: np.ones((1, *spec.shape), np.float32)
        if name.endswith("valid")
        else rng.random((1, *spec.shape)).astype(np.float32)
        for name, spec in observation_specs(manifest.contract).items()
    }
    expected = OnnxBackend(manifest, "cpu", 1).encode(observation)
    found = OnnxBackend(manifest, provider, 1).encode(observation)
    for name in manifest.encoder_features:
        np.testing.assert_allclose(found[name], expected[name], atol=FEATURES_ATOL, err_msg=name)


def test_the_planner_plans_on_it_and_reports_it(provider: str) -> None:
    config = PlannerConfig(provider=provider, num_threads=1, strict_provider=True)
    result = Planner.load(model_folder("tiny"), RIG, config).plan(snapshot(20))
    assert result.fallback_level == FallbackLevel.NONE and result.provenance.provider == provider


def test_the_beginning_of_a_plan_agrees_with_that_of_the_cpu(provider: str) -> None:
    plans = []
    for name in ("cpu", provider):
        planner = Planner.load(model_folder("tiny"), RIG, PlannerConfig(provider=name, num_threads=1))
        plans.append(planner.plan(snapshot(20)).trajectory)
    np.testing.assert_allclose(plans[1].x_m_T[:FIRST_POINTS], plans[0].x_m_T[:FIRST_POINTS], atol=POSITION_ATOL_M)
