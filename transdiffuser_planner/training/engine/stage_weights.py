"""The weights of a finished stage: `<stage>.safetensors` in the run's folder; it says what made it and holds no code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONTRACT_VERSION
from transdiffuser_planner.core.errors import TrainingError

PROGRESS = "transdiffuser"
"""Key in a resumable checkpoint under which it says of what stage, version and length it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageWeights:
    """Averaged weights by name, the stage that trained them and its number of optimizer steps."""

    tensors: dict[str, Tensor]
    stage: str
    num_steps: int


def weights_path(folder: Path, stage: str) -> Path:
    """Where a finished stage's weights lie."""
    return folder / f"{stage}.safetensors"


def checkpoint_path(folder: Path, stage: str) -> Path:
    """Where the state lies from which an interrupted stage is resumed."""
    return folder / f"{stage}.ckpt"


def was_begun(folder: Path, stage: str) -> bool:
    """Whether there is something of a stage, finished or not."""
    return weights_path(folder, stage).is_file() or checkpoint_path(folder, stage).is_file()


def save_weights(folder: Path, weights: StageWeights) -> Path:
    """Write the file; a crash while writing leaves the one before."""
    path = weights_path(folder, weights.stage)
    partial = path.with_suffix(".partial")
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.tensors.items()}
    about = {
        "stage": weights.stage,
        "contract_version": str(CONTRACT_VERSION),
        "num_steps": str(weights.num_steps),
    }
    save_file(tensors, partial, metadata=about)
    os.replace(partial, path)
    return path


def load_weights(folder: Path, stage: str) -> StageWeights:
    """Read a finished stage.

    Raises:
        TrainingError: The stage was not trained to its end, the file is damaged, is of another stage or of another version
            of the tensor contract.
    """
    path = weights_path(folder, stage)
    if not path.is_file():
        raise TrainingError(f"run {folder}: stage '{stage}' {_how_far(folder, stage)}")
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"weights {path}: cannot be read ({error}); train the stage again") from None
    check_version(path, about.get("contract_version"))
    if about.get("stage") != stage:
        raise TrainingError(f"weights {path}: are of stage {about.get('stage')!r}, expected {stage!r}")
    return StageWeights(tensors=tensors, stage=stage, num_steps=int(about["num_steps"]))


def finished_weights(folder: Path, stage: str) -> dict[str, Tensor]:
    """The averaged weights of a finished stage by name.

    Raises:
        TrainingError: As of ``load_weights``.
    """
    return load_weights(folder, stage).tensors


def load_into(network: nn.Module, tensors: dict[str, Tensor], where: Path) -> None:
    """Load weights into the network that they must be of.

    Args:
        network: All its weights are replaced.
        tensors: By name.
        where: Run they come from, for the error.

    Raises:
        TrainingError: The network has other parts, as after a change of the program or of the recipe.
    """
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise TrainingError(
            f"run {where}: its weights are of another network ({first}); train the stage again"
        ) from None


def check_version(path: Path, version: str | int | None) -> None:
    """Refuse what was made for another contract.

    Raises:
        TrainingError: The version is not this program's.
    """
    if str(version) != str(CONTRACT_VERSION):
        raise TrainingError(
            f"{path}: made for contract version {version}, this program has version {CONTRACT_VERSION}; train it again"
        )


def _how_far(folder: Path, stage: str) -> str:
    """What is known of a stage that is not finished."""
    path = checkpoint_path(folder, stage)
    if not path.is_file():
        return "is not there; train it first"
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return f"stopped at step {state['global_step']} of {state[PROGRESS]['num_steps']}; resume it"
