"""A backend whose network is plain arithmetic: its samples are equal in every digit on every machine."""

import hashlib

import numpy as np

from transdiffuser_planner.core.contract import ModelContract, auxiliary_specs
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.runtime.inference.manifest import ModelManifest

Tensors = dict[str, np.ndarray]


class ArithmeticBackend:
    """Predicts noise by sums and products alone; normalizer, schedule and contract are those of a real model folder."""

    provider, precision, has_scorer = "cpu", "fp32", False
    parallel_shares = 2

    def __init__(self, manifest: ModelManifest) -> None:
        self.manifest = manifest

    @property
    def contract(self) -> ModelContract:
        """Sizes of all tensors."""
        return self.manifest.contract

    def encode(self, observation: Tensors) -> Tensors:
        """Constant features and a quiet scene without agents, by the model's names."""
        features = {name: np.zeros((1, 1, 1), dtype=np.float32) for name in self.manifest.encoder_features}
        heads = {
            name: np.zeros((1, *spec.shape), dtype=np.float32) for name, spec in auxiliary_specs(self.contract).items()
        }
        return features | heads

    def condition(self, features: Tensors, observation: Tensors, agents: Tensors) -> Tensors:
        """The speed and the agents' distances."""
        return {"speed": observation["status"][:, 4:5], "agents": agents["agents"][..., :1]}

    def predict_noise(self, sample_MNP: np.ndarray, step: int, condition: Tensors) -> np.ndarray:
        """Depends on samples, step and condition."""
        num_agents = sample_MNP.shape[1] - 1
        shift_N1 = np.concatenate([condition["speed"], condition["agents"][0, :num_agents]]).astype(np.float32)
        scale = np.float32(0.5) + np.float32(0.03125) * np.float32(step)
        return np.asarray(sample_MNP * scale + np.float32(0.015625) * shift_N1, dtype=np.float32)

    def score(self, pose_MKT3: np.ndarray, features: Tensors, observation: Tensors, agents: Tensors) -> np.ndarray:
        """Raise, as there is no scorer.

        Raises:
            ModelError: Always.
        """
        raise ModelError(f"model {self.manifest.name}: it has no scorer; use selection rules")


def arithmetic_backend(manifest: ModelManifest, config: PlannerConfig) -> ArithmeticBackend:
    """Make the backend, as a factory that plug-ins register."""
    return ArithmeticBackend(manifest)


def digest(values: np.ndarray) -> str:
    """Hash of an array rounded to six decimals."""
    rounded = np.round(np.asarray(values, dtype=np.float64), 6) + 0.0
    return hashlib.sha256(rounded.tobytes()).hexdigest()[:16]
