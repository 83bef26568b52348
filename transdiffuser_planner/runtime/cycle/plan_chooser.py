"""Chooses what is published: one of the candidates by collision checks and ranking, or a fallback."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.fallback_cause import STOP_REQUESTED, rejection_reason
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import EgoState, FallbackLevel, SensorSnapshot
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.safety.fallback_selection import select_fallback
from transdiffuser_planner.planning.safety.plan_validation import (
    CollisionContext,
    ValidatedPlans,
    at_fine_times,
    standing,
)
from transdiffuser_planner.planning.selection.cost_terms import SelectionInputs
from transdiffuser_planner.planning.selection.ranking import Ranking, rank
from transdiffuser_planner.planning.trajectory.smoothing import SmoothPlans
from transdiffuser_planner.runtime.cycle.candidate_sampler import JointSamples, agent_tensors
from transdiffuser_planner.runtime.cycle.perception import PerceivedScene
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

FloatArray = NDArray[np.float64]


class PlanChooser:
    """Ranks and chooses with one model.

    Args:
        backend: Executes the scorer.
        contract: Sizes of all tensors.
        vehicle: The ego's dimensions.
        time_s_F: Times of a smoothed plan.
    """

    def __init__(
        self, backend: InferenceBackend, contract: ModelContract, vehicle: VehicleModel, time_s_F: FloatArray
    ) -> None:
        self._backend, self._contract, self._vehicle, self._time_s_F = backend, contract, vehicle, time_s_F

    def around(self, scene: PerceivedScene, path_MAT3: FloatArray, config: PlannerConfig) -> CollisionContext:
        """Return obstacles, and agents ahead or alongside; agents behind are responsible for their distance.

        Args:
            scene: Perceived surroundings.
            path_MAT3: Paths of its agents, base_link poses.
            config: Threshold of detections.
        """
        relevant = [
            i
            for i, (track, pose) in enumerate(zip(scene.tracks, scene.agent_pose_A3, strict=True))
            if pose[0] > -self._vehicle.rear_overhang_m and track.score >= config.detection_threshold
        ]
        time_s_F, interval_s = self._time_s_F, self._contract.plan_interval_s
        return CollisionContext(
            vehicle=self._vehicle,
            obstacles=scene.obstacles,
            path_MAF3=at_fine_times(path_MAT3[:, relevant], scene.agent_pose_A3[relevant], time_s_F, interval_s),
            length_m_A=np.asarray([scene.tracks[i].length_m for i in relevant]),
            width_m_A=np.asarray([scene.tracks[i].width_m for i in relevant]),
        )

    def around_standing(self, scene: PerceivedScene, config: PlannerConfig) -> CollisionContext:
        """Return obstacles and agents at their present poses, for the collision checks of fallbacks.

        Args:
            scene: Perceived surroundings.
            config: Threshold of detections.
        """
        pose_A3 = scene.agent_pose_A3
        return self.around(scene, standing(pose_A3, self._contract.num_plan_steps), config)

    def rank(
        self,
        validated: ValidatedPlans,
        futures: JointSamples,
        scene: PerceivedScene,
        snapshot: SensorSnapshot,
        last_F3: FloatArray | None,
        config: PlannerConfig,
    ) -> Ranking:
        """Order the candidates from the best on.

        Args:
            validated: The candidates with their checks.
            futures: Joint futures that they are the egos of.
            scene: Perceived surroundings.
            snapshot: Signal of the frame.
            last_F3: The last plan in base_link now, or None.
            config: Weights.

        Raises:
            ModelError: The scorer failed or returned numbers that are not finite.
        """
        route_valid = scene.observation["route_valid"][0] > 0.0
        route = scene.observation["route"][0][route_valid].astype(np.float64)
        inputs = SelectionInputs(
            vehicle=self._vehicle,
            obstacle_clearance_MF=validated.obstacle_clearance_MF,
            agent_clearance_MF=validated.agent_clearance_MF,
            bev_probability_KLL=scene.bev_probability_KLL,
            route_R2=route if len(route) >= 2 else None,
            signal=snapshot.signal,
            previous_F3=last_F3,
            action_token_path_S3=None if scene.token_path is None else scene.token_path.pose_S3,
            subscore_MQ=self._subscores(futures, scene, config),
        )
        return rank(validated.plans, validated.feasible_M, inputs, self._contract, config)

    def _subscores(self, futures: JointSamples, scene: PerceivedScene, config: PlannerConfig) -> FloatArray | None:
        """Sub-scores (M, Q) predicted by the scorer; None when the scorer does not select.

        Raises:
            ModelError: The scorer failed or returned numbers that are not finite.
        """
        if config.selection == "rules":
            return None
        agents = agent_tensors(scene.tracks, scene.agent_pose_A3, len(scene.tracks))
        score_MQ = self._backend.score(futures.pose_MKT3, scene.features, scene.observation, agents)
        if not np.isfinite(score_MQ).all():
            raise ModelError(f"model {self._backend.manifest.name}: the scorer returned NaN or infinite values")
        return score_MQ.astype(np.float64)

    def choose(
        self,
        validated: ValidatedPlans,
        ranking: Ranking,
        scene: PerceivedScene,
        ego: EgoState,
        last_F3: FloatArray | None,
        config: PlannerConfig,
        *,
        is_stopping: bool,
    ) -> tuple[SmoothPlans, int, FallbackLevel, str]:
        """Choose the best accepted candidate, else the first fallback level that is free of collisions.

        Args:
            validated: The candidates with their checks.
            ranking: Their order.
            scene: Perceived surroundings.
            ego: Ego state at the start of the plan.
            last_F3: The last plan in base_link now, or None.
            config: Limits.
            is_stopping: A stop is requested.

        Returns:
            Plans, index of the chosen one, fallback level, and reason for a fallback or "".
        """
        best = next((int(index) for index in ranking.order_M if validated.accepted_M[index]), None)
        if best is not None and not is_stopping:
            return validated.plans, best, FallbackLevel.NONE, ""
        first = int(ranking.order_M[0])
        path_F3 = validated.plans.pose_MF3[first if best is None else best]
        around, time_s_F = self.around_standing(scene, config), self._time_s_F
        plans, fallback_level = select_fallback(
            None if is_stopping else last_F3, path_F3, ego, around, time_s_F, config
        )
        if is_stopping:
            return plans, 0, fallback_level, STOP_REQUESTED
        return (
            plans,
            0,
            fallback_level,
            rejection_reason(len(ranking.order_M), validated.reason_M[first]),
        )
