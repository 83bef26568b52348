"""Published weights for the two ResNet branches, read from a file by the names under which they were published.

Known names, each followed by ResNet's own (``conv1.weight``, ``layer1.0.bn1.bias``, ...):

- torchvision and timm ResNet-18/34: nothing before them; they are the image branch.
- TransFuser in NAVSIM, DiffusionDrive: ``agent._transfuser_model._backbone.image_encoder.``, ``... .lidar_encoder.``
- TransFuser for CARLA: ``module._model.image_encoder.features.``, ``module._model.lidar_encoder._model.``
- this package's own encoder: ``perception.encoder.image_branch.``, ``perception.encoder.lidar_branch.``

Pictures go in as 0 .. 1, as in NAVSIM; networks that were trained on pictures normalized otherwise adapt while training.
"""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.networks.encoder.resnet import ResNet
from transdiffuser_planner.networks.encoder.scene_encoder import SceneEncoder
from transdiffuser_planner.training.engine.devices import is_first_process

BRANCHES = ("image", "lidar")
_IN_BRANCH = re.compile(r"(?:.*\.)?(image|lidar)_(?:encoder|branch)\.(?:features\.|_model\.)?(.+)")
_ALONE = re.compile(r"(?:(?:module|model|backbone)\.)*((?:conv1|bn1|layer[1-4])\..+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretrained:
    """A file with weights, and which branches take theirs from it."""

    path: Path
    branches: tuple[str, ...] = BRANCHES

    @torch.no_grad()
    def load_into(self, encoder: SceneEncoder) -> dict[str, tuple[int, int]]:
        """Copy what the file has for the branches, and print how much that was.

        Args:
            encoder: Whose branches' weights are replaced.

        Returns:
            Per branch the number of tensors loaded and the number it has.

        Raises:
            TrainingError: The file cannot be read, has nothing for these branches, or a tensor of another shape.
        """
        published = by_branch(read_tensors(self.path))
        targets = {"image": encoder.image_branch, "lidar": encoder.lidar_branch}
        counts = {name: self._fill(name, targets[name], published[name]) for name in self.branches}
        if not any(loaded for loaded, _ in counts.values()):
            raise TrainingError(f"pretrained {self.path}: no weights of a ResNet for {' or '.join(self.branches)}")
        for name, (loaded, total) in counts.items() if is_first_process() else ():
            print(f"pretrained {self.path}: {name} branch has {loaded} of its {total} tensors from it")
        return counts

    def _fill(self, name: str, branch: ResNet, published: dict[str, Tensor]) -> tuple[int, int]:
        mine = branch.state_dict()
        common = [key for key in mine if key in published]
        for key in common:
            if mine[key].shape != published[key].shape:
                raise TrainingError(
                    f"pretrained {self.path}: {name} branch, {key} is {tuple(published[key].shape)} in the file, "
                    f"{tuple(mine[key].shape)} here; take another network size, or --pretrained-branches"
                )
        for key in common:
            mine[key].copy_(published[key])
        return len(common), len(mine)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file, or of a file that torch.save wrote, without running code in it.

    Raises:
        TrainingError: The file cannot be read, or has more in it than tensors and plain values.
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
            f"pretrained {path}: holds more than tensors, which is not opened ({reason}); "
            "store its state_dict as .safetensors where you trust it"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict):
        raise TrainingError(f"pretrained {path}: expected tensors by name, got {type(data).__name__}")
    return {name: value for name, value in data.items() if isinstance(value, Tensor)}


def by_branch(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Branch -> ResNet's own name -> tensor; what belongs to neither branch is left out."""
    found: dict[str, dict[str, Tensor]] = {name: {} for name in BRANCHES}
    for name, value in tensors.items():
        if match := _IN_BRANCH.fullmatch(name):
            found[match[1]][match[2]] = value
        elif match := _ALONE.fullmatch(name):
            found["image"][match[1]] = value
    return found
