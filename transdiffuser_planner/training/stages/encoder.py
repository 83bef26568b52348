"""Stage 1: training of the scene encoder by its auxiliary heads and a plan regression."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONDITION_INPUTS, BevClass, ModelContract
from transdiffuser_planner.core.view_semantics import VIEW_UNKNOWN, ViewClass
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.data.samples.targets import agent_origins, detection_targets, joint_plan, visible_agents
from transdiffuser_planner.metrics.overlap import Overlap
from transdiffuser_planner.networks.baselines.regression_head import RegressionHead
from transdiffuser_planner.networks.losses import bev_loss, box_loss, center_loss, plan_loss, signal_loss, view_loss
from transdiffuser_planner.networks.network_config import NetworkConfig
from transdiffuser_planner.networks.planner_network import PerceptionNetwork
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.training.batches.appearance import change_appearance
from transdiffuser_planner.training.batches.augmentation import (
    blur_agents,
    change_colors,
    change_density,
    drop_conditions,
    drop_sensors,
    mirror,
)
from transdiffuser_planner.training.engine.devices import full_precision, to_device
from transdiffuser_planner.training.feature_cache import perceive
from transdiffuser_planner.training.recipe import LossWeights, TrainingConfig
from transdiffuser_planner.training.stages.kept_behavior import KeptBehavior

Batch = dict[str, Any]

STAGE = "encoder"
SAMPLE_ARRAYS = (
    "image",
    "lidar",
    "camera_valid",
    "lidar_valid",
    *CONDITION_INPUTS,
    "plan",
    "plan_valid",
    "gt_agents_known",
    "gt_agents",
    "gt_agents_valid",
    "gt_agents_points",
    "gt_agents_future",
    "gt_agents_future_valid",
    "bev",
    "bev_valid",
    "signal_label",
    "signal_label_valid",
)

# Cells of rare classes count more: background, road, walkway, center line, vehicle, person.
CLASS_WEIGHTS = (0.5, 0.7, 1.0, 2.0, 3.0, 4.0)
# The same of the view: rest, road, marking, sidewalk, vehicle, person, lamp.
VIEW_WEIGHTS = (0.6, 0.8, 2.0, 1.5, 1.5, 4.0, 5.0)


class EncoderStage(nn.Module):
    """Perception with the regression head of its training.

    Args:
        config: Sizes of the network.
        contract: Sizes of the tensors.
        freeze_norms: Batch norms always use their stored statistics, which training then does not change.
    """

    def __init__(self, config: NetworkConfig, contract: ModelContract, *, freeze_norms: bool = False) -> None:
        super().__init__()
        self._freeze_norms = freeze_norms
        self.perception = PerceptionNetwork(config, contract)
        self.regression = RegressionHead(config, contract, self.perception.encoder.token_counts())

    def train(self, mode: bool = True) -> EncoderStage:
        """Switch between training and evaluation; frozen batch norms always stay in evaluation."""
        super().train(mode)
        if self._freeze_norms:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def segment_columns(contract: ModelContract) -> list[slice]:
    """Columns of each view segment in the stitched image."""
    edges = np.rint(np.cumsum([0.0, *(s.width_fraction for s in contract.segments)]) * contract.image_width).astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def make_batch(
    samples: SampleSet,
    contract: ModelContract,
    normalizer: PlanNormalizer,
    config: TrainingConfig | None,
    index_B: NDArray[np.int64],
    rng: np.random.Generator,
) -> Batch:
    """Make one batch of tensors.

    Args:
        samples: The samples.
        contract: Sizes of the tensors.
        normalizer: Normalizer of the plans.
        config: Recipe; None for a batch without augmentation.
        index_B: Samples of the batch.
        rng: Random numbers of the augmentation.
    """
    has_view = samples.has("view_labels")
    raw = samples.gather(index_B, (*SAMPLE_ARRAYS, *(["view_labels"] if has_view else [])))
    if config is not None:
        raw = _augmented(raw, contract, config, rng)
    detection = detection_targets(raw, contract)
    agents = visible_agents(raw, contract)
    if config is not None:
        agents["agents"], agents["agents_valid"] = blur_agents(
            agents["agents"], agents["agents_valid"], rng, config.augmentation
        )
    plan, mask = joint_plan(raw["plan"], raw["plan_valid"], agents, normalizer)
    names = ("camera_valid", "lidar_valid", *CONDITION_INPUTS, "bev_valid", "signal_label", "signal_label_valid")
    batch: Batch = {name: torch.from_numpy(np.ascontiguousarray(raw[name])) for name in (*names, "image", "lidar")}
    batch |= {name: torch.from_numpy(raw[name].astype(np.int64)) for name in ("bev", "view_labels") if name in raw}
    if "clean_image" in raw:
        batch["clean_image"] = torch.from_numpy(raw["clean_image"])
    batch |= {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in detection.items()}
    batch |= {name: torch.from_numpy(agents[name]) for name in ("agents", "agents_valid")}
    batch |= {"plan": torch.from_numpy(plan), "plan_mask": torch.from_numpy(mask)}
    batch["origin"] = torch.from_numpy(agent_origins(agents["agents"]))
    return batch


def _augmented(
    raw: dict[str, NDArray[Any]], contract: ModelContract, config: TrainingConfig, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Augmented arrays, with "clean_image" of unchanged appearance where the recipe distills."""
    augmentation = config.augmentation
    raw = mirror(raw, rng.random(len(raw["image"])) < augmentation.mirror)
    clean = raw["image"]
    raw["image"] = change_colors(raw["image"], rng, augmentation.color)
    raw["image"] = change_appearance(raw["image"], raw.get("view_labels"), rng, augmentation)
    if augmentation.lidar_density > 0.0:
        raw["lidar"] = change_density(raw["lidar"], contract.lidar_clip_points, rng, augmentation.lidar_density)
    columns = segment_columns(contract)
    raw = drop_conditions(drop_sensors(raw, columns, rng, augmentation), rng, augmentation)
    if config.loss.distillation:
        raw["clean_image"] = clean.copy()
        for segment, part in enumerate(columns):
            raw["clean_image"][raw["camera_valid"][:, segment] == 0.0, :, :, part] = 0
    return raw


