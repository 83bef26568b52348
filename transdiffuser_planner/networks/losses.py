"""Losses of both training stages, each a plain function of predictions, targets and masks.

Letters: B batch, M samples, N = 1 + A tokens, P numbers of a plan, C classes, L bird's-eye cells, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values where mask (broadcastable, 0..1) is set; 0 if it is nowhere set."""
    mask = mask.expand_as(values)
    return (values * mask).sum() / mask.sum().clamp(min=1.0)


def diffusion_loss(
    noise: Tensor, target: Tensor, mask_BNP: Tensor, *, ego_weight: float, agent_weight: float
) -> dict[str, Tensor]:
    """Mean squared error of the predicted noise, separately for ego and agents.

    Args:
        noise: Predicted noise (B, M, N, P).
        target: Added noise of the same shape.
        mask_BNP: 1 where the label exists.
        ego_weight: Weight of the ego in "diffusion".
        agent_weight: Weight of the agents in "diffusion".

    Returns:
        "ego", "agents" (unweighted) and "diffusion".
    """
    error, mask = (noise - target).square(), mask_BNP[:, None]
    ego = masked_mean(error[:, :, :1], mask[:, :, :1])
    agents = masked_mean(error[:, :, 1:], mask[:, :, 1:])
    return {"ego": ego, "agents": agents, "diffusion": ego_weight * ego + agent_weight * agents}


def plan_loss(plan: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Smooth L1 of plans in model space where the label exists; all arguments have the same shape."""
    return masked_mean(functional.smooth_l1_loss(plan, target, reduction="none", beta=0.5), mask)


def decorrelation_loss(fused_BD: Tensor) -> Tensor:
    """Off-diagonal correlation of the fused representation over the batch (TransDiffuser, algorithm 2).

    The matrix is NOT divided by B: an entry is B times Pearson's correlation, and the mean over all D x D entries
    (diagonal counted as zeros) of its square is divided by B once. Independent features give about 1 at any B;
    identical features give B (D - 1) / D. Its weight in the paper is 0.02 at B = 64.
    """
    count, width = fused_BD.shape
    centered = fused_BD.float() - fused_BD.float().mean(dim=0)
    normed = centered / torch.sqrt(centered.square().mean(dim=0) + 1e-8)
    correlation = normed.T @ normed
    off_diagonal = correlation - torch.diag(torch.diagonal(correlation))
    return off_diagonal.square().sum() / (width * width) / count


def bev_loss(logits_BCLL: Tensor, label_BLL: Tensor, valid_B: Tensor, class_weights_C: Tensor) -> Tensor:
    """Cross-entropy of the bird's-eye semantics over valid samples, weighted by class."""
    loss = functional.cross_entropy(logits_BCLL, label_BLL, weight=class_weights_C, reduction="none")
    weight = class_weights_C[label_BLL] * valid_B[:, None, None]
    return (loss * valid_B[:, None, None]).sum() / weight.sum().clamp(min=1.0)


def view_loss(logits_BCHW: Tensor, label_BHW: Tensor, class_weights_C: Tensor, unknown: int) -> Tensor:
    """Cross-entropy of the view's semantics over labeled cells, weighted by class; 0 without any.

    Args:
        logits_BCHW: Predictions.
        label_BHW: Class of each cell.
        class_weights_C: Weight of each class.
        unknown: Label of cells without ground truth.
    """
    loss = functional.cross_entropy(
        logits_BCHW, label_BHW, weight=class_weights_C, ignore_index=unknown, reduction="none"
    )
    known = label_BHW != unknown
    weight = class_weights_C[torch.where(known, label_BHW, 0)] * known
    return loss.sum() / weight.sum().clamp(min=1.0)


def distillation_loss(tokens: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
    """Mean squared difference of tokens of the same names and shapes (Romero et al. 2015), averaged over the names."""
    return torch.stack([functional.mse_loss(tokens[name].float(), teacher[name].float()) for name in teacher]).mean()


def center_loss(logits_BCLL: Tensor, heat_BCLL: Tensor, ignore_BLL: Tensor) -> Tensor:
    """Penalty-reduced focal loss of box centers (CenterNet, Zhou et al. 2019), per positive cell.

    Args:
        logits_BCLL: Predictions.
        heat_BCLL: 1 at centers, falling off around them, 0 elsewhere.
        ignore_BLL: 1 where neither presence nor absence is a label.
    """
    positive = (heat_BCLL > 0.999).to(logits_BCLL.dtype)
    care = 1.0 - ignore_BLL[:, None]
    p = torch.sigmoid(logits_BCLL)
    at_center = -functional.logsigmoid(logits_BCLL) * (1.0 - p).square() * positive
    elsewhere = -functional.logsigmoid(-logits_BCLL) * p.square() * (1.0 - heat_BCLL).pow(4) * (1.0 - positive) * care
    return (at_center + elsewhere).sum() / positive.sum().clamp(min=1.0)


def box_loss(box_BCLL: Tensor, target_BCLL: Tensor, positive_BLL: Tensor) -> Tensor:
    """L1 of the box regression at positive cells, summed over channels."""
    error = (box_BCLL - target_BCLL).abs().sum(dim=1)
    return masked_mean(error, positive_BLL)


def signal_loss(logits_BC: Tensor, label_B: Tensor, valid_B: Tensor) -> Tensor:
    """Cross-entropy of the next signal's state over samples whose state is known."""
    return masked_mean(functional.cross_entropy(logits_BC, label_B, reduction="none"), valid_B)
