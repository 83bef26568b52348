"""Builds the published results of a cycle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.types import Candidates, EgoState, PredictedAgents
from transdiffuser_planner.planning.safety.plan_validation import ValidatedPlans
from transdiffuser_planner.planning.selection.ranking import Ranking
from transdiffuser_planner.planning.trajectory.output_frame import poses_to_frame
from transdiffuser_planner.runtime.cycle.perception import PerceivedScene

FloatArray = NDArray[np.float64]


def candidates_of(validated: ValidatedPlans, ranking: Ranking, ego: EgoState, contract: ModelContract) -> Candidates:
    """Build the candidates at the contract's plan times, in the odometry's frame.

    Args:
        validated: Smoothed plans with their violations.
        ranking: Probabilities and costs.
        ego: State that base_link belongs to.
        contract: Plan times.
    """
    every = round(contract.plan_interval_s / float(validated.plans.time_s_F[0]))
    return Candidates(
        frame_id=ego.frame_id,
        pose_MT3=poses_to_frame(validated.plans.pose_MF3[:, every - 1 :: every], ego),
        time_s_T=contract.plan_times_s,
        probability_M=ranking.probability_M,
        rejected_M=~validated.accepted_M,
        cost_terms=ranking.cost_terms,
    )


def no_candidates(frame_id: str, contract: ModelContract) -> Candidates:
    """Return zero candidates, for a cycle without samples."""
    return Candidates(
        frame_id=frame_id,
        pose_MT3=np.zeros((0, contract.num_plan_steps, 3)),
        time_s_T=contract.plan_times_s,
        probability_M=np.zeros(0),
        rejected_M=np.zeros(0, dtype=np.bool_),
        cost_terms={},
    )


def agents_of(scene: PerceivedScene, path_MAT3: FloatArray, ego: EgoState, contract: ModelContract) -> PredictedAgents:
    """Build the scene's agents with their joint futures, in the odometry's frame.

    Args:
        scene: Result of perception.
        path_MAT3: Sampled futures in base_link (m, m, rad).
        ego: State that base_link belongs to.
        contract: Plan times.
    """
    tracks = scene.tracks
    return PredictedAgents(
        frame_id=ego.frame_id,
        id_A=np.asarray([track.track_id for track in tracks], dtype=np.uint32),
        class_A=np.asarray([track.agent_class for track in tracks], dtype=np.int8),
        existence_A=np.asarray([track.score for track in tracks], dtype=np.float64),
        pose_A3=poses_to_frame(scene.agent_pose_A3, ego),
        speed_A=np.asarray([track.speed_mps for track in tracks], dtype=np.float64),
        speed_known_A=np.asarray([track.speed_known for track in tracks], dtype=np.bool_),
        length_m_A=np.asarray([track.length_m for track in tracks], dtype=np.float64),
        width_m_A=np.asarray([track.width_m for track in tracks], dtype=np.float64),
        path_MAT3=poses_to_frame(path_MAT3, ego),
        time_s_T=contract.plan_times_s,
    )


def no_agents(frame_id: str, contract: ModelContract) -> PredictedAgents:
    """Return zero agents, before the first perception."""
    return PredictedAgents(
        frame_id=frame_id,
        id_A=np.zeros(0, dtype=np.uint32),
        class_A=np.zeros(0, dtype=np.int8),
        existence_A=np.zeros(0),
        pose_A3=np.zeros((0, 3)),
        speed_A=np.zeros(0),
        speed_known_A=np.zeros(0, dtype=np.bool_),
        length_m_A=np.zeros(0),
        width_m_A=np.zeros(0),
        path_MAT3=np.zeros((0, 0, contract.num_plan_steps, 3)),
        time_s_T=contract.plan_times_s,
    )
