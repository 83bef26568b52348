"""Stage 2: the denoising decoder learns the distribution of joint futures on frozen, cached scene features."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONDITION_INPUTS, ModelContract
from transdiffuser_planner.data.counterfactuals.counterfactual_plans import CounterfactualPlans
from transdiffuser_planner.data.samples.sample_set import LABELS, SampleSet
from transdiffuser_planner.data.samples.targets import agent_origins, joint_plan, visible_agents
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.networks.losses import decorrelation_loss, diffusion_loss
from transdiffuser_planner.planning.action_codebook import ActionCodebook
from transdiffuser_planner.planning.diffusion.joint_sampler import JointSampler
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.training.batches.augmentation import blur_agents, drop_conditions, drop_tokens, mask_tokens
from transdiffuser_planner.training.engine.devices import full_precision, to_device
from transdiffuser_planner.training.feature_cache import FeatureCache
from transdiffuser_planner.training.preference_recipe import PreferenceConfig
from transdiffuser_planner.training.preferences.noise_prediction import Batch, conditions_of, noise_prediction
from transdiffuser_planner.training.preferences.preference_losses import PREFERENCE_TERMS, preference_losses
from transdiffuser_planner.training.preferences.preferred_plans import PreferredPlans, preference_tensors
from transdiffuser_planner.training.recipe import LossWeights, TrainingConfig

STAGE = "decoder"
VALIDATION_CANDIDATES = 16


class DecoderSamples:
    """All inputs of stage 2 except the features, in memory.

    Args:
        samples: The samples.
        codebook: For the action tokens of the logged trajectories; None for no tokens.
        counterfactuals: Alternative maneuvers with their action tokens.
        preferred: Targets of a table of scored plans.
    """

    def __init__(
        self,
        samples: SampleSet,
        codebook: ActionCodebook | None = None,
        counterfactuals: CounterfactualPlans | None = None,
        preferred: PreferredPlans | None = None,
    ) -> None:
        self.arrays = {name: samples.whole(name) for name in (*CONDITION_INPUTS, *LABELS)}
        if codebook is not None:
            tokens = codebook.encode(self.arrays["plan"])
            self.arrays["action_token_path"] = codebook.segment_C3[tokens].astype(np.float32)
        self.counterfactuals, self.preferred = counterfactuals, preferred

    def __len__(self) -> int:
        return len(self.arrays["plan"])

    def gather(self, index_B: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Arrays (B, ...) of the given samples."""
        return {name: array[index_B] for name, array in self.arrays.items()}


def make_batch(
    samples: DecoderSamples,
    cache: FeatureCache | None,
    contract: ModelContract,
    normalizer: PlanNormalizer,
    config: TrainingConfig | None,
    index_B: NDArray[np.int64],
    rng: np.random.Generator,
) -> Batch:
    """Make one batch of tensors.

    Args:
        samples: The samples.
        cache: Scene features; None for a batch without them.
        contract: Sizes of the tensors.
        normalizer: Normalizer of the plans.
        config: Recipe; None for a batch without augmentation and action tokens.
        index_B: Samples of the batch.
        rng: Random numbers of the augmentation.
    """
    raw = samples.gather(index_B)
    agents = visible_agents(raw, contract)
    token_inputs: dict[str, NDArray[Any]] = {}
    if config is not None:
        raw = drop_conditions(raw, rng, config.augmentation)
        if samples.preferred is not None:
            raw = samples.preferred.substitute(raw, index_B, rng)
        if samples.counterfactuals is not None:
            raw = samples.counterfactuals.substitute(raw, index_B, config.augmentation.counterfactual_share, rng)
        if "action_token_path" in raw:
            needed_B = raw.get("is_counterfactual")
            token_inputs = drop_tokens(raw["action_token_path"], rng, config.augmentation, needed_B)
            if "wanted_scores_valid" in raw:
                mask_tokens(token_inputs, (raw["wanted_scores_valid"] > 0.0).any(axis=1), needed_B)
        agents["agents"], agents["agents_valid"] = blur_agents(
            agents["agents"], agents["agents_valid"], rng, config.augmentation
        )
    plan, mask = joint_plan(raw["plan"], raw["plan_valid"], agents, normalizer)
    batch: Batch = {name: torch.from_numpy(raw[name]) for name in CONDITION_INPUTS}
    batch |= {name: torch.from_numpy(value) for name, value in token_inputs.items()}
    batch |= {name: torch.from_numpy(agents[name]) for name in ("agents", "agents_valid")}
    batch |= {"plan": torch.from_numpy(plan), "plan_mask": torch.from_numpy(mask)}
    batch["origin"] = torch.from_numpy(agent_origins(agents["agents"]))
    if config is not None and samples.preferred is not None:
        batch |= {name: torch.from_numpy(value) for name, value in preference_tensors(raw, normalizer).items()}
    return batch if cache is None else batch | cache.gather(index_B)


