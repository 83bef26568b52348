"""A codebook fitted to plans, networks initialized from ones without tokens, and plans conditioned on tokens."""

import dataclasses

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

from transdiffuser_planner.core.contract import TINY  # noqa: E402
from transdiffuser_planner.core.errors import TrainingError  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.training.engine.warm_start import grow_from  # noqa: E402
from transdiffuser_planner.training.export.model_folder import random_observation  # noqa: E402
from transdiffuser_planner.training.export.random_model import random_network  # noqa: E402
from transdiffuser_planner.training.fit_codebook import fit_codebook, reconstruction_error_m  # noqa: E402

WITHOUT = dataclasses.replace(TINY, codebook_size=0)


def _logged(count: int, seed: int) -> np.ndarray:
    """Plans of constant acceleration and curvature."""
    rng, time = np.random.default_rng(seed), TINY.plan_times_s
    speed, accel = rng.uniform(0.0, 12.0, (count, 1)), rng.uniform(-2.0, 2.0, (count, 1))
    stop = np.where(accel < 0.0, speed / np.maximum(-accel, 1e-6), np.inf)
    until = np.minimum(time, stop)
    s = speed * until + 0.5 * accel * until**2
    curve = rng.normal(0.0, 0.03, (count, 1))
    heading = curve * s
    x, y = s * np.sinc(heading / np.pi), s * np.sinc(0.5 * heading / np.pi) * np.sin(0.5 * heading)
    return np.stack([x, y, heading], axis=-1).astype(np.float32)


def test_a_fitted_codebook_reproduces_unseen_plans() -> None:
    codebook = fit_codebook(_logged(2000, 0), TINY)
    assert len(codebook) == TINY.codebook_size and not codebook.segment_C3[0].any()
    assert reconstruction_error_m(codebook, _logged(300, 1))["ade_mean"] <= 0.10


def test_too_few_plans_are_refused() -> None:
    with pytest.raises(TrainingError, match="80 segments are too few for 256 tokens"):
        fit_codebook(_logged(10, 0), TINY)


def _predict(network, values: dict[str, np.ndarray], **changes: np.ndarray) -> np.ndarray:
    tensors = {name: torch.from_numpy(value) for name, value in (values | changes).items()}
    noise = torch.from_numpy(np.random.default_rng(3).standard_normal((1, 4, 9, 24)).astype(np.float32))
    with torch.no_grad():
        return network(tensors, tensors["agents"], tensors["agents_valid"], noise, torch.tensor([[5]])).numpy()


def test_a_grown_network_computes_the_same_as_the_old_one_and_trains_only_new_weights() -> None:
    """Without tokens this also holds after the training of the new part."""
    old, new = random_network(tiny_config(), WITHOUT), random_network(tiny_config(), TINY, seed=1)
    added = grow_from(new, old.state_dict())
    assert added and set(added) == set(new.state_dict()) - set(old.state_dict())
    assert [name for name, value in new.named_parameters() if value.requires_grad] == [
        name for name, _ in new.named_parameters() if name in added
    ]
    values = random_observation(TINY, 5)
    np.testing.assert_allclose(_predict(new, values), _predict(old, values), atol=1e-5)
    for name, value in new.named_parameters():
        if name in added:
            torch.nn.init.normal_(value, std=0.1)
    without_tokens = {"action_tokens_valid": np.zeros_like(values["action_tokens_valid"])}
    np.testing.assert_allclose(_predict(new, values, **without_tokens), _predict(old, values), atol=1e-5)
    assert np.abs(_predict(new, values) - _predict(old, values)).max() > 0.01


def test_a_network_of_the_same_kind_is_trained_as_a_whole() -> None:
    network = random_network(tiny_config(), TINY)
    assert grow_from(network, network.state_dict()) == []
    assert all(value.requires_grad for value in network.parameters())


def test_weights_that_do_not_fit_are_named() -> None:
    old, new = random_network(tiny_config(), TINY), random_network(tiny_config(), WITHOUT)
    with pytest.raises(TrainingError, match="warm start: the old network has decoder"):
        grow_from(new, old.state_dict())


def test_tokens_that_are_masked_cannot_influence_the_output() -> None:
    network, values = random_network(tiny_config(), TINY), random_observation(TINY, 6)
    rng, shape = np.random.default_rng(0), values["action_tokens"].shape
    cut = np.ones_like(values["action_tokens_valid"])
    cut[:, 3:] = 0.0
    tokens = rng.standard_normal(shape).astype(np.float32)
    other = tokens.copy()
    other[:, 3:] += 5.0
    first = _predict(network, values, action_tokens=tokens, action_tokens_valid=cut)
    np.testing.assert_array_equal(first, _predict(network, values, action_tokens=other, action_tokens_valid=cut))
    other[:, 0] += 5.0
    assert np.abs(first - _predict(network, values, action_tokens=other, action_tokens_valid=cut)).max() > 1e-4
    nothing = np.zeros_like(cut)
    unconditioned = _predict(network, values, action_tokens=tokens, action_tokens_valid=nothing)
    np.testing.assert_array_equal(
        unconditioned, _predict(network, values, action_tokens=other, action_tokens_valid=nothing)
    )


def test_action_tokens_count_in_meters() -> None:
    """Twice the distance moves the ego's token twice as far from the one without tokens; no norm removes the scale."""
    decoder = random_network(tiny_config(), TINY).decoder
    values = {name: torch.from_numpy(value) for name, value in random_observation(TINY, 6).items()}
    segment = torch.zeros(1, 8, 3)
    segment[..., 0] = 2.0
    valid = torch.ones(1, 8)

    def ego_token(factor: float) -> torch.Tensor:
        tokens = {"action_tokens": factor * segment, "action_tokens_valid": valid}
        return decoder.motion_encoder({**values, **tokens}, values["agents"]).action_tokens.token

    nothing, once, twice = ego_token(0.0), ego_token(1.0), ego_token(2.0)
    torch.testing.assert_close(twice - nothing, 2.0 * (once - nothing), atol=1e-4, rtol=1e-4)
    assert (once - nothing).abs().max() > 0.1
