"""A training run: one folder with the recipe, the normalizer, every stage's weights, the feature cache and the log."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from transdiffuser_planner.core.contract import BASE, TINY, ModelContract
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
from transdiffuser_planner.data.counterfactuals.counterfactual_plans import CounterfactualPlans
from transdiffuser_planner.data.samples.sample_set import LABELS, SampleSet
from transdiffuser_planner.data.samples.targets import fit_normalizer, visible_agents
from transdiffuser_planner.networks.baselines.ego_status_mlp import StatusMlp
from transdiffuser_planner.networks.baselines.regression_head import RegressionHead
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.encoder.scene_encoder import SceneEncoder
from transdiffuser_planner.networks.network_config import NetworkConfig, named_config
from transdiffuser_planner.networks.planner_network import PerceptionNetwork, PlannerNetwork
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer
from transdiffuser_planner.planning.action_codebook import CODEBOOK_NAME, ActionCodebook
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES, EGO_STATUS_MLP_ROUTE, REGRESSION_HEAD
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.batches.loader import MakeBatch, ShuffledBatches
from transdiffuser_planner.training.engine.devices import Devices, first_process_first
from transdiffuser_planner.training.engine.pretrained import Pretrained
from transdiffuser_planner.training.engine.stage_weights import finished_weights, load_into, was_begun
from transdiffuser_planner.training.engine.trainer import StageTrainer
from transdiffuser_planner.training.engine.warm_start import grow_from
from transdiffuser_planner.training.feature_cache import FeatureCache, graph_encoder, network_encoder
from transdiffuser_planner.training.fit_codebook import fit_codebook
from transdiffuser_planner.training.recipe import StageConfig, TrainingConfig
from transdiffuser_planner.training.run_vehicle import keep_vehicle, kept_vehicle
from transdiffuser_planner.training.stages import baselines
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage
from transdiffuser_planner.training.stages import joint as joint_stage
from transdiffuser_planner.training.stages import scorer as scorer_stage

CONTRACTS = {"tiny": TINY, "base": BASE}
VALIDATION_LIMIT = 1024
SAMPLING_LIMIT = 256
BASELINE_DATA = "baselines.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """Folder, recipe and sizes of a run; model: an exported model whose encoder serves instead of an own one; machine:
    what it is trained on."""

    folder: Path
    config: TrainingConfig
    network: NetworkConfig
    contract: ModelContract
    model: OnnxBackend | None = None
    machine: Devices = field(default_factory=Devices.choose)

    @staticmethod
    def create(folder: Path, config: TrainingConfig, model: Path | None = None, machine: Devices | None = None) -> Run:
        """Start a run, or open it again with the same recipe.

        Raises:
            TrainingError: The folder holds a run of another recipe.
            ModelError: The model folder cannot be used.
        """
        path = folder / "recipe.json"
        if path.is_file():
            if TrainingConfig.load(path) != config:
                raise TrainingError(f"run {folder}: made by another recipe; give another --out, or remove it")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(config.to_dict(), indent=1) + "\n", encoding="utf-8")
        backend = None if model is None else OnnxBackend(load_manifest(model), "cpu", torch.get_num_threads())
        contract = _contract(config) if backend is None else backend.manifest.contract
        network = replace(named_config(config.network), joint=config.joint_agents)
        machine = machine or Devices.choose()
        return Run(folder=folder, config=config, network=network, contract=contract, model=backend, machine=machine)

    @staticmethod
    def open(folder: Path, model: Path | None = None) -> Run:
        """Open a run by its recorded recipe.

        Raises:
            TrainingError: There is no run.
            ModelError: The model folder cannot be used.
        """
        path = folder / "recipe.json"
        if not path.is_file():
            raise TrainingError(f"run {folder}: no recipe.json; give the --out folder of 'transdiffuser train'")
        return Run.create(folder, TrainingConfig.load(path), model)

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise schedule of training and runtime."""
        return NoiseSchedule.cosine(self.contract.num_denoise_steps)

    def normalizer(self, samples: SampleSet | None = None) -> PlanNormalizer:
        """The model's normalizer if there is one, else the run's, fitted to the training samples the first time.

        Raises:
            TrainingError: There is none yet and no samples were given.
        """
        if self.model is not None:
            return PlanNormalizer.from_json(self.model.manifest.read_json("normalizer.json"))
        path = self.folder / "normalizer.json"
        if path.is_file():
            return PlanNormalizer.from_json(json.loads(path.read_text(encoding="utf-8")))
        if samples is None:
            raise TrainingError(f"run {self.folder}: no normalizer.json; train the encoder stage first")
        labels = {name: samples.whole(name) for name in LABELS}
        normalizer = fit_normalizer(labels["plan"], visible_agents(labels, self.contract))
        path.write_text(json.dumps(normalizer.to_json()), encoding="utf-8")
        return normalizer

    def codebook(self, samples: SampleSet | None = None) -> ActionCodebook | None:
        """The model's action tokens if there is a model, else the run's, learnt from the samples the first time.

        Raises:
            TrainingError: There are none yet and no samples were given.
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

    @property
    def vehicle(self) -> VehicleModel:
        """What drove in training, else in the model's; the default car where neither says."""
        return kept_vehicle(self.folder) or (EGO_VEHICLE if self.model is None else self.model.manifest.vehicle)

    def _trainer(self, stage: str, network: nn.Module, config: StageConfig, make: MakeBatch, size: int) -> StageTrainer:
        """Of a stage, on batches out of size samples; stages differ in their seed."""
        seed = self.config.seed + {encoder_stage.STAGE: 0, decoder_stage.STAGE: 1, joint_stage.STAGE: 3}.get(stage, 2)
        batches = ShuffledBatches(size, config.batch_size, seed, make)
        return StageTrainer(self.folder, stage, network, config, batches, self.machine)

    def train_encoder(self, samples: SampleSet, validation: SampleSet, pretrained: Pretrained | None = None) -> None:
        """Stage 1; pretrained: weights of other networks to start from."""
        config, contract = self.config, self.contract
        with first_process_first():
            keep_vehicle(self.folder, samples.vehicle)
            normalizer = self.normalizer(samples)
        torch.manual_seed(config.seed)
        network = encoder_stage.EncoderStage(self.network, contract).to(memory_format=torch.channels_last)
        if pretrained is not None:
            pretrained.load_into(network.perception.encoder)
        make = encoder_stage.batch_maker(samples, contract, normalizer, config)
        trainer = self._trainer(encoder_stage.STAGE, network, config.encoder, make, len(samples))
        validate = partial(encoder_stage.validate, validation, contract, normalizer, VALIDATION_LIMIT)
        trainer.fit(partial(encoder_stage.losses, config, contract), validate, trainer.batches.steps_per_epoch)

    def perception(self) -> PerceptionNetwork:
        """The trained encoder with its heads."""
        network = PerceptionNetwork(self.network, self.contract)
        weights, prefix = finished_weights(self.folder, encoder_stage.STAGE), "perception."
        mine = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        load_into(network, mine, self.folder)
        return network.eval()

    def features(self, name: str, samples: SampleSet) -> FeatureCache:
        """The cached scene features of a set of samples."""
        digest = hashlib.sha256()
        if self.model is not None:
            encode = graph_encoder(self.model)
            digest.update(self.model.manifest.model_hash.encode())
        else:
            perception = self.perception()
            for key, value in perception.state_dict().items():
                digest.update(key.encode() + value.contiguous().numpy().tobytes())
            encode = network_encoder(perception, self.contract, self.machine)
        for folder in samples.folders:
            digest.update(f"{folder.path.name}:{len(folder)}".encode())
        with first_process_first():
            return FeatureCache.make(self.folder / "features" / name, digest.hexdigest(), encode, samples)

    def token_counts(self) -> dict[str, int]:
        """Number of scene tokens of each source."""
        return SceneEncoder(self.network, self.contract).token_counts()

    def train_decoder(self, samples: SampleSet, validation: SampleSet, start: Path | None = None) -> None:
        """Stage 2; start: a run whose decoder to go on from."""
        config, contract, normalizer, schedule = self.config, self.contract, self.normalizer(), self.schedule
        cache, held_out = self.features("train", samples), self.features("validation", validation)
        torch.manual_seed(config.seed + 1)
        network = DenoisingDecoder(self.network, contract, self.token_counts())
        if start is not None:
            new = grow_from(network, finished_weights(start, decoder_stage.STAGE))
            print(f"decoder starts from {start}; trained: {', '.join(new) or 'all of it'}")
        with first_process_first():
            motion = decoder_stage.DecoderSamples(samples, self.codebook(samples), self.other_plans(samples))
        make = decoder_stage.batch_maker(motion, cache, contract, normalizer, config)
        trainer = self._trainer(decoder_stage.STAGE, network, config.decoder, make, len(samples))
        unseen = decoder_stage.DecoderSamples(validation)
        validate = partial(decoder_stage.validate, unseen, held_out, contract, normalizer, schedule, SAMPLING_LIMIT)
        losses = partial(decoder_stage.losses, config.loss, config.decoder.samples_per_scene, schedule)
        trainer.fit(losses, validate, 2 * trainer.batches.steps_per_epoch)

    def other_plans(self, samples: SampleSet) -> CounterfactualPlans | None:
        """What could have been driven instead, if the recipe wants it told."""
        codebook = self.codebook(samples)
        if codebook is None or self.config.augmentation.counterfactual_share == 0.0:
            return None
        return CounterfactualPlans.cached(self.folder / "features", samples, codebook, self.contract, self.config.seed)

    def train_joint(self, samples: SampleSet, validation: SampleSet) -> None:
        """Stage 3, optional: both networks, from the weights of stages 1 and 2."""
        config, contract, normalizer, schedule = self.config, self.contract, self.normalizer(), self.schedule
        network = self._after_two_stages().to(memory_format=torch.channels_last)
        make = joint_stage.batch_maker(samples, self.codebook(), contract, normalizer, config)
        trainer = self._trainer(joint_stage.STAGE, network, config.joint, make, len(samples))
        validate = partial(joint_stage.validate, validation, contract, normalizer, schedule, SAMPLING_LIMIT)
        losses = partial(joint_stage.losses, config, contract, schedule)
        trainer.fit(losses, validate, trainer.batches.steps_per_epoch)

    def train_scorer(self, plans: ScoredPlans, validation: ScoredPlans) -> None:
        """The scorer, on candidates of an exported model that were scored in recorded moments."""
        keep_vehicle(self.folder, plans.vehicle)
        torch.manual_seed(self.config.seed + 2)
        network = PlanScorer(self.network, self.contract, plans.vehicle)
        make = partial(scorer_stage.make_batch, plans)
        trainer = self._trainer(scorer_stage.STAGE, network, self.config.scorer, make, len(plans))
        validate = partial(scorer_stage.validate, validation)
        trainer.fit(scorer_stage.losses, validate, 2 * trainer.batches.steps_per_epoch)

    def scorer(self) -> PlanScorer | None:
        """The trained scorer; None if the run has none."""
        if not was_begun(self.folder, scorer_stage.STAGE):
            return None
        network = PlanScorer(self.network, self.contract, self.vehicle)
        load_into(network, finished_weights(self.folder, scorer_stage.STAGE), self.folder)
        return network.eval()

    def baseline_network(self, name: str) -> nn.Module:
        """An untrained baseline."""
        if name == REGRESSION_HEAD:
            return RegressionHead(self.network, self.contract, self.token_counts())
        return StatusMlp(self.network, self.contract, with_route=name == EGO_STATUS_MLP_ROUTE)

    def train_baselines(self, samples: SampleSet) -> None:
        """All baselines, one after the other; ``baselines.json`` says on what."""
        config, contract, normalizer = self.config, self.contract, self.normalizer()
        motion = decoder_stage.DecoderSamples(samples)
        for name in BASELINES:
            torch.manual_seed(config.seed + 2)
            network = self.baseline_network(name)
            cache = self.features("train", samples) if name == REGRESSION_HEAD else None
            make = partial(decoder_stage.make_batch, motion, cache, contract, normalizer, config)
            self._trainer(name, network, config.baselines, make, len(samples)).fit(baselines.losses)
        text = json.dumps(describe_data(samples)) + "\n"
        (self.folder / BASELINE_DATA).write_text(text, encoding="utf-8")

    def baseline_data(self) -> dict[str, Any]:
        """What the baselines were trained on.

        Raises:
            TrainingError: They were not.
        """
        path = self.folder / BASELINE_DATA
        if not path.is_file():
            raise TrainingError(
                f"run {self.folder}: no {BASELINE_DATA}; finish 'transdiffuser train --stage baselines'"
            )
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def planner_network(self) -> PlannerNetwork:
        """The whole trained network, of stage 3 if the run has it.

        Raises:
            TrainingError: A stage was not trained to its end.
        """
        if not was_begun(self.folder, joint_stage.STAGE):
            return self._after_two_stages()
        network = PlannerNetwork(self.network, self.contract)
        load_into(network, finished_weights(self.folder, joint_stage.STAGE), self.folder)
        return network.eval()

    def _after_two_stages(self) -> PlannerNetwork:
        network = PlannerNetwork(self.network, self.contract)
        network.perception = self.perception()
        load_into(network.decoder, finished_weights(self.folder, decoder_stage.STAGE), self.folder)
        return network.eval()

    def trained_baseline(self, name: str) -> nn.Module:
        """A trained baseline.

        Raises:
            TrainingError: It was not trained to its end, or lies under a name of an earlier version.
        """
        baselines.check_not_renamed(self.folder, name)
        network = self.baseline_network(name)
        load_into(network, finished_weights(self.folder, name), self.folder)
        return network.eval()


def _contract(config: TrainingConfig) -> ModelContract:
    """The size's contract with what the recipe changes of it."""
    contract = replace(CONTRACTS[config.network], num_denoise_steps=config.denoise_steps)
    return contract if config.action_tokens else replace(contract, codebook_size=0)


def use_threads(count: int) -> None:
    """Threads of torch within an operator."""
    torch.set_num_threads(count)


def describe_data(samples: SampleSet) -> dict[str, Any]:
    """What a set of samples holds, for the manifest: counts and seeds."""
    seeds = [folder.meta.get("seed") for folder in samples.folders if folder.meta.get("seed") is not None]
    speed = samples.whole("status")[:, 4]
    return {
        "bags": len(samples.folders),
        "samples": len(samples),
        "first_seed": min(seeds, default=None),
        "last_seed": max(seeds, default=None),
        "share_standing": round(float(np.mean(np.abs(speed) < 0.2)), 3),
    }
