"""The networks' sizes, masks and losses."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transdiffuser_planner.core.contract import (  # noqa: E402
    BASE,
    BASE_HALF,
    CONDITION_INPUTS,
    TINY,
    ModelContract,
    agent_specs,
    auxiliary_specs,
    observation_specs,
    plan_spec,
)
from transdiffuser_planner.core.errors import ConfigError  # noqa: E402
from transdiffuser_planner.networks.decoder import condition_cache  # noqa: E402
from transdiffuser_planner.networks.decoder.condition_cache import ScenePreparation  # noqa: E402
from transdiffuser_planner.networks.decoder.denoise_step import DenoiseStep  # noqa: E402
from transdiffuser_planner.networks.losses import decorrelation_loss, diffusion_loss  # noqa: E402
from transdiffuser_planner.networks.network_config import base_config, base_half_config, named_config, tiny_config  # noqa: E402
from transdiffuser_planner.networks.planner_network import PlannerNetwork  # noqa: E402


def make_inputs(contract: ModelContract, batch: int = 1) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Random observation and agents, everything valid."""
    generator = torch.Generator().manual_seed(3)

    def draw(specs):  # type: ignore[no-untyped-def]
        return {
            name: torch.ones(batch, *spec.shape)
            if name.endswith("valid")
            else torch.rand(batch, *spec.shape, generator=generator)
            for name, spec in specs.items()
        }

    agents = draw(agent_specs(contract))
    return draw(observation_specs(contract)), agents["agents"], agents["agents_valid"]


@pytest.fixture(scope="module")
def tiny() -> PlannerNetwork:
    """`tiny` with random weights everywhere."""
    torch.manual_seed(0)
    network = PlannerNetwork(tiny_config(), TINY)
    for parameter in network.decoder.parameters():
        if not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network.eval()


def predict(network: PlannerNetwork, observation, agents, agents_valid, seed: int = 0):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(agents), 3, *plan_spec(network.contract).shape, generator=generator)
    with torch.no_grad():
        return network(observation, agents, agents_valid, x, torch.full((len(agents), 3), 5))


@pytest.mark.parametrize(
    ("config", "contract"), [(tiny_config(), TINY), (base_config(), BASE), (base_half_config(), BASE_HALF)]
)
def test_network_builds_and_predicts_noise(config, contract) -> None:  # type: ignore[no-untyped-def]
    network = PlannerNetwork(config, contract).eval()
    noise = predict(network, *make_inputs(contract))
    assert noise.shape == (1, 3, *plan_spec(contract).shape) and torch.isfinite(noise).all()
    names = ("image", "camera_valid", "lidar", "lidar_valid")
    with torch.no_grad():
        _, heads = network.perception(*(make_inputs(contract)[0][name] for name in names))
    assert {name: tuple(value.shape[1:]) for name, value in heads.items()} == {
        name: spec.shape for name, spec in auxiliary_specs(contract).items()
    }


PUBLISHED_BACKBONE_WEIGHTS = 52.06e6


def test_base_has_the_published_backbone_size() -> None:
    with torch.device("meta"):
        network = PlannerNetwork(base_config(), BASE)
    encoder = network.perception.encoder
    parts = (encoder.image_branch, encoder.lidar_branch, encoder.fusions)
    count = sum(p.numel() for part in parts for p in part.parameters())
    print(f"base: {count / 1e6:.2f} M weights in the backbone")
    assert abs(count / PUBLISHED_BACKBONE_WEIGHTS - 1.0) < 0.02


