"""Node, samples, calibration and validation draw through one sampler; a seed gives what it always gave."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from arithmetic_backend import ArithmeticBackend, digest  # noqa: E402

from transdiffuser_planner.core.contract import TINY  # noqa: E402
from transdiffuser_planner.core.planner_config import PlannerConfig  # noqa: E402
from transdiffuser_planner.core.vehicle import EGO_VEHICLE  # noqa: E402
from transdiffuser_planner.data.candidates.candidate_source import CandidateSource  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import SampleSet  # noqa: E402
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES  # noqa: E402
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures  # noqa: E402
from transdiffuser_planner.planning.safety.clearance import ObstacleField  # noqa: E402
from transdiffuser_planner.runtime.cycle.candidate_sampler import CandidateSampler  # noqa: E402
from transdiffuser_planner.runtime.cycle.perception import PerceivedScene, Surroundings  # noqa: E402
from transdiffuser_planner.runtime.cycle.time_budget import StageCosts  # noqa: E402
from transdiffuser_planner.runtime.inference.manifest import load_manifest  # noqa: E402
from transdiffuser_planner.runtime.inference.model_paths import model_folder  # noqa: E402
from transdiffuser_planner.training.export import quantize  # noqa: E402
from transdiffuser_planner.training.stages import decoder as decoder_stage  # noqa: E402


@pytest.fixture(scope="module")
def backend() -> ArithmeticBackend:
    return ArithmeticBackend(load_manifest(model_folder("tiny")))


@pytest.fixture(scope="module")
def samples(samples_folder: Path) -> SampleSet:
    return SampleSet.open(samples_folder / "validation", TINY)


def test_the_cycle_draws_what_it_always_drew(backend: ArithmeticBackend) -> None:
    sampler = CandidateSampler(backend, backend.contract, StageCosts(), 2)
    config = PlannerConfig(num_candidates=8, run_seed=5, temperature=0.75, sampler="ddpm", num_denoise_steps=10)
    tokens = {"action_tokens": np.full((1, 8, 3), 0.5, np.float32), "action_tokens_valid": np.ones((1, 8), np.float32)}
    observation = {"status": np.full((1, 8), 2.0, np.float32), **tokens}
    points = np.zeros((0, 3), dtype=np.float32)
    surroundings: Future[Surroundings] = Future()
    surroundings.set_result(
        Surroundings(
            bev_probability_KLL=np.zeros((1, 1, 1), dtype=np.float32),
            obstacles=ObstacleField.from_points(points, np.zeros((0, 5)), EGO_VEHICLE),
        )
    )
    scene = PerceivedScene(
        observation=observation,
        token_path=ActionTokenFeatures.of(observation),
        features={},
        tracks=[],
        agent_pose_A3=np.zeros((0, 3)),
        computed=surroundings,
    )
    drawn: Future[np.ndarray] = sampler.draw(123_456_789_000, config)
    futures = sampler.sample(scene, drawn, config, return_intermediates=True)
    assert futures is not None and futures.num_steps == config.num_denoise_steps
    assert digest(futures.pose_MKT3) == "a6d6e06e955fc670"
    assert digest(futures.intermediate_SMT3[0]) == "99084cbde8b9e955"


@pytest.mark.parametrize(
    ("sampler", "num_steps", "pull", "expected"),
    [
        ("ddpm", 10, 0.0, "c3518043953043c2"),
        ("ddim", 3, 0.0, "e4cb742d67960e02"),
        ("ddpm", 10, 0.5, "3c22b2ff38a3bddd"),
    ],
)
def test_samples_draw_what_they_always_drew(
    backend: ArithmeticBackend, samples: SampleSet, sampler: str, num_steps: int, pull: float, expected: str
) -> None:
    source = CandidateSource(backend, samples)
    segment = np.asarray([[[2.0, 0.25, 0.125]] * 8], dtype=np.float32)
    tokens = {"action_tokens": segment, "action_tokens_valid": np.ones((1, 8), dtype=np.float32)} if pull else None
    drawn = source.sample(source.frame(2), 5, tokens, num_steps=num_steps, sampler=sampler, pull=pull)
    assert digest(drawn) == expected


def test_calibration_draws_what_it_always_drew(backend: ArithmeticBackend) -> None:
    seen: list[str] = []
    scene = quantize.random_scenes(TINY, 3)[2]
    drawn = quantize.draw_plans(backend, scene, 4, lambda name, feed: seen.append(name))
    assert digest(drawn) == "cf67a48ea4a16382"
    assert seen == ["encoder", "condition", *["denoise"] * TINY.num_denoise_steps]


class _ArithmeticDecoder(torch.nn.Module):
    """Answers like a decoder, by arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def prepare(self, features, conditions, agents, agents_valid):  # type: ignore[no-untyped-def]
        """The speed."""
        return conditions["status"][:, None, None, 4:5]

    def forward(self, x, k, prepared):  # type: ignore[no-untyped-def]
        """Noise (B, M, N, P)."""
        return x * (0.5 + 0.03125 * k[..., None, None].float()) + 0.015625 * prepared, None


def test_validation_draws_what_it_always_drew(backend: ArithmeticBackend, samples: SampleSet) -> None:
    sampler = backend.manifest.sampler()
    motion, rng = decoder_stage.DecoderSamples(samples), np.random.default_rng(0)
    batch = decoder_stage.make_batch(motion, None, TINY, sampler.normalizer, None, np.arange(3), rng)
    batch |= {name: torch.zeros(3, 1, 1) for name in FEATURE_NAMES}
    decoder: Any = _ArithmeticDecoder()
    errors = decoder_stage.sampling_errors(decoder, [batch], sampler)
    assert errors == pytest.approx(
        {"ade_one_m": 4.74074, "ade_mean_m": 3.802664, "ade_nearest_m": 1.310964, "spread_4s_m": 3.872801}, abs=1e-6
    )
