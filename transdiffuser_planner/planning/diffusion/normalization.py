"""Poses <-> model space: differences between consecutive poses, normalized by statistics saved with the weights.

x_1 = s_1 and x_t = s_t - s_{t-1} (TransDiffuser's action space); the path is their cumulative sum. The ego's poses are in
base_link at the snapshot, an agent's in the frame of its own box at the snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.geometry import global_from_local, local_from_global

FloatArray = NDArray[np.float64]

MIN_STD = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanNormalizer:
    """Means and standard deviations (T, 3) of the differences (m, m, rad), for the ego and for agents."""

    ego_mean_T3: FloatArray
    ego_std_T3: FloatArray
    agent_mean_T3: FloatArray
    agent_std_T3: FloatArray

    @staticmethod
    def fit(ego_NT3: FloatArray, agent_NT3: FloatArray) -> PlanNormalizer:
        """Compute the statistics of training data.

        Args:
            ego_NT3: Ego futures in base_link, heading continuous.
            agent_NT3: Agent futures, each in the frame of its own box at the snapshot, heading continuous.
        """
        ego, agent = differences(ego_NT3), differences(agent_NT3)
        return PlanNormalizer(
            ego_mean_T3=ego.mean(axis=0),
            ego_std_T3=np.maximum(ego.std(axis=0), MIN_STD),
            agent_mean_T3=agent.mean(axis=0),
            agent_std_T3=np.maximum(agent.std(axis=0), MIN_STD),
        )

    def to_model(
        self, ego_BT3: FloatArray, agent_BAT3: FloatArray, agent_origin_BA3: FloatArray
    ) -> NDArray[np.float32]:
        """Convert joint futures to model space.

        Args:
            ego_BT3: In base_link.
            agent_BAT3: In base_link, headings continuous.
            agent_origin_BA3: Each agent's present pose in base_link.

        Returns:
            (B, 1 + A, T * 3).
        """
        local = local_from_global(agent_origin_BA3[..., None, :], agent_BAT3)
        local[..., 2] = np.unwrap(local[..., 2], axis=-1)
        ego = self._ego(ego_BT3)
        agents = (differences(local) - self.agent_mean_T3) / self.agent_std_T3
        joint = np.concatenate([ego[:, None], agents], axis=1)
        return np.asarray(joint.reshape(*joint.shape[:2], -1), dtype=np.float32)

    def ego_to_model(self, ego_BT3: FloatArray) -> NDArray[np.float32]:
        """Convert the ego's futures alone to model space.

        Args:
            ego_BT3: In base_link, heading continuous.

        Returns:
            (B, T * 3).
        """
        return np.asarray(self._ego(ego_BT3).reshape(len(ego_BT3), -1), dtype=np.float32)

    def _ego(self, ego_BT3: FloatArray) -> FloatArray:
        return np.asarray((differences(ego_BT3) - self.ego_mean_T3) / self.ego_std_T3)

    def to_poses(self, sample_MKP: NDArray[np.float32], agent_origin_A3: FloatArray) -> FloatArray:
        """Convert samples from model space to poses.

        Args:
            sample_MKP: (M, 1 + A, T * 3) normalized differences.
            agent_origin_A3: Each agent's present pose in base_link.

        Returns:
            (M, 1 + A, T, 3) in base_link; the ego is first.
        """
        x = sample_MKP.astype(np.float64).reshape(*sample_MKP.shape[:2], -1, 3)
        ego = np.cumsum(x[:, 0] * self.ego_std_T3 + self.ego_mean_T3, axis=1)
        local = np.cumsum(x[:, 1:] * self.agent_std_T3 + self.agent_mean_T3, axis=2)
        agents = global_from_local(agent_origin_A3[None, :, None, :], local)
        agents[..., 2] = agent_origin_A3[None, :, None, 2] + local[..., 2]
        return np.concatenate([ego[:, None], agents], axis=1)

    def top_speed_mps(self, interval_s: float) -> float:
        """Return the speed that the ego of the training data hardly exceeds: three standard deviations above its mean.

        Args:
            interval_s: Time between two poses.
        """
        return float((self.ego_mean_T3[:, 0] + 3.0 * self.ego_std_T3[:, 0]).max()) / interval_s

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-serializable form."""
        return {name: getattr(self, name).tolist() for name in _FIELDS}

    @staticmethod
    def from_json(data: dict[str, Any]) -> PlanNormalizer:
        """Invert ``to_json``.

        Args:
            data: Result of ``to_json``.

        Raises:
            ModelError: The data is no normalizer.
        """
        try:
            return PlanNormalizer(**{name: np.asarray(data[name], dtype=np.float64) for name in _FIELDS})
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"normalizer: not readable ({error}); export the model again") from None


_FIELDS = ("ego_mean_T3", "ego_std_T3", "agent_mean_T3", "agent_std_T3")


def differences(pose_XT3: FloatArray) -> FloatArray:
    """Subtract the previous pose along the second last axis; the first pose is relative to 0."""
    return np.diff(pose_XT3, axis=-2, prepend=0.0)