@pytest.mark.parametrize("more_work", [0.0, 1.2, 100.0])
def test_prepared_steps_equal_the_decoder_as_trained(
    tiny: PlannerNetwork, more_work: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(condition_cache, "MAX_MORE_WORK", more_work)
    observation, agents, valid = make_inputs(TINY)
    valid[:, 5:] = 0.0
    x = torch.randn(3, *plan_spec(TINY).shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features, _ = tiny.perception(
            *(observation[name] for name in ("image", "camera_valid", "lidar", "lidar_valid"))
        )
        prepared = ScenePreparation(tiny.decoder)(features.tokens, observation, agents, valid)
        ours = DenoiseStep(tiny.decoder)(x, torch.tensor([7]), prepared)
        theirs = tiny(observation, agents, valid, x[None], torch.full((1, 3), 7))[0]
    assert theirs.abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize(
    ("values", "mask"),
    [
        ("lidar", "lidar_valid"),
        ("signal", "signal_valid"),
        ("speed_limit", "speed_limit_valid"),
        ("route", "route_valid"),
    ],
)
def test_values_behind_a_zero_mask_do_not_matter(tiny: PlannerNetwork, values: str, mask: str) -> None:
    observation, agents, valid = make_inputs(TINY)
    masked = {**observation, mask: torch.zeros_like(observation[mask]), values: torch.zeros_like(observation[values])}
    other = {**masked, values: observation[values]}
    present = predict(tiny, observation, agents, valid)
    if values != "lidar":  # the features carry no rendering of a masked point cloud, but the branch still sees it
        torch.testing.assert_close(predict(tiny, other, agents, valid), predict(tiny, masked, agents, valid))
    assert (predict(tiny, masked, agents, valid) - present).abs().max() > 1e-6


def test_absent_agents_do_not_influence_the_ego(tiny: PlannerNetwork) -> None:
    observation, agents, valid = make_inputs(TINY)
    valid[:, 4:] = 0.0
    changed = agents.clone()
    changed[:, 4:] += 10.0
    a, b = predict(tiny, observation, agents, valid), predict(tiny, observation, changed, valid)
    torch.testing.assert_close(a[:, :, :5], b[:, :, :5], atol=1e-5, rtol=0.0)


def test_scenes_of_a_batch_do_not_mix(tiny: PlannerNetwork) -> None:
    observation, agents, valid = make_inputs(TINY, batch=2)
    valid[1, 2:] = 0.0
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *plan_spec(TINY).shape, generator=generator)
    k = torch.full((2, 3), 5)
    with torch.no_grad():
        both = tiny(observation, agents, valid, x, k)
        alone = tiny({name: v[1:] for name, v in observation.items()}, agents[1:], valid[1:], x[1:], k[1:])
    torch.testing.assert_close(both[1:, :, :3], alone[:, :, :3], atol=1e-4, rtol=0.0)


def test_decorrelation_loss_has_the_stated_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    independent = torch.randn(64, 256, generator=generator)
    identical = torch.randn(64, 1, generator=generator).expand(-1, 256)
    assert abs(float(decorrelation_loss(independent)) - 1.0) < 0.1
    assert abs(float(decorrelation_loss(identical)) - 64.0 * 255.0 / 256.0) < 0.2


def test_masked_labels_do_not_count_in_the_diffusion_loss() -> None:
    noise, target = torch.zeros(2, 3, 9, 24), torch.ones(2, 3, 9, 24)
    mask = torch.ones(2, 9, 24)
    mask[:, 1:] = 0.0
    parts = diffusion_loss(noise, target, mask, ego_weight=1.0, agent_weight=0.5)
    assert float(parts["ego"]) == pytest.approx(1.0) and float(parts["agents"]) == 0.0


def test_unknown_network_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="tiny, base"):
        named_config("huge")


def test_all_conditions_reach_the_decoder(tiny: PlannerNetwork) -> None:
    observation, agents, valid = make_inputs(TINY)
    before = predict(tiny, observation, agents, valid)
    for name in CONDITION_INPUTS:
        if not name.endswith("valid"):
            changed = {**observation, name: observation[name] + 0.5}
            gap = (predict(tiny, changed, agents, valid) - before).abs().max()
            assert gap > 1e-7, f"{name} has no influence"
    assert np.isfinite(before.numpy()).all()
