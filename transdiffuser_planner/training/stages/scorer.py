"""Training of the scorer: cross-entropy with the candidates' sub-scores, and the gain from its selection."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.core.contract import SCORE_NAMES, SCORER_INPUTS
from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score
from transdiffuser_planner.training.engine.devices import to_device

Batch = dict[str, Any]

STAGE = "scorer"
VALIDATION_BATCH = 64
RANKING, TEMPERATURE = 0.1, 0.1
POSE_NOISE_M, AGENT_NOISE_M = 0.03, 0.15


def make_batch(plans: ScoredPlans, index_B: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
    """Make one batch of tensors; with a generator, noise is added to plans and agents."""
    raw = plans.gather(index_B)
    if rng is not None:
        raw["pose"][..., :2] += rng.normal(0.0, POSE_NOISE_M, raw["pose"][..., :2].shape).astype(np.float32)
        raw["agent_pose"][..., :2] += rng.normal(0.0, AGENT_NOISE_M, raw["agent_pose"][..., :2].shape).astype(
            np.float32
        )
    return {name: torch.from_numpy(value) for name, value in raw.items()}


def logits_of(network: nn.Module, batch: Batch) -> Tensor:
    """Logits (B, M, Q)."""
    scene = {name: batch[name] for name in SCORER_INPUTS}
    return torch.as_tensor(network(batch["pose"], batch["agent_pose"], scene))


def losses(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Compute the cross-entropy of every sub-score and of the ranking in a scene, weighted with RANKING in "total".

    Sub-scores alone train the differences between scenes best, but a scorer has to rank the plans of one scene.
    """
    logits = logits_of(network, batch).float()
    each = functional.binary_cross_entropy_with_logits(logits, batch["score"], reduction="none").mean(dim=(0, 1))
    target_BM = (pdm_score(batch["score"]) / TEMPERATURE).softmax(dim=1)
    ranking = -(target_BM * (pdm_score(logits.sigmoid()) / TEMPERATURE).log_softmax(dim=1)).sum(dim=1).mean()
    parts = dict(zip(SCORE_NAMES, each.unbind(), strict=True))
    return {**parts, "ranking": ranking, "total": each.mean() + RANKING * ranking}


@torch.no_grad()
def validate(plans: ScoredPlans, network: nn.Module) -> dict[str, float]:
    """PDMS (percent) of the candidate selected by the scorer, of a random one, and of the best.

    Args:
        plans: Validation frames.
        network: The scorer.
    """
    num_candidates = plans.num_candidates
    device = next(network.parameters()).device
    chosen, mean, best, loss = [], [], [], []
    for index in np.array_split(np.arange(len(plans)), max(len(plans) // VALIDATION_BATCH, 1)):
        batch = to_device(make_batch(plans, index), device)
        loss.append(float(losses(network, batch)["total"]))
        predicted = pdm_score(logits_of(network, batch).sigmoid().float().cpu().numpy())[:, :num_candidates]
        truth = pdm_score(batch["score"].cpu().numpy())[:, :num_candidates]
        chosen.append(np.take_along_axis(truth, predicted.argmax(axis=1)[:, None], axis=1)[:, 0])
        mean.append(truth.mean(axis=1))
        best.append(truth.max(axis=1))
    metrics = {"chosen": chosen, "one": mean, "oracle": best}
    return {name: 100.0 * float(np.concatenate(v).mean()) for name, v in metrics.items()} | {
        "loss": float(np.mean(loss))
    }
