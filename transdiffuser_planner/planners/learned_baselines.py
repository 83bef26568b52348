"""Trained baselines as planners: one plan per snapshot from ONNX Runtime, smoothed like the model's candidates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import SensorSnapshot, Trajectory
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.planning.trajectory.output_frame import to_trajectory
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother
from transdiffuser_planner.runtime.cycle.candidate_sampler import agent_tensors
from transdiffuser_planner.runtime.cycle.frame_encoder import FrameEncoder
from transdiffuser_planner.runtime.cycle.perception import Perception
from transdiffuser_planner.runtime.inference.backend_registry import make_backend
from transdiffuser_planner.runtime.inference.baseline_model import BaselineModel, load_baseline_manifest
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)

Tensors = dict[str, NDArray[np.float32]]


class LearnedBaselinePlanner:
    """Exported baseline, without selection, plan validation or fallback.

    Args:
        folder: Of the baseline.
        model: Model folder whose encoder the baseline reads; None for a baseline without sensors.
        rig: The vehicle's sensors.
        config: Threads, backend, and the detection threshold for agents.
        plan_every: Steps of 0.1 s between plans.

    Raises:
        ModelError: A folder cannot be used, or the model is not the one the baseline was trained on.
        EvaluationError: The baseline reads features, but no model is given.
    """

    def __init__(self, folder: Path, model: Path | None, rig: Rig, config: PlannerConfig, plan_every: int = 1) -> None:
        self.plan_every, self._config = plan_every, config
        manifest = load_baseline_manifest(folder)
        self._model, contract = BaselineModel(manifest, config.num_threads), manifest.contract
        self._features, self._smoother = FeatureBuilder(contract, rig), PlanSmoother(contract)
        self._num_agents = contract.num_agents
        self._encoder: FrameEncoder | None = None
        self._perception: Perception | None = None
        self.observation_level = ObservationLevel.STATE
        if manifest.needs_sensors:
            if model is None:
                raise EvaluationError(f"baseline {folder}: reads a model's encoder; give --model")
            encoder = load_manifest(model)
            manifest.check_encoder(encoder)
            self._encoder = FrameEncoder(make_backend(encoder, config), rig)
            self._perception = Perception(contract, rig.vehicle)
            self.observation_level = ObservationLevel.SENSORS

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario: drop the agent tracks.

        Args:
            initialization: Scenario, vehicle, route and map.
        """
        if self._encoder is not None and self._perception is not None:
            self._encoder.reset()
            self._perception.reset()

    def plan(self, planner_input: PlannerInput) -> Trajectory:
        """Return the network's plan, smoothed.

        Args:
            planner_input: State of the world and inputs of the current step.

        Raises:
            ModelError: A network failed.
        """
        snapshot = planner_input.snapshot
        assert isinstance(snapshot, SensorSnapshot)
        pose_T3 = self._model.plan(self._inputs(snapshot))
        return to_trajectory(self._smoother.smooth(pose_T3[None], max(snapshot.ego.vx_mps, 0.0)), 0, snapshot.ego)

    def _inputs(self, snapshot: SensorSnapshot) -> Tensors:
        if self._encoder is None or self._perception is None:
            return self._features.build(snapshot)
        encoded = self._encoder.encode(self._encoder.unpack(snapshot, self._config.min_cameras))
        scene = self._perception.perceive(encoded, self._config.detection_threshold)
        agents = agent_tensors(scene.tracks, scene.agent_pose_A3, self._num_agents)
        return {**scene.observation, **scene.features, **agents}
