"""Feature and target builders of the NAVSIM devkit: stored samples of this package as tensors. Needs the devkit and torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from navsim.planning.training.abstract_feature_target_builder import AbstractFeatureBuilder, AbstractTargetBuilder
from torch import Tensor

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.data.samples.sample_rows import Row, observation_row
from transdiffuser_planner.integrations.navsim.agent_inputs import builder_for, snapshot_of
from transdiffuser_planner.integrations.navsim.scene_labels import labels_of


class ObservationBuilder(AbstractFeatureBuilder):  # type: ignore[misc]
    """What the model reads, as in the samples of ``transdiffuser dataset``: images and LiDAR counts as bytes.

    Args:
        contract: Sizes of the tensors.
    """

    def __init__(self, contract: ModelContract) -> None:
        self._contract = contract

    def get_unique_name(self) -> str:
        """Return the name of the cache's files."""
        return "transdiffuser_observation"

    def compute_features(self, agent_input: Any) -> dict[str, Tensor]:
        """Return the tensors of one scene.

        Args:
            agent_input: The devkit's ``AgentInput``.
        """
        snapshot, rig = snapshot_of(agent_input)
        builder = builder_for(self._contract, rig)
        builder.reset()
        return _tensors(observation_row(snapshot, builder, builder.points(snapshot)))


class LabelBuilder(AbstractTargetBuilder):  # type: ignore[misc]
    """What the model learns: the human's plan, agents with their futures, the map as bird's-eye semantics.

    Args:
        contract: Sizes of the tensors.
    """

    def __init__(self, contract: ModelContract) -> None:
        self._contract = contract

    def get_unique_name(self) -> str:
        """Return the name of the cache's files."""
        return "transdiffuser_labels"

    def compute_targets(self, scene: Any) -> dict[str, Tensor]:
        """Return the tensors of one scene.

        Args:
            scene: The devkit's ``Scene``.
        """
        return _tensors(labels_of(scene, self._contract))


def _tensors(row: Row) -> dict[str, Tensor]:
    """Tensors of arrays; torch cannot collate uint32, so ids become int64."""
    widened = {name: value.astype(np.int64) if value.dtype == np.uint32 else value for name, value in row.items()}
    return {name: torch.from_numpy(np.array(value)) for name, value in widened.items()}
