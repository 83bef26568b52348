"""Log-future planner: replays the expert's trajectory; measures the deviation due to vehicle and tracker alone."""

from __future__ import annotations

import numpy as np

from transdiffuser_planner.core.types import NotReady, Trajectory
from transdiffuser_planner.planners.trajectory_builder import trajectory
from transdiffuser_planner.simulation.expert_cache import expert_drive
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)
from transdiffuser_planner.simulation.rollout.rollout import STEP_S

HORIZON_STEPS = 40


class LogFuturePlanner:
    """Replays the trajectory of SUMO's driver. Traffic reacts to the vehicle and may deviate from the log.

    Args:
        plan_every: Steps of 0.1 s between plans.
    """

    observation_level = ObservationLevel.WORLD

    def __init__(self, plan_every: int = 1) -> None:
        self.plan_every = plan_every

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario: load the expert's trajectory.

        Args:
            initialization: Scenario, vehicle, route and map.

        Raises:
            SimulationError: The scenario cannot be driven.
        """
        poses = expert_drive(initialization.scenario, initialization.vehicle).poses
        self._pose_K3 = np.asarray([(p.x_m, p.y_m, p.heading_rad) for p in poses])
        self._pose_K3[:, 2] = np.unwrap(self._pose_K3[:, 2])
        self._speed_K = np.asarray([p.speed_mps for p in poses])

    def plan(self, planner_input: PlannerInput) -> Trajectory | NotReady:
        """Return the next 4 s of the expert's trajectory, or its remainder.

        Args:
            planner_input: State of the world and inputs of the current step.
        """
        first = round(planner_input.ego.stamp_ns * 1e-9 / STEP_S)
        pose_T3 = self._pose_K3[first : first + HORIZON_STEPS + 1]
        if len(pose_T3) < 2:
            return NotReady(reason="the expert's trajectory ends here")
        time_s_T = np.asarray(STEP_S * np.arange(len(pose_T3)), dtype=np.float64)
        return trajectory(planner_input.ego, time_s_T, pose_T3, self._speed_K[first : first + len(pose_T3)])
