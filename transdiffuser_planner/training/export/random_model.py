"""Models of any size with random weights: for speed measurements and tests, not for driving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from transdiffuser_planner.core.contract import CONTRACTS, ModelContract
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.networks.network_config import NetworkConfig, named_config
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer
from transdiffuser_planner.planning.action_codebook import ActionCodebook
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.training.export.model_folder import ExportedModel, export_model

SPREAD = 0.05


def random_network(config: NetworkConfig, contract: ModelContract, seed: int = 0) -> PlannerNetwork:
    """Untrained network in eval mode, without the initial zeros that disable some of its parts."""
    torch.manual_seed(seed)
    network = PlannerNetwork(config, contract)
    for parameter in network.parameters():
        if not parameter.detach().any():
            nn.init.normal_(parameter, std=SPREAD)
    return network.eval()


def unit_normalizer(contract: ModelContract) -> PlanNormalizer:
    """Normalizer with meters and radians as model space."""
    zeros, ones = np.zeros((contract.num_plan_steps, 3)), np.ones((contract.num_plan_steps, 3))
    return PlanNormalizer(ego_mean_T3=zeros, ego_std_T3=ones, agent_mean_T3=zeros, agent_std_T3=ones)


def random_codebook(contract: ModelContract, seed: int = 0) -> ActionCodebook | None:
    """Codebook of random segments of plausible size; None without action tokens."""
    if not contract.codebook_size:
        return None
    scale = np.asarray([4.0, 0.5, 0.2])
    segments = np.random.default_rng(seed).normal(0.0, scale, (contract.codebook_size, 3))
    return ActionCodebook(segment_C3=segments, interval_s=contract.plan_interval_s)


def random_scorer(config: NetworkConfig, contract: ModelContract, seed: int = 0) -> PlanScorer:
    """Untrained scorer."""
    torch.manual_seed(seed)
    return PlanScorer(config, contract, EGO_VEHICLE).eval()


def num_backbone_weights(network: PlannerNetwork) -> int:
    """Number of weights of both branches and their fusion."""
    encoder = network.perception.encoder
    parts = (encoder.image_branch, encoder.lidar_branch, encoder.fusions)
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def export_random(name: str, out: Path) -> ExportedModel:
    """Write a model folder with random weights.

    Args:
        name: Size of the network, a key of ``core.contract.CONTRACTS``.
        out: Folder, replaced if it exists.

    Raises:
        ConfigError: The size is unknown.
        TrainingError: ONNX Runtime and PyTorch differ.
    """
    config, contract = named_config(name), CONTRACTS[name]
    network = random_network(config, contract)
    schedule = NoiseSchedule.cosine(contract.num_denoise_steps)
    facts = {
        "note": "Random weights: only its speed is meaningful.",
        "backbone_weights": num_backbone_weights(network),
    }
    return export_model(
        network,
        unit_normalizer(contract),
        schedule,
        out,
        vehicle=EGO_VEHICLE,
        codebook=random_codebook(contract),
        scorer=random_scorer(config, contract),
        training=facts,
    )
