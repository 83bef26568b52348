"""Training of all stages of a run, with the feature cache and the log in its folder."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
from transdiffuser_planner.data.candidates.table_origin import TableOrigin
from transdiffuser_planner.data.counterfactuals.counterfactual_plans import CounterfactualPlans
from transdiffuser_planner.data.lamps.lamp_crops import LampCrops
from transdiffuser_planner.data.samples.sample_set import SampleSet, joined
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.lamps.lamp_classifier import LampClassifier
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES, REGRESSION_HEAD
from transdiffuser_planner.training.batches.loader import MakeBatch, ShuffledBatches
from transdiffuser_planner.training.batches.rehearsal import RehearsedBatches
from transdiffuser_planner.training.engine.devices import first_process_first, is_first_process
from transdiffuser_planner.training.engine.pretrained import Pretrained
from transdiffuser_planner.training.engine.stage_weights import starting_weights
from transdiffuser_planner.training.engine.trainer import StageTrainer
from transdiffuser_planner.training.engine.warm_start import grow_from, start_from
from transdiffuser_planner.training.feature_cache import FeatureCache, JoinedFeatures, graph_encoder, network_encoder
from transdiffuser_planner.training.preferences.preferred_plans import PreferredPlans
from transdiffuser_planner.training.preferences.table_record import check_table, keep_table
from transdiffuser_planner.training.recipe import StageConfig
from transdiffuser_planner.training.run_folder import BASELINE_DATA, RunFolder
from transdiffuser_planner.training.run_vehicle import keep_vehicle
from transdiffuser_planner.training.stages import baselines
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage
from transdiffuser_planner.training.stages import joint as joint_stage
from transdiffuser_planner.training.stages import lamps as lamps_stage
from transdiffuser_planner.training.stages import scorer as scorer_stage
from transdiffuser_planner.training.stages.kept_behavior import KeptBehavior

VALIDATION_LIMIT = 1024
MOST_VALIDATIONS = 10
"""Of a stage whose epochs are short, as those of a few own drives are."""
SAMPLING_LIMIT = 256


class Run(RunFolder):
    """A training run: trains stages on samples and writes them to its folder."""

    def _trainer(
        self, stage: str, network: nn.Module, config: StageConfig, make: MakeBatch, size: int, rehearsed: int = 0
    ) -> StageTrainer:
        """Create the trainer of a stage on a set of size samples, and rehearsed ones after them; stages differ in their seed."""
        seed = self.config.seed + {encoder_stage.STAGE: 0, decoder_stage.STAGE: 1, joint_stage.STAGE: 3}.get(stage, 2)
        batches = ShuffledBatches(size, config.batch_size, seed, make)
        if rehearsed:
            share = self.config.rehearsal_share
            batches = RehearsedBatches(size, rehearsed, share, config.batch_size, seed, make)
        return StageTrainer(self.folder, stage, network, config, batches, self.machine)

    def train_encoder(
        self,
        samples: SampleSet,
        validation: SampleSet,
        pretrained: Pretrained | None = None,
        start: Path | None = None,
        rehearsed: SampleSet | None = None,
    ) -> None:
        """Train stage 1, the encoder.

        Args:
            samples: Training set.
            validation: Validation set.
            pretrained: Published weights to initialize from.
            start: Folder of a run, of its weights, or of a model with weights, whose encoder to initialize from.
            rehearsed: Samples that the recipe's share of every batch is drawn from.
        """
        config, contract, both = self.config, self.contract, joined(samples, rehearsed)
        with first_process_first():
            keep_vehicle(self.folder, samples.vehicle)
            if start is not None:
                self.adopt_tables(start)
            normalizer = self.normalizer(both)
        torch.manual_seed(config.seed)
        network = encoder_stage.EncoderStage(self.network, contract, freeze_norms=config.freeze_norms)
        network = network.to(memory_format=torch.channels_last)
        if pretrained is not None:
            pretrained.load_into(network.perception.encoder)
        if start is not None:
            new = start_from(network, starting_weights(start, encoder_stage.STAGE))
            if is_first_process():
                print(f"encoder starts from {start}; not in it: {', '.join(_parts(new)) or 'nothing'}")
        kept = KeptBehavior.of(config, self.network, contract, network.perception, start, self.schedule)
        make = encoder_stage.batch_maker(both, contract, normalizer, config)
        num_rehearsed = len(both) - len(samples)
        trainer = self._trainer(encoder_stage.STAGE, network, config.encoder, make, len(samples), num_rehearsed)
        losses = partial(encoder_stage.losses, config, contract, kept=kept)
        validate = partial(encoder_stage.validate, validation, contract, normalizer, VALIDATION_LIMIT)
        trainer.fit(losses, validate, _validation_interval(trainer, 1))

    def features(self, name: str, samples: SampleSet) -> FeatureCache:
        """Scene features of a set of samples, cached under its name in the run's folder."""
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
            return FeatureCache.make(self.feature_folder / name, digest.hexdigest(), encode, samples)

    def train_decoder(
        self,
        samples: SampleSet,
        validation: SampleSet,
        start: Path | None = None,
        rehearsed: SampleSet | None = None,
        table: ScoredPlans | None = None,
    ) -> None:
        """Train stage 2, the decoder.

        Args:
            samples: Training set.
            validation: Validation set.
            start: Folder of a run, of its weights, or of a model with weights, whose decoder to initialize from.
            rehearsed: Samples that the recipe's share of every batch is drawn from.
            table: Scored plans of the training set to learn preferences from, made by the model that this starts from.
        """
        config, contract = self.config, self.contract
        check_table(table, config, contract, None if self.model is None else TableOrigin.of(self.model.manifest))
        with first_process_first():
            keep_table(self.folder, table)
            if table is not None and start is not None:
                self.adopt(start, (encoder_stage.STAGE,))
        normalizer, schedule = self.normalizer(), self.schedule
        both = joined(samples, rehearsed)
        cache, held_out = self.features("train", samples), self.features("validation", validation)
        if rehearsed is not None:  # a cache of its own, which stays valid when the new samples change
            cache = JoinedFeatures(cache, self.features("rehearsed", rehearsed))
        torch.manual_seed(config.seed + 1)
        network = DenoisingDecoder(self.network, contract, self.token_counts())
        if start is not None:
            new = grow_from(network, starting_weights(start, decoder_stage.STAGE))
            print(f"decoder starts from {start}; trained: {', '.join(new) or 'all of it'}")
        with first_process_first():
            codebook, others = self.codebook(both), self.counterfactual_plans(both)
        preferred = None if table is None else self.preferred_plans(table, both)
        training = decoder_stage.DecoderSamples(both, codebook, others, preferred)
        make = decoder_stage.batch_maker(training, cache, contract, normalizer, config)
        num_rehearsed = len(both) - len(samples)
        trainer = self._trainer(decoder_stage.STAGE, network, config.decoder, make, len(samples), num_rehearsed)
        unseen = decoder_stage.DecoderSamples(validation)
        validate = partial(decoder_stage.validate, unseen, held_out, contract, normalizer, schedule, SAMPLING_LIMIT)
        losses = partial(decoder_stage.losses, config.loss, config.decoder.samples_per_scene, schedule)
        if table is not None:
            losses = partial(losses, preference=config.preference)
        trainer.fit(losses, validate, _validation_interval(trainer, 2))

    def preferred_plans(self, table: ScoredPlans, samples: SampleSet) -> PreferredPlans:
        """Rank the plans of a table for the samples by the recipe's limits."""
        preferred = PreferredPlans(table, samples, self.config.preference, self.codebook(samples))
        if is_first_process():
            shares = ", ".join(f"{name} {share:.1%}" for name, share in preferred.summary().items())
            print(f"scored plans by {table.origin}: {len(table)} frames; {shares}")
        return preferred

    def counterfactual_plans(self, samples: SampleSet) -> CounterfactualPlans | None:
        """Alternative maneuvers of the samples; None without action tokens or when the recipe uses none."""
        codebook = self.codebook(samples)
        if codebook is None or self.config.augmentation.counterfactual_share == 0.0:
            return None
        return CounterfactualPlans.cached(self.feature_folder, samples, codebook, self.contract, self.config.seed)

    def train_joint(self, samples: SampleSet, validation: SampleSet) -> None:
        """Train the optional stage 3: encoder and decoder together, from the weights of stages 1 and 2.

        Args:
            samples: Training set.
            validation: Validation set.
        """
        config, contract, normalizer, schedule = self.config, self.contract, self.normalizer(), self.schedule
        network = self.two_stage_network().to(memory_format=torch.channels_last)
        make = joint_stage.batch_maker(samples, self.codebook(), contract, normalizer, config)
        trainer = self._trainer(joint_stage.STAGE, network, config.joint, make, len(samples))
        validate = partial(joint_stage.validate, validation, contract, normalizer, schedule, SAMPLING_LIMIT)
        losses = partial(joint_stage.losses, config, contract, schedule)
        trainer.fit(losses, validate, trainer.batches.steps_per_epoch)

    def train_scorer(self, plans: ScoredPlans, validation: ScoredPlans) -> None:
        """Train the scorer on scored candidates of an exported model.

        Args:
            plans: Training set.
            validation: Validation set.
        """
        keep_vehicle(self.folder, plans.vehicle)
        torch.manual_seed(self.config.seed + 2)
        network = PlanScorer(self.network, self.contract, plans.vehicle)
        make = partial(scorer_stage.make_batch, plans)
        trainer = self._trainer(scorer_stage.STAGE, network, self.config.scorer, make, len(plans))
        validate = partial(scorer_stage.validate, validation)
        trainer.fit(scorer_stage.losses, validate, 2 * trainer.batches.steps_per_epoch)

    def train_lamps(self, crops: LampCrops, validation: LampCrops) -> None:
        """Train the classifier of traffic lights' heads.

        Args:
            crops: Training set.
            validation: Validation set.
        """
        torch.manual_seed(self.config.seed)
        make = partial(lamps_stage.make_batch, crops)
        trainer = self._trainer(lamps_stage.STAGE, LampClassifier(), self.config.lamps, make, len(crops))
        validate = partial(lamps_stage.validate, validation)
        trainer.fit(lamps_stage.losses, validate, 10 * trainer.batches.steps_per_epoch)

    def train_baselines(self, samples: SampleSet) -> None:
        """Train all baselines in sequence and record their training data in ``baselines.json``."""
        config, contract, normalizer = self.config, self.contract, self.normalizer()
        training = decoder_stage.DecoderSamples(samples)
        for name in BASELINES:
            torch.manual_seed(config.seed + 2)
            network = self.baseline_network(name)
            cache = self.features("train", samples) if name == REGRESSION_HEAD else None
            make = partial(decoder_stage.make_batch, training, cache, contract, normalizer, config)
            self._trainer(name, network, config.baselines, make, len(samples)).fit(baselines.losses)
        text = json.dumps(describe_data(samples)) + "\n"
        (self.folder / BASELINE_DATA).write_text(text, encoding="utf-8")


def _validation_interval(trainer: StageTrainer, epochs: int) -> int:
    """Steps between validations: so many epochs, or more where that would validate too often."""
    return max(epochs * trainer.batches.steps_per_epoch, trainer.num_steps // MOST_VALIDATIONS)


def _parts(names: list[str]) -> list[str]:
    """Names of the modules that weights belong to, at most two levels deep."""
    return sorted({".".join(name.split(".")[:2]) for name in names})


def use_threads(count: int) -> None:
    """Set the number of threads of torch within an operator."""
    torch.set_num_threads(count)


def describe_data(samples: SampleSet) -> dict[str, Any]:
    """Summary of a set of samples for the manifest: counts and seeds."""
    seeds: list[Any] = [folder.meta.get("seed") for folder in samples.folders if folder.meta.get("seed") is not None]
    speed = samples.whole("status")[:, 4]
    return {
        "bags": len(samples.folders),
        "samples": len(samples),
        "first_seed": min(seeds, default=None),
        "last_seed": max(seeds, default=None),
        "share_standing": round(float(np.mean(np.abs(speed) < 0.2)), 3),
    }


__all__ = ["BASELINE_DATA", "Run", "describe_data", "use_threads"]