def losses(
    weights: LossWeights,
    num_samples: int,
    schedule: NoiseSchedule,
    network: DenoisingDecoder,
    batch: Batch,
    preference: PreferenceConfig | None = None,
) -> dict[str, Tensor]:
    """Noise prediction at random denoise steps, and decorrelation of the fused representation.

    Args:
        weights: Weights of the loss terms.
        num_samples: Noisy samples per scene.
        schedule: Noise schedule.
        network: The decoder.
        batch: Labels, conditions and scene features.
        preference: Terms of a batch with preferences; None for one without.

    Returns:
        Scalars; "total" is their weighted sum.
    """
    device = batch["plan"].device
    drawn = noise_prediction(network, batch, num_samples, schedule)
    fused = drawn.fused_BMD
    with full_precision(device):
        parts = diffusion_loss(
            drawn.predicted.float(),
            drawn.noise,
            batch["plan_mask"],
            ego_weight=weights.ego,
            agent_weight=weights.agents,
        )
        parts["decorrelation"] = decorrelation_loss(fused[:, 0].float())
        parts["total"] = parts["diffusion"] + weights.decorrelation * parts["decorrelation"]
        if weights.decorrelation_inside > 0.0:
            inside = torch.stack([decorrelation_loss(fused[:, m].float()) for m in range(num_samples)]).mean()
            parts["total"] = parts["total"] + weights.decorrelation_inside * inside
    if preference is None:
        return parts
    added = preference_losses(preference, schedule, network, batch, drawn)
    weighted = sum(getattr(preference, name) * added[name] for name in PREFERENCE_TERMS)
    return parts | added | {"total": parts["total"] + weights.ego * weighted}


@torch.no_grad()
def sample(
    network: DenoisingDecoder, batch: Batch, sampler: JointSampler, num_candidates: int, seed: int
) -> NDArray[np.float32]:
    """Draw joint samples (B, M, N, P) in model space by the full chain.

    Args:
        network: The decoder.
        batch: Conditions and scene features.
        sampler: Diffusion sampler.
        num_candidates: M.
        seed: Seed of the noise.
    """
    device = next(network.parameters()).device
    on_device = to_device(batch, device)
    prepared = network.prepare(
        {name: on_device[name] for name in FEATURE_NAMES},
        conditions_of(on_device),
        on_device["agents"],
        on_device["agents_valid"],
    )

    def predict(x: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        step = torch.full((1, 1), k, dtype=torch.int64, device=device)
        return np.asarray(network(torch.from_numpy(x).to(device), step, prepared)[0].float().cpu().numpy())

    return sampler.walk(predict, sampler.noise(seed, 0, len(batch["plan"]), num_candidates)).x0_MNP


@torch.no_grad()
def validate(
    samples: DecoderSamples,
    cache: FeatureCache,
    contract: ModelContract,
    normalizer: PlanNormalizer,
    schedule: NoiseSchedule,
    limit: int,
    network: nn.Module,
) -> dict[str, float]:
    """Validate on evenly spread samples.

    Args:
        samples: Validation set.
        cache: Its scene features.
        contract: Sizes of the tensors.
        normalizer: Normalizer of the plans.
        schedule: Noise schedule.
        limit: Largest number of samples.
        network: The decoder.

    Returns:
        Mean ADE in meters of one candidate, of the candidates' mean and of the nearest candidate; spread of the candidates.
    """
    assert isinstance(network, DenoisingDecoder)
    network.eval()
    index = np.linspace(0, len(samples) - 1, min(limit, len(samples))).astype(np.int64)
    batches = (
        make_batch(samples, cache, contract, normalizer, None, part, np.random.default_rng(0))
        for part in np.array_split(index, max(len(index) // 64, 1))
    )
    return sampling_errors(network, batches, JointSampler(contract=contract, schedule=schedule, normalizer=normalizer))


@torch.no_grad()
def sampling_errors(network: DenoisingDecoder, batches: Iterable[Batch], sampler: JointSampler) -> dict[str, float]:
    """Compute the metrics of ``validate`` on given batches."""
    rows, no_agents = [], np.zeros((0, 3))
    for batch in batches:
        with full_precision(next(network.parameters()).device):
            drawn = sample(network, batch, sampler, VALIDATION_CANDIDATES, seed=0)
        plan = np.stack([sampler.poses(d[:, :1], no_agents)[:, 0] for d in drawn])
        truth = sampler.poses(batch["plan"].numpy()[:, :1], no_agents)[:, 0]
        error = np.linalg.norm(plan[..., :2] - truth[:, None, :, :2], axis=-1).mean(axis=2)
        mean = np.linalg.norm(plan[..., :2].mean(axis=1) - truth[..., :2], axis=-1).mean(axis=1)
        spread = np.linalg.norm(plan[:, :, -1, :2].std(axis=1), axis=-1)
        rows.append(np.stack([error[:, 0], mean, error.min(axis=1), spread], axis=1))
    one, mean, nearest, spread = np.concatenate(rows).mean(axis=0)
    return {"ade_one_m": one, "ade_mean_m": mean, "ade_nearest_m": nearest, "spread_4s_m": spread}


def batch_maker(
    samples: DecoderSamples,
    cache: FeatureCache,
    contract: ModelContract,
    normalizer: PlanNormalizer,
    config: TrainingConfig,
) -> Any:
    """``make_batch`` for the training set."""
    return partial(make_batch, samples, cache, contract, normalizer, config)
