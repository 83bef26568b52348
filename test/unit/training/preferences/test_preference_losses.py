"""The preference terms of the decoder's loss, with a network that answers as the test gives."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule  # noqa: E402
from transdiffuser_planner.training.preference_recipe import PreferenceConfig  # noqa: E402
from transdiffuser_planner.training.preferences.noise_prediction import NoisePrediction  # noqa: E402
from transdiffuser_planner.training.preferences.preference_losses import (  # noqa: E402
    pair_loss,
    preference_losses,
    repulsion_loss,
)

B, M, N, P, F = 2, 3, 2, 24, 2


def _drawn(level: float = 0.5, x0: float = 1.0) -> NoisePrediction:
    """The network recovers x0 = 1 in every row."""
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((B, M, N, P)).astype(np.float32))
    levels = torch.full((B, M, 1, 1), level)
    noisy = levels.sqrt() * x0 + (1.0 - levels).sqrt() * noise
    return NoisePrediction(
        prepared={"scene": torch.zeros(B, 1)},
        k_BM=torch.ones(B, M, dtype=torch.int64),
        level_BM11=levels,
        noise=noise,
        noisy=noisy,
        predicted=noise.clone().requires_grad_(),
        fused_BMD=torch.zeros(B, M, 4),
    )


class Always:
    """Answers with the noise that leads to x0 = 1, whatever the sample is; keeps the sample."""

    def __init__(self, level: float) -> None:
        self.level, self.seen = level, torch.zeros(0)

    def __call__(self, x: torch.Tensor, k: torch.Tensor, prepared: dict) -> tuple[torch.Tensor, None]:
        self.seen = x
        return (x - self.level**0.5) / (1.0 - self.level) ** 0.5, None


def test_the_loser_is_denoised_with_the_winners_noise_and_only_the_egos_row_differs() -> None:
    drawn, network = _drawn(), Always(0.5)
    batch = {"loser": torch.full((B, P), 3.0), "has_loser": torch.tensor([0.0, 1.0])}
    parts = pair_loss(10.0, network, batch, drawn)
    assert network.seen.shape == (1, M, N, P)
    torch.testing.assert_close(network.seen[0, :, 1:], drawn.noisy[1, :, 1:])
    torch.testing.assert_close(network.seen[0, :, 0] - drawn.noisy[1, :, 0], torch.full((M, P), 0.5**0.5 * 2.0))
    lost = 2.0**2  # the loser's x0 is missed by 2, with equal shares of signal and noise
    np.testing.assert_allclose(float(parts["pairs"]), np.log1p(np.exp(-10.0 * lost)), atol=1e-6)
    assert float(parts["pairs_right"]) == 1.0


def test_an_equal_loser_costs_log_two_and_no_pair_costs_nothing() -> None:
    drawn, network = _drawn(), Always(0.5)
    equal = {"loser": torch.full((B, P), 1.0), "has_loser": torch.ones(B)}
    np.testing.assert_allclose(float(pair_loss(10.0, network, equal, drawn)["pairs"]), np.log(2.0), rtol=1e-4)
    none = {**equal, "has_loser": torch.zeros(B)}
    assert float(pair_loss(10.0, network, none, drawn)["pairs"]) == 0.0


def test_repulsion_is_bounded_falls_with_distance_and_pushes_away() -> None:
    drawn = _drawn(level=0.8)
    failing = torch.full((B, F, P), 1.3)
    failing[:, 1] = 9.0
    batch = {"failing": failing, "has_failing": torch.tensor([[1.0, 1.0], [0.0, 0.0]])}
    loss = repulsion_loss(0.6, batch, drawn)
    np.testing.assert_allclose(float(loss), 0.8 * 0.5, rtol=1e-4)
    loss.backward()
    slope = drawn.predicted.grad
    assert slope is not None and not slope[1].any() and not slope[:, :, 1:].any()
    assert (slope[0, :, 0] < 0.0).all()  # more predicted noise leads to a smaller x0, away from 1.3
    far = repulsion_loss(0.2, batch, _drawn(level=0.8))
    assert float(far) == 0.0


def test_terms_without_weight_are_not_computed() -> None:
    parts = preference_losses(PreferenceConfig(), NoiseSchedule.cosine(10), None, {}, _drawn())  # type: ignore[arg-type]
    assert float(parts["pairs"]) == 0.0 == float(parts["repulsion"])
