"""The weights of a finished stage: `<stage>.safetensors` in the run's folder, with its origin and without code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONTRACT_VERSION
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.core.files import writing
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_NAME

WEIGHTS_FOLDER = "weights"
"""Sub-folder of a model folder that holds the weights its graphs were made of."""
PROGRESS = "transdiffuser"
"""Key of the contract version and length in a resumable checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageWeights:
    """Weights of a finished stage.

    Attributes:
        tensors: Averaged weights by name.
        stage: Stage that trained them.
        num_steps: Its number of optimizer steps.
    """

    tensors: dict[str, Tensor]
    stage: str
    num_steps: int


def weights_path(folder: Path, stage: str) -> Path:
    """Path of a finished stage's weights."""
    return folder / f"{stage}.safetensors"


def checkpoint_path(folder: Path, stage: str) -> Path:
    """Path of the state from which an interrupted stage resumes."""
    return folder / f"{stage}.ckpt"


def was_begun(folder: Path, stage: str) -> bool:
    """Check for weights or a checkpoint of a stage."""
    return weights_path(folder, stage).is_file() or checkpoint_path(folder, stage).is_file()


def save_weights(folder: Path, weights: StageWeights, *, half: bool = False) -> Path:
    """Write the weights atomically and return the path.

    Args:
        folder: Of the run.
        weights: Weights of a stage.
        half: Matrices and kernels in half precision: half the size, good to start another training from.
    """
    path = weights_path(folder, weights.stage)
    partial = path.with_suffix(".partial")
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.tensors.items()}
    if half:
        tensors = {name: value.half() if _is_matrix(value) else value for name, value in tensors.items()}
    about = {
        "stage": weights.stage,
        "contract_version": str(CONTRACT_VERSION),
        "num_steps": str(weights.num_steps),
    }
    with writing(path, partial):
        partial.write_bytes(save(tensors, metadata=about))  # save_file has errors of its own for a full disk
        os.replace(partial, path)
    return path


def _is_matrix(value: Tensor) -> bool:
    return value.ndim > 1 and value.dtype == torch.float32


def load_weights(folder: Path, stage: str) -> StageWeights:
    """Read the weights of a finished stage.

    Args:
        folder: Of the run.
        stage: Name of the stage.

    Raises:
        TrainingError: The stage was not trained to its end, or the file is damaged, of another stage or of another version
            of the tensor contract.
    """
    path = weights_path(folder, stage)
    if not path.is_file():
        raise TrainingError(f"run {folder}: stage '{stage}' {_progress(folder, stage)}")
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
            tensors = {
                name: value.float() if value.dtype == torch.float16 else value for name, value in tensors.items()
            }
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"weights {path}: cannot be read ({error}); train the stage again") from None
    check_version(path, about.get("contract_version"))
    if about.get("stage") != stage:
        raise TrainingError(f"weights {path}: are of stage {about.get('stage')!r}, expected {stage!r}")
    return StageWeights(tensors=tensors, stage=stage, num_steps=int(about["num_steps"]))


def finished_weights(folder: Path, stage: str) -> dict[str, Tensor]:
    """Averaged weights of a finished stage by name.

    Args:
        folder: Of the run.
        stage: Name of the stage.

    Raises:
        TrainingError: As in ``load_weights``.
    """
    return load_weights(folder, stage).tensors


def starting_weights(start: Path, stage: str) -> dict[str, Tensor]:
    """Weights that a stage starts from.

    Args:
        start: Folder of a run, of files <stage>.safetensors as runs have them, or of a model with such files in weights/.
        stage: Name of the stage.

    Raises:
        TrainingError: The folder does not exist, is a model's without weights, or as in ``load_weights``.
    """
    if not start.is_dir():
        raise TrainingError(f"--init-from {start}: expected the folder of a run, or of {stage}.safetensors")
    if not (start / MANIFEST_NAME).is_file():
        return finished_weights(start, stage)
    if not weights_path(start / WEIGHTS_FOLDER, stage).is_file():
        raise TrainingError(
            f"--init-from {start}: a model folder without {WEIGHTS_FOLDER}/{stage}.safetensors, and graphs cannot be "
            "trained; give the run that it was exported from, or export that run again with --weights"
        )
    return finished_weights(start / WEIGHTS_FOLDER, stage)


def load_into(network: nn.Module, tensors: dict[str, Tensor], where: Path) -> None:
    """Load weights into a network of the same structure.

    Args:
        network: Network whose weights are all replaced.
        tensors: Weights by name.
        where: Run of the weights, named in the error.

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
    """Reject a file of another contract version.

    Args:
        path: The file.
        version: Its contract version.

    Raises:
        TrainingError: The version is not this program's.
    """
    if str(version) != str(CONTRACT_VERSION):
        raise TrainingError(
            f"{path}: made for contract version {version}, this program has version {CONTRACT_VERSION}; train it again"
        )


def _progress(folder: Path, stage: str) -> str:
    """Progress of an unfinished stage, for an error message."""
    path = checkpoint_path(folder, stage)
    if not path.is_file():
        return "is not there; train it first"
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return f"stopped at step {state['global_step']} of {state[PROGRESS]['num_steps']}; resume it"
