"""Ablations: the same recipe with one change each, trained on the same frozen encoder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.planning.action_codebook import CODEBOOK_NAME
from transdiffuser_planner.training.engine.devices import Devices
from transdiffuser_planner.training.engine.stage_weights import weights_path
from transdiffuser_planner.training.recipe import TrainingConfig
from transdiffuser_planner.training.run import Run
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage

FEATURES, NORMALIZER = "features", "normalizer.json"
_KEYS = {"title", "changes", "joint_from"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """One ablation.

    Attributes:
        name: Name of its folder.
        title: Name in tables.
        recipe: Its recipe.
        joint_from: Name of the ablation whose decoder initializes stage joint.
    """

    name: str
    title: str
    recipe: TrainingConfig
    joint_from: str | None = None


def read_ablations(path: Path, recipe: TrainingConfig) -> list[Ablation]:
    """Read the ablations of a file.

    Args:
        path: YAML with "recipe", changes for all rows, and "rows": name -> title, changes, joint_from.
        recipe: The recipe to change.

    Raises:
        ConfigError: Unreadable file, unknown key or wrong value.
    """
    try:
        data = yaml.safe_load(read_text(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"ablations {path}: cannot be read ({str(error).splitlines()[0]})") from None
    if not isinstance(data, dict) or not isinstance(data.get("rows"), dict) or set(data) - {"recipe", "rows"}:
        raise ConfigError(f"ablations {path}: expected a mapping with 'rows' and optionally 'recipe'")
    common = recipe.changed(data.get("recipe") or {}, f"ablations {path}: recipe")
    found: list[Ablation] = []
    for name, row in data["rows"].items():
        where = f"ablations {path}: {name}"
        if not isinstance(row, dict) or set(row) - _KEYS:
            raise ConfigError(f"{where}: expected a mapping with keys among {sorted(_KEYS)}, got {row!r}")
        changed = common.changed(row.get("changes") or {}, where)
        before = row.get("joint_from")
        if before is not None and before not in {item.name for item in found}:
            raise ConfigError(f"{where}: joint_from {before!r} is no row above it")
        found.append(Ablation(name=str(name), title=str(row.get("title", name)), recipe=changed, joint_from=before))
    return found


def prepare_run(ablation: Ablation, encoder: Path, out: Path, machine: Devices) -> Run:
    """Create a run that shares the trained encoder, normalizer, codebook and cached features of another one.

    Args:
        ablation: The ablation.
        encoder: Folder of the run with the trained encoder.
        out: Parent of the ablations' folders.
        machine: Devices to train on.

    Raises:
        ConfigError: The other run has no trained encoder.
    """
    folder, source = out / ablation.name, weights_path(encoder, encoder_stage.STAGE)
    if not source.is_file():
        raise ConfigError(f"run {encoder}: no {source.name}; train its encoder first")
    folder.mkdir(parents=True, exist_ok=True)
    files = [source, encoder / NORMALIZER]
    files += [encoder / CODEBOOK_NAME] if ablation.recipe.action_tokens else []
    if ablation.joint_from is not None:
        files.append(weights_path(out / ablation.joint_from, decoder_stage.STAGE))
    for path in files:
        if path.is_file() and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
    return Run.create(folder, ablation.recipe, machine=machine, shared_features=encoder / FEATURES)
