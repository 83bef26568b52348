"""The trained baselines as planners: one plan per snapshot, smoothed as the model's candidates are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.contract import CONDITION_INPUTS
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import SensorSnapshot, Trajectory
from transdiffuser_planner.networks.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.pipeline.features import FeatureBuilder
from transdiffuser_planner.pipeline.postprocess import to_trajectory
from transdiffuser_planner.pipeline.smoothing import PlanSmoother
from transdiffuser_planner.runtime.candidate_sampler import agent_tensors
from transdiffuser_planner.runtime.perception import Perception
from transdiffuser_planner.runtime.stage_times import StageTimes
from transdiffuser_planner.training import baselines
from transdiffuser_planner.training.run import Run, use_threads
from transdiffuser_planner.training.weights import weights_path

Tensors = dict[str, torch.Tensor]

_NOBODY = np.zeros((0, 3))


def baseline_hash(folder: Path, name: str) -> str:
    """SHA-256 of a trained baseline's weights.

    Raises:
        TrainingError: It was not trained.
    """
    path = weights_path(folder, name)
    if not path.is_file():
        raise TrainingError(f"baseline {name}: no {path}; make it with 'transdiffuser train --stage baselines'")
    return hashlib.sha256(path.read_bytes()).hexdigest()


class BaselinePlanner:
    """One of ``baselines.BASELINES``. There is no selection, no safety check and no fallback behind it."""

    def __init__(self, folder: Path, name: str, model: Path, rig: Rig, config: PlannerConfig) -> None:
        """Load it.

        Args:
            folder: Training run with the stage "baselines".
            name: Which one.
            model: Exported model whose normaliser, and for the regression head whose encoder, it was trained with.
            rig: The vehicle's sensors.
            config: Threads, and the threshold from which something detected is an agent.

        Raises:
            TrainingError, ModelError: One of the folders cannot be used.
        """
        baseline_hash(folder, name)
        use_threads(config.num_threads)
        run = Run.open(folder, model)
        assert run.model is not None
        self.needs_sensors = name == baselines.REGRESSION
        self._network, self._normalizer, self._config = run.trained_baseline(name), run.normalizer(), config
        self._features = FeatureBuilder(run.contract, rig)
        self._perception = Perception(run.model, rig, run.contract)
        self._smoother = PlanSmoother(run.contract)
        self._num_agents = run.contract.num_agents

    def reset(self) -> None:
        """Forget the agents."""
        self._perception.reset()

    @torch.no_grad()
    def plan(self, snapshot: SensorSnapshot) -> Trajectory:
        """Plan once.

        Raises:
            ModelError: The encoder failed.
        """
        batch = self._from_sensors(snapshot) if self.needs_sensors else self._from_state(snapshot)
        plan_BNP = baselines.predict(self._network, batch).float().numpy()
        pose_T3 = self._normalizer.to_poses(plan_BNP[:, :1], _NOBODY)[0, 0]
        ego = snapshot.ego
        return to_trajectory(self._smoother.smooth(pose_T3[None], max(ego.vx_mps, 0.0)), 0, ego)

    def _from_state(self, snapshot: SensorSnapshot) -> Tensors:
        built = self._features.build(snapshot)
        return {name: torch.from_numpy(built[name]) for name in CONDITION_INPUTS}

    def _from_sensors(self, snapshot: SensorSnapshot) -> Tensors:
        scene = self._perception.perceive(snapshot, self._config.detection_threshold, StageTimes())
        agents = agent_tensors(scene.tracks, scene.agent_pose_A3, self._num_agents)
        batch = {name: torch.from_numpy(scene.observation[name]) for name in CONDITION_INPUTS}
        batch |= {name: torch.from_numpy(scene.features[name]) for name in FEATURE_NAMES}
        return batch | {name: torch.from_numpy(value) for name, value in agents.items()}
