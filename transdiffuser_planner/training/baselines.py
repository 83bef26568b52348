"""What the model is compared with: an MLP without sensors, and plan regression on the same frozen features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONDITION_INPUTS
from transdiffuser_planner.networks.losses import plan_loss
from transdiffuser_planner.networks.regression_head import RegressionHead
from transdiffuser_planner.networks.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.networks.status_mlp import StatusMlp
from transdiffuser_planner.training.machine import full_precision

MLP = "mlp"
MLP_ROUTE = "mlp_route"
REGRESSION = "regression"
BASELINES = (MLP, MLP_ROUTE, REGRESSION)


def predict(network: nn.Module, batch: dict[str, Any]) -> Tensor:
    """Plans (B, N, P) of a baseline in model space; N is 1 for the MLPs."""
    conditions = {name: batch[name] for name in CONDITION_INPUTS}
    if isinstance(network, StatusMlp):
        return torch.as_tensor(network(conditions))[:, None]
    assert isinstance(network, RegressionHead)
    features = {name: batch[name] for name in FEATURE_NAMES}
    return torch.as_tensor(network(features, conditions, batch["agents"], batch["agents_valid"])[0])


def losses(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
    """Smooth L1 in model space."""
    plan = predict(network, batch).float()
    count = plan.shape[1]
    with full_precision(plan.device):
        return {"total": plan_loss(plan, batch["plan"][:, :count], batch["plan_mask"][:, :count])}
