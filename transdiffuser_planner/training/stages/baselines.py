"""Baselines: an MLP without sensors, and plan regression on the model's frozen features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import CONDITION_INPUTS
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.networks.baselines.ego_status_mlp import StatusMlp
from transdiffuser_planner.networks.baselines.regression_head import RegressionHead
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.networks.losses import plan_loss
from transdiffuser_planner.runtime.inference.baseline_model import EGO_STATUS_MLP, EGO_STATUS_MLP_ROUTE, REGRESSION_HEAD
from transdiffuser_planner.training.engine.devices import full_precision
from transdiffuser_planner.training.engine.stage_weights import weights_path

OLD_NAMES = {EGO_STATUS_MLP: "mlp", EGO_STATUS_MLP_ROUTE: "mlp_route", REGRESSION_HEAD: "regression"}
"""Names of weights in runs of earlier versions."""


def check_not_renamed(folder: Path, name: str) -> None:
    """Reject a run whose baseline is stored under its name of an earlier version.

    Args:
        folder: Of the run.
        name: Present name of the baseline.

    Raises:
        TrainingError: Only the old file exists.
    """
    old, new = weights_path(folder, OLD_NAMES[name]), weights_path(folder, name)
    if old.is_file() and not new.is_file():
        raise TrainingError(
            f"run {folder}: {old.name} is of an earlier version, baseline '{name}' is now {new.name}; "
            "run 'transdiffuser train --stage baselines' again"
        )


def predict(network: nn.Module, batch: dict[str, Any]) -> Tensor:
    """Plans (B, N, P) of a baseline in model space; N is 1 for the MLPs."""
    conditions = {name: batch[name] for name in CONDITION_INPUTS}
    if isinstance(network, StatusMlp):
        return torch.as_tensor(network(conditions))[:, None]
    assert isinstance(network, RegressionHead)
    features = {name: batch[name] for name in FEATURE_NAMES}
    return torch.as_tensor(network(features, conditions, batch["agents"], batch["agents_valid"])[0])


def losses(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
    """Smooth L1 loss in model space."""
    plan = predict(network, batch).float()
    count = plan.shape[1]
    with full_precision(plan.device):
        return {"total": plan_loss(plan, batch["plan"][:, :count], batch["plan_mask"][:, :count])}
