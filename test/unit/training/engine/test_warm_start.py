"""Networks that start from the weights of others."""

from dataclasses import replace

import pytest
import torch

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.networks.encoder.resnet import ResNet
from transdiffuser_planner.networks.encoder.scene_encoder import SceneEncoder
from transdiffuser_planner.networks.network_config import tiny_config
from transdiffuser_planner.training.engine.warm_start import merged_heights, start_from


def test_a_network_with_more_heights_starts_as_the_one_it_is_from() -> None:
    torch.manual_seed(0)
    before = SceneEncoder(tiny_config(), TINY).eval()
    after = SceneEncoder(tiny_config(), replace(TINY, lidar_heights_m=(0.3, 1.0, 2.0))).eval()
    assert start_from(after, before.state_dict()) == []
    counts = torch.randint(0, 6, (2, 4, 128, 128), generator=torch.Generator().manual_seed(0)).float()
    obstacles = counts[:, 1:].sum(dim=1, keepdim=True).clamp(max=5)
    view, valid = torch.rand(2, 3, 128, 512), (torch.ones(2, 3), torch.ones(2, 1))
    with torch.no_grad():
        expected = before(view, valid[0], torch.cat([counts[:, :1], obstacles], dim=1) / 5, valid[1])
        found = after(view, valid[0], merged_heights(counts, 2, 5) / 5, valid[1])
    for name, tokens in expected.tokens.items():
        torch.testing.assert_close(found.tokens[name], tokens)


def test_counts_of_a_network_of_equal_heights_are_unchanged() -> None:
    counts = torch.ones(1, 4, 2, 2)
    assert merged_heights(counts, 4, 5) is counts


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(TrainingError, match="no weight of the other network"):
        start_from(ResNet(tiny_config().lidar, 2), {"other": torch.zeros(1)})
