"""Baselines with random weights for the shipped model: exported like trained ones."""

from pathlib import Path

import torch
from torch import nn

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.training.engine.stage_weights import StageWeights, save_weights
from transdiffuser_planner.training.export.baseline_folders import export_baselines
from transdiffuser_planner.training.export.model_folder import random_observation
from transdiffuser_planner.training.recipe import TrainingConfig
from transdiffuser_planner.training.run import BASELINE_DATA, Run


def untrained_run(folder: Path) -> Run:
    """A run whose baselines have random weights, none of them zero."""
    run = Run.create(folder, TrainingConfig(), model_folder("tiny"))
    for seed, name in enumerate(BASELINES):
        torch.manual_seed(seed)
        network = run.baseline_network(name)
        for parameter in network.parameters():
            if not parameter.detach().any():
                nn.init.normal_(parameter, std=0.05)
        save_weights(folder, StageWeights(tensors=dict(network.state_dict()), stage=name, num_steps=1))
    (folder / BASELINE_DATA).write_text('{"samples": 40}', encoding="utf-8")
    return run


def export_untrained(folder: Path) -> Path:
    """Export them; returns their folder."""
    run = untrained_run(folder / "run")
    assert run.model is not None
    inputs = [random_observation(TINY, seed) for seed in range(2)]
    export_baselines(run, [{**values, **run.model.encode(values)} for values in inputs], folder / "baselines", {})
    return folder / "baselines"
