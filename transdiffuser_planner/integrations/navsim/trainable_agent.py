"""Networks of a recipe as an agent that the NAVSIM devkit caches features for and trains. Needs the devkit and torch.

``run_dataset_caching.py`` and ``run_training.py`` of the devkit take it as ``agent=transdiffuser_training``.
``devkit_training.write_run`` turns the checkpoint into a run for ``transdiffuser export``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from navsim.planning.training.abstract_feature_target_builder import AbstractFeatureBuilder, AbstractTargetBuilder
from torch import Tensor

from transdiffuser_planner.core.contract import agent_specs, plan_spec
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.integrations.navsim.builders import LabelBuilder, ObservationBuilder
from transdiffuser_planner.integrations.navsim.devkit import DevkitAgent, trajectory_of
from transdiffuser_planner.planning.diffusion.joint_sampler import JointSampler
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.training.devkit_training import (
    OneBatch,
    load_recipe,
    most_central,
    network_of,
    start_from,
    starting_normalizer,
    weights_in,
)
from transdiffuser_planner.training.engine.devices import to_device
from transdiffuser_planner.training.engine.optimizer import adamw
from transdiffuser_planner.training.engine.stage_weights import load_into
from transdiffuser_planner.training.feature_cache import perceive
from transdiffuser_planner.training.stages import decoder as decoder_stage
from transdiffuser_planner.training.stages import encoder as encoder_stage
from transdiffuser_planner.training.stages import joint as joint_stage

Batch = dict[str, Tensor]

PREVIEW_CANDIDATES: Final = 8


class TrainableAgent(DevkitAgent):
    """Encoder and decoder, trained together with the losses of the stage joint.

    Args:
        recipe: Name of a shipped recipe, or a YAML file, without action tokens.
        lr: Learning rate of AdamW.
        init_from: Folder of a run, of its weights, or of a model with weights, whose encoder and decoder it starts from.
        checkpoint_path: Checkpoint of the devkit's training.

    Raises:
        ConfigError: The recipe has action tokens, or cannot be read.
    """

    def __init__(
        self,
        recipe: str = "navtrain",
        lr: float = 1e-4,
        init_from: str | None = None,
        checkpoint_path: str | None = None,
    ) -> None:
        super().__init__(lidar=True)
        self._recipe = load_recipe(recipe)
        self._lr, self._checkpoint = lr, checkpoint_path
        self._contract = self._recipe.contract()
        self._schedule = NoiseSchedule.cosine(self._contract.num_denoise_steps)
        start = None if init_from is None else Path(init_from)
        self._normalizer = starting_normalizer(start)
        self.network = network_of(self._recipe)
        if start is not None:
            start_from(self.network, start)

    def name(self) -> str:
        """Return the name in the devkit's results."""
        return f"transdiffuser_{self._recipe.network}"

    def initialize(self) -> None:
        """Load the checkpoint, if there is one.

        Raises:
            TrainingError: It is not of these networks.
        """
        if self._checkpoint is not None:
            path = Path(self._checkpoint)
            load_into(self.network, weights_in(path), path)

    def get_feature_builders(self) -> list[AbstractFeatureBuilder]:
        """Return the builder of what the networks read."""
        return [ObservationBuilder(self._contract)]

    def get_target_builders(self) -> list[AbstractTargetBuilder]:
        """Return the builder of what they learn."""
        return [LabelBuilder(self._contract)]

    def forward(self, features: Batch) -> Batch:
        """Return nothing in training, whose losses run the networks themselves, else a plan for each scene.

        Args:
            features: Of the feature builder, with a batch axis.

        Returns:
            "trajectory" (B, 8, 3): of some candidates without other agents the one nearest to the others; a preview, which
            the whole planner is not.
        """
        if self.training:
            return {}
        device = next(self.network.parameters()).device
        count, contract = len(features["image"]), self._contract
        batch = to_device(dict(features), device)
        with torch.no_grad():
            batch |= perceive(self.network.perception, batch, contract)[0].tokens
        batch |= {
            name: torch.zeros(count, *spec.shape, device=device) for name, spec in agent_specs(contract).items()
        } | {"plan": torch.zeros(count, *plan_spec(contract).shape, device=device)}
        sampler = JointSampler(contract=contract, schedule=self._schedule, normalizer=self._normalizer)
        x0_BMNP = decoder_stage.sample(self.network.decoder, batch, sampler, PREVIEW_CANDIDATES, 0)
        no_agents = np.zeros((0, 3))
        plans = [most_central(self._normalizer.to_poses(x0_MNP[:, :1], no_agents)[:, 0]) for x0_MNP in x0_BMNP]
        return {"trajectory": torch.from_numpy(np.stack(plans).astype(np.float32))}

    def compute_trajectory(self, agent_input: Any) -> Any:
        """Plan one scene.

        Args:
            agent_input: The devkit's ``AgentInput``.

        Returns:
            The devkit's ``Trajectory``.
        """
        self.eval()
        features = self.get_feature_builders()[0].compute_features(agent_input)
        plan = self.forward({name: value[None] for name, value in features.items()})["trajectory"]
        return trajectory_of(plan[0].numpy())

    def compute_loss(self, features: Batch, targets: Batch, predictions: Batch) -> Tensor:
        """Return the weighted sum of all losses of the stage joint.

        Args:
            features: Of the feature builder, with a batch axis.
            targets: Of the target builder.
            predictions: Unused; see ``forward``.

        Raises:
            TrainingError: It is NaN or infinite.
        """
        arrays = {name: value.detach().cpu().numpy() for name, value in (features | targets).items()}
        index_B = np.arange(len(arrays["image"]))
        samples: Any = OneBatch(arrays)
        if self.training:
            rng = np.random.default_rng(int(torch.randint(2**31, (1,))))
            batch = joint_stage.make_batch(samples, None, self._contract, self._normalizer, self._recipe, index_B, rng)
        else:
            rng = np.random.default_rng(0)
            batch = encoder_stage.make_batch(samples, self._contract, self._normalizer, None, index_B, rng)
        on_device = to_device(batch, features["image"].device)
        total = joint_stage.losses(self._recipe, self._contract, self._schedule, self.network, on_device)["total"]
        if not torch.isfinite(total):
            raise TrainingError(f"NAVSIM training: the loss is {total.item()}; give a smaller agent.lr")
        return total

    def get_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of this package's own training, with the weight decay of the stage joint."""
        return adamw(self.network, learning_rate=self._lr, weight_decay=self._recipe.joint.weight_decay)