def losses(
    config: TrainingConfig,
    contract: ModelContract,
    network: EncoderStage,
    batch: Batch,
    kept: KeptBehavior | None = None,
) -> dict[str, Tensor]:
    """Compute all losses of a batch, weighted into "total".

    Args:
        config: The recipe.
        contract: Sizes of the tensors.
        network: The trained network.
        batch: As of ``make_batch``.
        kept: What the encoder must stay compatible with.
    """
    features, heads = perceive(network.perception, batch, contract, with_view=True)
    conditions = {name: batch[name] for name in CONDITION_INPUTS}
    plan, _ = network.regression(features.tokens, conditions, batch["agents"], batch["agents_valid"])
    mask = batch["plan_mask"].clone()
    mask[:, 1:] *= config.loss.agents
    parts = auxiliary_losses(heads, batch)
    with full_precision(mask.device):
        parts["plan"] = plan_loss(plan.float(), batch["plan"], mask)
        if kept is not None:
            parts |= kept.losses(config, features, batch)
        parts["total"] = weighted(config.loss, parts)
    return parts


def auxiliary_losses(heads: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Losses of the auxiliary heads: map, centers and boxes of agents, traffic signal; scalars, unweighted."""
    heads = {name: value.float() for name, value in heads.items()}
    device = batch["bev"].device
    classes = torch.tensor(CLASS_WEIGHTS, device=device)
    with full_precision(device):
        parts = {
            "bev": bev_loss(heads["bev_logits"], batch["bev"], batch["bev_valid"].float(), classes),
            "center": center_loss(heads["agent_heatmap"], batch["heat"], batch["ignore"]),
            "box": box_loss(heads["agent_box"], batch["box"], batch["positive"]),
            "signal": signal_loss(heads["signal_logits"], batch["signal_label"], batch["signal_label_valid"].float()),
        }
        if "view_logits" in heads and "view_labels" in batch:
            weights = torch.tensor(VIEW_WEIGHTS, device=device)
            parts["view"] = view_loss(heads["view_logits"], batch["view_labels"], weights, VIEW_UNKNOWN)
        return parts


def weighted(weights: LossWeights, parts: dict[str, Tensor]) -> Tensor:
    """Sum the losses with the recipe's weights of the same names."""
    return torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()


@torch.no_grad()
def validate(
    samples: SampleSet, contract: ModelContract, normalizer: PlanNormalizer, limit: int, network: nn.Module
) -> dict[str, float]:
    """Validate on evenly spread samples.

    Args:
        samples: Validation set.
        contract: Sizes of the tensors.
        normalizer: Normalizer of the plans.
        limit: Largest number of samples.
        network: The trained network.

    Returns:
        IoU of each class of the map, and of the view where it is labeled, recall of the detections, share of correct signals,
        ADE in meters.
    """
    assert isinstance(network, EncoderStage)
    network.eval()
    device = next(network.parameters()).device
    index = np.linspace(0, len(samples) - 1, min(limit, len(samples))).astype(np.int64)
    totals = {"hit": 0.0, "centers": 0.0, "signal": 0.0, "ade": 0.0}
    bev, view = Overlap(len(BevClass)), Overlap(len(ViewClass))
    for part in np.array_split(index, max(len(index) // 64, 1)):
        batch = make_batch(samples, contract, normalizer, None, part, np.random.default_rng(0))
        on_device = to_device(batch, device)
        features, heads = perceive(network.perception, on_device, contract, with_view=True)
        heads = {name: value.float().cpu() for name, value in heads.items()}
        conditions = {name: on_device[name] for name in CONDITION_INPUTS}
        plan, _ = network.regression(features.tokens, conditions, on_device["agents"], on_device["agents_valid"])
        bev.add(batch["bev"].numpy(), heads["bev_logits"].argmax(dim=1).numpy())
        if "view_logits" in heads and "view_labels" in batch:
            view.add(batch["view_labels"].numpy(), heads["view_logits"].argmax(dim=1).numpy())
        peak = nn.functional.max_pool2d(heads["agent_heatmap"].amax(dim=1, keepdim=True), 3, 1, 1)[:, 0]
        totals["centers"] += float(batch["positive"].sum())
        totals["hit"] += float(((peak > np.log(0.3 / 0.7)) * batch["positive"]).sum())
        totals["signal"] += float((heads["signal_logits"].argmax(dim=1) == batch["signal_label"]).sum())
        ego = normalizer.to_poses(plan.float().cpu().numpy()[:, :1], np.zeros((0, 3)))[:, 0]
        truth = normalizer.to_poses(batch["plan"].numpy()[:, :1], np.zeros((0, 3)))[:, 0]
        totals["ade"] += float(np.linalg.norm(ego[..., :2] - truth[..., :2], axis=-1).mean(axis=1).sum())
    return {
        **{f"iou_{c.name.lower()}": float(bev.iou_K[c]) for c in BevClass},
        **({f"iou_view_{c.name.lower()}": float(view.iou_K[c]) for c in ViewClass} if view.is_filled else {}),
        "recall": totals["hit"] / max(totals["centers"], 1.0),
        "signal": totals["signal"] / len(index),
        "ade_m": totals["ade"] / len(index),
    }


def batch_maker(samples: SampleSet, contract: ModelContract, normalizer: PlanNormalizer, config: TrainingConfig) -> Any:
    """``make_batch`` for the training set."""
    return partial(make_batch, samples, contract, normalizer, config)
