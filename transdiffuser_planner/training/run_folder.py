"""The folder of a training run: recipe, normalizer, codebook and every stage's weights, read back as networks."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.data.samples.sample_set import LABELS, SampleSet
from transdiffuser_planner.data.samples.targets import fit_normalizer, visible_agents
from transdiffuser_planner.networks.baselines.ego_status_mlp import StatusMlp
from transdiffuser_planner.networks.baselines.regression_head import RegressionHead
from transdiffuser_planner.networks.encoder.scene_encoder import SceneEncoder
from transdiffuser_planner.networks.lamps.lamp_classifier import LampClassifier
from transdiffuser_planner.networks.network_config import VIEW_CHANNELS, NetworkConfig, named_config, with_backbone
from transdiffuser_planner.networks.planner_network import PerceptionNetwork, PlannerNetwork
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer
from transdiffuser_planner.planning.action_codebook import CODEBOOK_NAME, ActionCodebook
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.baseline_model import EGO_STATUS_MLP_ROUTE, REGRESSION_HEAD
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.engine.devices import Devices
from transdiffuser_planner.training.engine.stage_weights import (
    WEIGHTS_FOLDER,
    finished_weights,
    load_into,
    was_begun,
    weights_path,
)
from transdiffuser_planner.training.fit_codebook import fit_codebook
from transdiffuser_planner.training.recipe import TrainingConfig
from transdiffuser_planner.training.run_vehicle import kept_vehicle
from transdiffuser_planner.training.stages import baselines
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage
from transdiffuser_planner.training.stages import joint as joint_stage
from transdiffuser_planner.training.stages import lamps as lamps_stage
from transdiffuser_planner.training.stages import scorer as scorer_stage

BASELINE_DATA = "baselines.json"
NORMALIZER_NAME = "normalizer.json"

AnyRun = TypeVar("AnyRun", bound="RunFolder")


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Folder, recipe and sizes of a run.

    Attributes:
        folder: Contains everything that the run writes.
        config: The recipe.
        network: Sizes of the networks.
        contract: Sizes of the tensors.
        model: Exported model whose encoder replaces the run's own one.
        machine: Devices to train on.
        shared_features: Folder of cached features that several runs share; None: in the run's folder.
    """

    folder: Path
    config: TrainingConfig
    network: NetworkConfig
    contract: ModelContract
    model: OnnxBackend | None = None
    machine: Devices = field(default_factory=Devices.choose)
    shared_features: Path | None = None

    @classmethod
    def create(
        cls: type[AnyRun],
        folder: Path,
        config: TrainingConfig,
        model: Path | None = None,
        machine: Devices | None = None,
        shared_features: Path | None = None,
    ) -> AnyRun:
        """Start a run, or open it again with the same recipe.

        Args:
            folder: Of the run.
            config: The recipe.
            model: Folder of an exported model whose encoder replaces the run's own one.
            machine: Devices to train on; chosen automatically if None.
            shared_features: Folder of cached features that several runs share.

        Raises:
            TrainingError: The folder contains a run of another recipe.
            ModelError: The model folder cannot be used.
        """
        path = folder / "recipe.json"
        if path.is_file():
            if TrainingConfig.load(path) != config:
                raise TrainingError(f"run {folder}: made by another recipe; give another --out, or remove it")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(config.to_dict(), indent=1) + "\n", encoding="utf-8")
        backend = None if model is None else OnnxBackend(load_manifest(model), torch.get_num_threads())
        exported = config.contract() if backend is None else backend.manifest.contract
        contract = replace(exported, score_condition=config.score_condition)
        channels = VIEW_CHANNELS if config.view_head else 0
        sized = with_backbone(named_config(config.network), config.backbone)
        network = replace(sized, joint=config.joint_agents, view_channels=channels)
        machine = machine or Devices.choose()
        return cls(
            folder=folder,
            config=config,
            network=network,
            contract=contract,
            model=backend,
            machine=machine,
            shared_features=shared_features,
        )

    @classmethod
    def open(cls: type[AnyRun], folder: Path, model: Path | None = None) -> AnyRun:
        """Open a run by its recorded recipe.

        Args:
            folder: Of the run.
            model: Folder of an exported model whose encoder replaces the run's own one.

        Raises:
            TrainingError: The folder contains no run.
            ModelError: The model folder cannot be used.
        """
        path = folder / "recipe.json"
        if not path.is_file():
            raise TrainingError(f"run {folder}: no recipe.json; give the --out folder of 'transdiffuser train'")
        return cls.create(folder, TrainingConfig.load(path), model)

    @property
    def feature_folder(self) -> Path:
        """Folder of cached features and counterfactual plans."""
        return self.shared_features or self.folder / "features"

    @property
    def schedule(self) -> NoiseSchedule:
        """Noise schedule of training and runtime."""
        return NoiseSchedule.cosine(self.contract.num_denoise_steps)

    @property
    def vehicle(self) -> VehicleModel:
        """Vehicle of the training samples, else of the model, else the default car."""
        return kept_vehicle(self.folder) or (EGO_VEHICLE if self.model is None else self.model.manifest.vehicle)

    def normalizer(self, samples: SampleSet | None = None) -> PlanNormalizer:
        """Normalizer of the model if there is one, else of the run, fitted at the first call.

        Args:
            samples: Training set, needed at the first call.

        Raises:
            TrainingError: There is none yet and samples is None.
        """
        if self.model is not None:
            return PlanNormalizer.from_json(self.model.manifest.read_json("normalizer.json"))
        path = self.folder / NORMALIZER_NAME
        if path.is_file():
            return PlanNormalizer.from_json(json.loads(path.read_text(encoding="utf-8")))
        if samples is None:
            raise TrainingError(f"run {self.folder}: no normalizer.json; train the encoder stage first")
        labels = {name: samples.whole(name) for name in LABELS}
        normalizer = fit_normalizer(labels["plan"], visible_agents(labels, self.contract))
        path.write_text(json.dumps(normalizer.to_json()), encoding="utf-8")
        return normalizer

    def adopt_tables(self, start: Path) -> None:
        """Copy normalizer and codebook of the weights that this run starts from, unless it has its own already.

        Args:
            start: Folder of these weights.
        """
        for name in (NORMALIZER_NAME, CODEBOOK_NAME):
            if (start / name).is_file() and not (self.folder / name).is_file():
                shutil.copyfile(start / name, self.folder / name)

    def adopt(self, start: Path, stages: Sequence[str]) -> None:
        """Copy tables and weights that this run does not train, so that it can be exported.

        Args:
            start: Folder of a run, of its weights, or of a model with weights.
            stages: Stages whose weights are copied where the folder has them.
        """
        self.adopt_tables(start)
        for folder, stage in itertools.product((start, start / WEIGHTS_FOLDER), stages):
            source, target = (weights_path(place, stage) for place in (folder, self.folder))
            if source.is_file() and not target.is_file():
                shutil.copyfile(source, target)

    def codebook(self, samples: SampleSet | None = None) -> ActionCodebook | None:
        """Codebook of the model if there is one, else of the run, fitted at the first call; None without action tokens.

        Args:
            samples: Training set, needed at the first call.

        Raises:
            TrainingError: There is none yet and samples is None.
        """
        if self.model is not None:
            return self.model.manifest.codebook()
        if not self.contract.codebook_size:
            return None
        path = self.folder / CODEBOOK_NAME
        if path.is_file():
            codebook = ActionCodebook.from_json(json.loads(path.read_text(encoding="utf-8")))
            codebook.check(self.contract)
            return codebook
        if samples is None:
            raise TrainingError(f"run {self.folder}: no {CODEBOOK_NAME}; train the decoder stage first")
        codebook = fit_codebook(samples.whole("plan"), self.contract, self.config.seed)
        path.write_text(json.dumps(codebook.to_json()), encoding="utf-8")
        return codebook

    def token_counts(self) -> dict[str, int]:
        """Number of scene tokens of each source."""
        return SceneEncoder(self.network, self.contract).token_counts()

    def perception(self) -> PerceptionNetwork:
        """Trained encoder with its heads."""
        network = PerceptionNetwork(self.network, self.contract)
        weights, prefix = finished_weights(self.folder, encoder_stage.STAGE), "perception."
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        load_into(network, own, self.folder)
        return network.eval()

    def planner_network(self) -> PlannerNetwork:
        """Whole trained network, of stage 3 if the run has it.

        Raises:
            TrainingError: A stage was not trained to its end.
        """
        if not was_begun(self.folder, joint_stage.STAGE):
            return self.two_stage_network()
        network = PlannerNetwork(self.network, self.contract)
        load_into(network, finished_weights(self.folder, joint_stage.STAGE), self.folder)
        return network.eval()

    def two_stage_network(self) -> PlannerNetwork:
        """Trained network after stages 1 and 2."""
        network = PlannerNetwork(self.network, self.contract)
        network.perception = self.perception()
        load_into(network.decoder, finished_weights(self.folder, decoder_stage.STAGE), self.folder)
        return network.eval()

    def trained_baseline(self, name: str) -> nn.Module:
        """Trained baseline of a name out of ``BASELINES``.

        Raises:
            TrainingError: It was not trained to its end, or is stored under a name of an earlier version.
        """
        baselines.check_not_renamed(self.folder, name)
        network = self.baseline_network(name)
        load_into(network, finished_weights(self.folder, name), self.folder)
        return network.eval()

    def scorer(self) -> PlanScorer | None:
        """Trained scorer; None if the run has none."""
        if not was_begun(self.folder, scorer_stage.STAGE):
            return None
        network = PlanScorer(self.network, self.contract, self.vehicle)
        load_into(network, finished_weights(self.folder, scorer_stage.STAGE), self.folder)
        return network.eval()

    def lamps(self) -> LampClassifier | None:
        """Trained classifier of traffic lights' heads; None if the run has none."""
        if not was_begun(self.folder, lamps_stage.STAGE):
            return None
        network = LampClassifier()
        load_into(network, finished_weights(self.folder, lamps_stage.STAGE), self.folder)
        return network.eval()

    def baseline_network(self, name: str) -> nn.Module:
        """Untrained baseline of a name out of ``BASELINES``."""
        if name == REGRESSION_HEAD:
            return RegressionHead(self.network, self.contract, self.token_counts())
        return StatusMlp(self.network, self.contract, with_route=name == EGO_STATUS_MLP_ROUTE)

    def baseline_data(self) -> dict[str, Any]:
        """Summary of the baselines' training data.

        Raises:
            TrainingError: The baselines are not trained.
        """
        path = self.folder / BASELINE_DATA
        if not path.is_file():
            raise TrainingError(
                f"run {self.folder}: no {BASELINE_DATA}; finish 'transdiffuser train --stage baselines'"
            )
        return dict(json.loads(path.read_text(encoding="utf-8")))
