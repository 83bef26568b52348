"""Plans fallbacks without the network, for the watchdog when the model's plan is late.

Shares only the plan history with the model's thread, so a hung or crashing session cannot block it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    EgoState,
    FallbackLevel,
    PlanResult,
    PredictedAgents,
    Provenance,
    SensorSnapshot,
)
from transdiffuser_planner.planning.observation.lidar_bev import cloud_in_base
from transdiffuser_planner.planning.safety.clearance import ObstacleField
from transdiffuser_planner.planning.safety.fallback_selection import plan_age_s, recent_plan, select_fallback
from transdiffuser_planner.planning.safety.plan_validation import CollisionContext, standing
from transdiffuser_planner.planning.trajectory.output_frame import poses_to_frame, to_trajectory
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.cycle.results import no_agents, no_candidates
from transdiffuser_planner.runtime.cycle.stage_timer import StageTimes

FloatArray = NDArray[np.float64]

_NO_BOXES = np.zeros((0, 5))


class FallbackPlanner:
    """Continues the last accepted plan or stops. Stateless, therefore thread-safe.

    Args:
        contract: Of the model.
        rig: The vehicle and its sensors.
        memory: Plan history of the model's thread.
    """

    def __init__(self, contract: ModelContract, rig: Rig, memory: PlanHistory) -> None:
        self._contract, self._rig, self._memory = contract, rig, memory
        self._time_s_F = PlanSmoother(contract).time_s_F

    def plan(
        self, snapshot: SensorSnapshot, reason: str, config: PlannerConfig, source: Provenance, *, is_stopping: bool
    ) -> PlanResult:
        """Plan with the first fallback level that is free of collisions.

        Args:
            snapshot: Only the ego state is required; a point cloud is used for obstacles when present.
            reason: Reason that there is no plan of the model.
            config: Limits and decelerations.
            source: Model and seed for the provenance.
            is_stopping: A stop is requested: the last plan is not continued.
        """
        times, ego = StageTimes(), snapshot.ego
        agents = _known_agents(self._memory.result, ego, self._contract)
        pose_A3 = _poses_now(agents, ego, self._memory.result)
        around = self._around(snapshot, agents, pose_A3)
        last_F3 = recent_plan(self._memory.accepted, ego, self._time_s_F, config)
        plans, fallback_level = select_fallback(
            None if is_stopping else last_F3, last_F3, ego, around, self._time_s_F, config
        )
        times.lap("fallback")
        last = self._memory.accepted
        return PlanResult(
            trajectory=to_trajectory(plans, 0, ego),
            candidates=no_candidates(ego.frame_id, self._contract),
            agents=replace(agents, pose_A3=poses_to_frame(pose_A3, ego), path_MAT3=agents.path_MAT3[:0]),
            chosen=-1,
            fallback_level=fallback_level,
            reason=reason,
            provenance=replace(
                source,
                snapshot_stamp_ns=snapshot.stamp_ns,
                ages_ns=snapshot.ages_ns,
                missing=snapshot.missing,
                plan_age_s=plan_age_s(last, ego)
                if fallback_level == FallbackLevel.LAST_PLAN and last is not None
                else 0.0,
                stage_ms=times.stage_ms,
            ),
        )

    def _around(self, snapshot: SensorSnapshot, agents: PredictedAgents, pose_A3: FloatArray) -> CollisionContext:
        """Obstacles of the point cloud, and agents of the last result at their present predicted poses."""
        points = cloud_in_base(snapshot.cloud, self._rig, snapshot.cloud_motion)
        ahead = pose_A3[:, 0] > 0.0
        return CollisionContext(
            vehicle=self._rig.vehicle,
            obstacles=ObstacleField.from_points(points, _NO_BOXES, self._rig.vehicle),
            path_MAF3=standing(pose_A3[ahead], len(self._time_s_F)),
            length_m_A=agents.length_m_A[ahead],
            width_m_A=agents.width_m_A[ahead],
        )


def _known_agents(result: PlanResult | None, ego: EgoState, contract: ModelContract) -> PredictedAgents:
    """Agents of the last result; none when its frame differs."""
    if result is None or result.agents.frame_id != ego.frame_id:
        return no_agents(ego.frame_id, contract)
    return result.agents


def _poses_now(agents: PredictedAgents, ego: EgoState, result: PlanResult | None) -> FloatArray:
    """Agents' poses (A, 3) in the present base_link, moved along their most probable predicted paths."""
    pose_A3 = agents.pose_A3
    if result is not None and len(agents.path_MAT3):
        elapsed_s = (ego.stamp_ns - result.trajectory.stamp_ns) * 1e-9
        best = int(np.argmax(result.candidates.probability_M))
        part = float(np.clip(elapsed_s / agents.time_s_T[0], 0.0, 1.0))
        pose_A3 = pose_A3 + part * (agents.path_MAT3[best, :, 0] - pose_A3)
    return np.asarray(local_from_global(np.asarray([ego.x_m, ego.y_m, ego.heading_rad]), pose_A3))
