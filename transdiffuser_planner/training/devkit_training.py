"""Networks that the NAVSIM devkit trains: their start, their checkpoints, and their way into a run. Needs torch, no devkit.

``python -m transdiffuser_planner.training.devkit_training CHECKPOINT --recipe navtrain --out RUN`` writes the run of a
checkpoint, which ``transdiffuser export RUN`` makes a model of.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transdiffuser_planner.core.errors import ConfigError, PlannerError, TrainingError
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL
from transdiffuser_planner.data.logs.data_sets import data_set_of, vehicle_of
from transdiffuser_planner.networks.network_config import named_config, with_backbone
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.params import RECIPES
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_NAME, load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.training.engine.stage_weights import StageWeights, load_into, save_weights, starting_weights
from transdiffuser_planner.training.recipe import TrainingConfig
from transdiffuser_planner.training.run_folder import NORMALIZER_NAME, RunFolder
from transdiffuser_planner.training.run_vehicle import keep_vehicle
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage
from transdiffuser_planner.training.stages import joint as joint_stage

PREFIX: Final = "agent.network."
"""Of the networks' weights in a checkpoint of the devkit's Lightning module."""


class OneBatch:
    """Arrays of a batch in the form of a set of samples.

    Args:
        arrays: Name -> array (B, ...).
    """

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self._arrays["image"])

    def has(self, name: str) -> bool:
        """Whether there is such an array.

        Args:
            name: Of an optional array.
        """
        return name in self._arrays

    def gather(self, index_B: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        """Return arrays of the samples at the given places.

        Args:
            index_B: Places in the batch.
            names: Of the arrays.
        """
        return {name: self._arrays[name][index_B] for name in names}


def load_recipe(recipe: str) -> TrainingConfig:
    """Read a recipe by name or path.

    Args:
        recipe: Name of a shipped recipe without suffix, or a file.

    Raises:
        ConfigError: It cannot be read, or has action tokens, which the devkit's training does not know.
    """
    shipped = RECIPES / f"{recipe}.yaml"
    config = TrainingConfig.load(shipped if shipped.is_file() else recipe)
    if config.action_tokens:
        raise ConfigError(f"recipe {recipe}: action_tokens must be false for training by NAVSIM's devkit")
    return config


def network_of(config: TrainingConfig) -> PlannerNetwork:
    """Return the untrained networks of a recipe.

    Args:
        config: The recipe.
    """
    sized = with_backbone(named_config(config.network), config.backbone)
    return PlannerNetwork(replace(sized, joint=config.joint_agents), config.contract())


def starting_normalizer(start: Path | None) -> PlanNormalizer:
    """Return the normalizer of the weights that the training starts from, else that of the shipped model.

    Args:
        start: Folder of a run or model; None for an untrained network. Statistics of plans of four seconds differ little between
            data sets, and what counts is that training and sampling use the same.

    Raises:
        TrainingError: The folder has none.
    """
    if start is None or (start / MANIFEST_NAME).is_file():
        manifest = load_manifest(model_folder(DEFAULT_MODEL if start is None else start))
        return PlanNormalizer.from_json(manifest.read_json(NORMALIZER_NAME))
    path = start / NORMALIZER_NAME
    if not path.is_file():
        raise TrainingError(f"run {start}: no {NORMALIZER_NAME}; train the encoder stage first")
    return PlanNormalizer.from_json(json.loads(path.read_text(encoding="utf-8")))


def start_from(network: PlannerNetwork, start: Path) -> None:
    """Load encoder and decoder of earlier weights.

    Args:
        network: Whose weights are replaced.
        start: Folder of a run, of its weights, or of a model with weights.

    Raises:
        TrainingError: They are not there, or of other networks.
    """
    tensors, prefix = starting_weights(start, encoder_stage.STAGE), "perception."
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    load_into(network.perception, own, start)
    load_into(network.decoder, starting_weights(start, decoder_stage.STAGE), start)


def weights_in(checkpoint: Path) -> dict[str, Tensor]:
    """Return the weights of the networks in a checkpoint of the devkit, which is read without executing code.

    Args:
        checkpoint: File of PyTorch Lightning.

    Raises:
        TrainingError: It cannot be read, or is of another agent.
    """
    return _read(checkpoint)[0]


def _read(checkpoint: Path) -> tuple[dict[str, Tensor], int]:
    """Weights of the networks, and the number of training steps.

    Raises:
        TrainingError: It cannot be read, or is of another agent.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        state, num_steps = content["state_dict"], int(content["global_step"])
    except Exception as error:  # torch's errors are of many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"checkpoint {checkpoint}: cannot be read ({reason})") from None
    found = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    if not found:
        raise TrainingError(f"checkpoint {checkpoint}: holds no weights of agent=transdiffuser_training")
    return found, num_steps


def write_run(checkpoint: Path, recipe: str, out: Path, start: Path | None = None) -> None:
    """Write the run of a checkpoint.

    Args:
        checkpoint: File of PyTorch Lightning.
        recipe: As for the training.
        out: Folder of the run.
        start: As ``init_from`` of the training.

    Raises:
        TrainingError: The checkpoint does not belong to the recipe.
    """
    config = load_recipe(recipe)
    tensors, num_steps = _read(checkpoint)
    load_into(network_of(config), tensors, checkpoint)
    run = RunFolder.create(out, config)
    normalizer = starting_normalizer(start).to_json()
    (run.folder / NORMALIZER_NAME).write_text(json.dumps(normalizer), encoding="utf-8")
    keep_vehicle(run.folder, vehicle_of(data_set_of("openscene")))
    save_weights(run.folder, StageWeights(tensors=tensors, stage=joint_stage.STAGE, num_steps=num_steps))


def most_central(pose_MT3: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of several plans the one nearest to their mean.

    Args:
        pose_MT3: x (m), y (m), heading (rad).
    """
    away_M = np.linalg.norm(pose_MT3[..., :2] - pose_MT3[..., :2].mean(axis=0), axis=-1).mean(axis=1)
    return np.asarray(pose_MT3[int(away_M.argmin())])


def main(arguments: list[str] | None = None) -> int:
    """Write the run of a checkpoint.

    Args:
        arguments: Of the command line; None for those of the process.

    Returns:
        Exit status.
    """
    parser = argparse.ArgumentParser(description=write_run.__doc__)
    parser.add_argument("checkpoint", type=Path, help="checkpoint of the devkit's run_training.py")
    parser.add_argument("--recipe", default="navtrain", help="recipe of the training (default: %(default)s)")
    parser.add_argument("--init-from", type=Path, help="init_from of the training, if it had one")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    args = parser.parse_args(arguments)
    try:
        write_run(args.checkpoint, args.recipe, args.out, args.init_from)
    except PlannerError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"run {args.out}; next: transdiffuser export {args.out} --samples SAMPLES")
    return 0


if __name__ == "__main__":
    sys.exit(main())
