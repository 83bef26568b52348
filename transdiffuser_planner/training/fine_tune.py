"""Fine-tunes the decoder of an exported model on a few new samples and rehearsed ones, and exports the result as a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from transdiffuser_planner.core.errors import ConfigError, TrainingError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.data.samples.sample_set import SampleFolder, SampleSet
from transdiffuser_planner.runtime.inference.manifest import ModelManifest, load_manifest
from transdiffuser_planner.training.engine.devices import Devices
from transdiffuser_planner.training.engine.stage_weights import WEIGHTS_FOLDER, weights_path
from transdiffuser_planner.training.export.run_export import export_run
from transdiffuser_planner.training.recipe import TrainingConfig
from transdiffuser_planner.training.run import Run, describe_data
from transdiffuser_planner.training.run_vehicle import keep_vehicle
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage
from transdiffuser_planner.training.stages import lamps as lamps_stage
from transdiffuser_planner.training.stages import scorer as scorer_stage


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuning:
    """Settings of fine-tunings that share rehearsed samples.

    Attributes:
        changes: Changes of the recipe that the model was trained with.
        num_steps: Optimizer steps.
        rehearsed: Samples of what the model learned before.
        validation: Samples of other scenarios, for the log and for the parity of the export.
        features: Folder of cached features, shared by fine-tunings of one encoder.
        machine: Devices to train on.
    """

    changes: dict[str, Any]
    num_steps: int
    rehearsed: Path
    validation: Path
    features: Path
    machine: Devices

    def recipe(self, manifest: ModelManifest, num_samples: int) -> TrainingConfig:
        """Return the recipe of one fine-tuning.

        Args:
            manifest: Of the model that is fine-tuned.
            num_samples: Number of new samples.

        Raises:
            TrainingError: The model does not state its recipe.
            ConfigError: The changes do not fit a recipe.
        """
        stated = manifest.training.get("recipe")
        if not isinstance(stated, dict):
            raise TrainingError(f"model {manifest.folder}: its manifest states no recipe; export it again from its run")
        recipe = TrainingConfig().changed(stated, f"model {manifest.folder}: recipe")
        recipe = recipe.changed(self.changes, "recipe of the rounds")
        own = recipe.decoder.batch_size - round(recipe.rehearsal_share * recipe.decoder.batch_size)
        epochs = self.num_steps / max(num_samples // own, 1)
        return recipe.changed({"decoder": {"epochs": epochs}}, "recipe of the rounds")


def read_changes(path: Path) -> dict[str, Any]:
    """Read changes of a recipe.

    Args:
        path: YAML file.

    Raises:
        ConfigError: It cannot be read, or holds something else than changes of a recipe.
    """
    try:
        data = yaml.safe_load(read_text(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"recipe {path}: cannot be read ({str(error).splitlines()[0]})") from None
    TrainingConfig().changed(data, f"recipe {path}")
    return dict(data)


def check_trainable(model: Path) -> None:
    """Check that a model folder holds what fine-tuning needs.

    Args:
        model: Model folder.

    Raises:
        TrainingError: It has no weights.
    """
    for stage in (encoder_stage.STAGE, decoder_stage.STAGE):
        if not weights_path(model / WEIGHTS_FOLDER, stage).is_file():
            raise TrainingError(
                f"model {model}: expected {WEIGHTS_FOLDER}/{stage}.safetensors, as 'export --weights' writes them; graphs "
                "cannot be trained"
            )


def fine_tune(model: Path, samples: Sequence[Path], run: Path, out: Path, settings: FineTuning, note: str) -> None:
    """Train and export; an interrupted training resumes.

    Args:
        model: Model folder with weights.
        samples: Folders of new samples.
        run: Folder of the training run.
        out: New model folder, with weights.
        settings: Recipe and rehearsed samples.
        note: Remark for the manifest.

    Raises:
        PlannerError: Samples or model cannot be used, or parity does not hold.
    """
    check_trainable(model)
    manifest = load_manifest(model)
    new = SampleSet([SampleFolder.open(folder, manifest.contract) for folder in samples])
    recipe = settings.recipe(manifest, len(new))
    training = Run.create(run, recipe, machine=settings.machine, shared_features=settings.features)
    keep_vehicle(run, new.vehicle)
    training.adopt(model, (encoder_stage.STAGE, scorer_stage.STAGE, lamps_stage.STAGE))
    contract = training.contract
    validation = SampleSet.open(settings.validation, contract)
    training.train_decoder(new, validation, model, SampleSet.open(settings.rehearsed, contract))
    info = {"note": note, "data": manifest.training.get("data", {}), "corrections": describe_data(new)}
    export_run(training, validation, out, info, with_weights=True)
