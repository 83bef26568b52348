"""The whole planner as an agent of the NAVSIM devkit: an exported model with sampling, safety checks and selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Trajectory
from transdiffuser_planner.integrations.navsim.agent_inputs import snapshot_of
from transdiffuser_planner.integrations.navsim.devkit import SAMPLING, DevkitAgent, trajectory_of
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.backend_registry import make_backend
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner


class PlannerAgent(DevkitAgent):
    """Plans each scene on its own, without agents and plans of earlier frames.

    Args:
        model: Name of a shipped model, or folder of an exported one.
        lidar: False for scenes without point clouds; the planner then masks the LiDAR.
        parameters: Parameters of the planner that differ from their defaults (docs/parameters.md).
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, lidar: bool = True, parameters: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(lidar=lidar)
        self._model = model
        self._config = PlannerConfig.from_dict({"num_threads": 1, "require_lidar": lidar, **(parameters or {})})
        self._backend: InferenceBackend | None = None
        self._planners: dict[Rig, Planner] = {}

    def name(self) -> str:
        """Return the name in the devkit's results."""
        return f"transdiffuser_{self._model.rstrip('/').rsplit('/', 1)[-1]}"

    def initialize(self) -> None:
        """Load the model.

        Raises:
            ModelError: The model folder is incomplete or altered.
        """
        self._backend = make_backend(load_manifest(model_folder(self._model)), self._config)

    def compute_trajectory(self, agent_input: Any) -> Any:
        """Plan one scene.

        Args:
            agent_input: The devkit's ``AgentInput``.

        Returns:
            The devkit's ``Trajectory``.
        """
        snapshot, rig = snapshot_of(agent_input)
        planner = self._planner(rig)
        planner.reset()
        return trajectory_of(poses_of(planner.plan(snapshot).trajectory))

    def _planner(self, rig: Rig) -> Planner:
        """The planner of a car; all share one model."""
        if self._backend is None:
            self.initialize()
        assert self._backend is not None
        if rig not in self._planners:
            self._planners[rig] = Planner(self._backend, rig, self._config)
        return self._planners[rig]


def poses_of(trajectory: Trajectory) -> Any:
    """Return a plan, which begins at the origin, every half second as float32 (8, 3).

    Args:
        trajectory: Of the planner.
    """
    time_s_T = SAMPLING.interval_length * np.arange(1, SAMPLING.num_poses + 1)
    columns = (trajectory.x_m_T, trajectory.y_m_T, np.unwrap(trajectory.heading_rad_T))
    return np.stack([np.interp(time_s_T, trajectory.time_s_T, c) for c in columns], axis=-1).astype(np.float32)
