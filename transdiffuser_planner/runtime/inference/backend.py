"""Interface between planning and the execution of a model's networks.

Letters: A agents, M candidates, N = 1 + A tokens with the ego first, P = T x 3 numbers of a plan, T plan steps, Q sub-scores.
Tensors are float32 with a leading axis of 1 scene unless stated otherwise; names, axes and units are those of
``core.contract``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.runtime.inference.manifest import ModelManifest

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]


@runtime_checkable
class InferenceBackend(Protocol):
    """Executes the networks of one model folder. Equal inputs give equal outputs; inputs are never changed.

    Attributes:
        manifest: The checked model folder.
        provider: Execution provider, for example "cpu"; published with every plan.
        precision: Of ``core.contract.PRECISIONS``; published with every plan.
    """

    manifest: ModelManifest
    provider: str
    precision: str

    @property
    def parallel_shares(self) -> int:
        """How many calls of ``predict_noise``, each for a share of the samples, gain by running at the same time."""

    @property
    def has_scorer(self) -> bool:
        """Whether the model can predict scores."""

    def encode(self, observation: Tensors) -> Tensors:
        """Compute scene features and auxiliary outputs of one observation.

        A backend may leave results on its device until they are read; they are valid for as long as a caller has them.

        Args:
            observation: ``core.contract.observation_specs``; of these ``ENCODER_INPUTS`` are read: image (1, 3, H, W) and
                LiDAR histogram (1, C, L, L), both 0 to 1, with their masks.

        Returns:
            The names of ``manifest.encoder_features``, and ``core.contract.auxiliary_specs`` with a leading 1.

        Raises:
            ModelError: The network failed.
        """

    def condition(self, features: Tensors, observation: Tensors, agents: Tensors) -> Tensors:
        """Compute the condition that all denoise steps of a cycle share.

        Args:
            features: Result of ``encode``.
            observation: The conditions in base_link: meters, m/s, radians.
            agents: "agents" (1, A, F) in base_link and "agents_valid" (1, A); any A from 0 to the contract's.

        Returns:
            Tensors for ``predict_noise``; their names and shapes are the backend's own.

        Raises:
            ModelError: The network failed.
        """

    def predict_noise(self, sample_MNP: Array, step: int, condition: Tensors) -> Array:
        """Predict the noise (M, N, P) in joint samples at a denoise step. Called from several threads at once.

        Args:
            sample_MNP: In model space (normalized differences of poses), N = 1 + A of ``condition``.
            step: Denoise step k, 1 .. ``contract.num_denoise_steps``.
            condition: Result of ``condition``.

        Raises:
            ModelError: The network failed.
        """

    def score(
        self, pose_MKT3: NDArray[np.floating[Any]], features: Tensors, observation: Tensors, agents: Tensors
    ) -> Array:
        """Predict the sub-scores (M, Q) of ``core.contract.SCORE_NAMES``, each 0 to 1.

        Args:
            pose_MKT3: Joint futures (M, 1 + A, T, 3) in base_link (m, m, rad), the ego first.
            features: Result of ``encode``.
            observation: As for ``condition``.
            agents: As for ``condition``.

        Raises:
            ModelError: The model has no scorer, or it failed.
        """
