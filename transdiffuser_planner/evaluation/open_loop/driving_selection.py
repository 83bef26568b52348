"""Chooses the candidate that the planner would execute, by the planner's own selection in a recorded frame.

Recorded frames hold less than the planner perceives: no LiDAR points (so neither obstacle clearance nor rejections for it),
no previous plan and no action tokens; agents are the labeled ones that the LiDAR hits instead of detections.

Letters: M candidates, A agents, T plan steps, Q sub-scores, K bird's-eye classes, L bird's-eye cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from transdiffuser_planner.core.contract import AgentIndex, ModelContract, SignalIndex, StatusIndex
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import EgoState, SignalState, TrafficSignal
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.observation.feature_builder import SIGNAL_SCALE_M
from transdiffuser_planner.planning.safety.clearance import ObstacleField
from transdiffuser_planner.planning.safety.plan_validation import CollisionContext, at_fine_times, validate_plans
from transdiffuser_planner.planning.selection.cost_terms import SelectionInputs
from transdiffuser_planner.planning.selection.ranking import rank
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother

FloatArray = NDArray[np.float64]
Tensors = Mapping[str, NDArray[Any]]

SCORER_CONFIG = PlannerConfig(selection="scorer")
"""The node's default configuration, with the scorer."""


class DrivingChoice:
    """Selection as in ``Planner.plan``: smooth, validate, rank by scorer or rules, take the first accepted candidate.

    Args:
        contract: Contract of the model.
        vehicle: Ego vehicle.
        config: Configuration of the planner.
    """

    def __init__(self, contract: ModelContract, vehicle: VehicleModel, config: PlannerConfig = SCORER_CONFIG) -> None:
        self._contract, self._vehicle, self._config = contract, vehicle, config
        self._smoother = PlanSmoother(contract)

    def index(self, joint_MNT3: FloatArray, subscore_MQ: NDArray[Any] | None, tensors: Tensors) -> int:
        """Return the index of the chosen candidate; the best ranked one if none is accepted and the planner would fall back.

        Args:
            joint_MNT3: Sampled futures in base_link, the ego's first (M, 1 + A, T, 3).
            subscore_MQ: Sub-scores that the scorer predicts; None with a configuration of rules.
            tensors: ``core.contract.SCORER_INPUTS`` of the frame, without the batch axis.
        """
        ego = _ego(tensors)
        plans = self._smoother.smooth(joint_MNT3[:, 0], max(ego.vx_mps, 0.0))
        validated = validate_plans(plans, self._collision_context(joint_MNT3[:, 1:], tensors), ego, self._config)
        route_R2 = tensors["route"][tensors["route_valid"] > 0.0].astype(np.float64)
        inputs = SelectionInputs(
            obstacle_clearance_MF=validated.obstacle_clearance_MF,
            agent_clearance_MF=validated.agent_clearance_MF,
            bev_probability_KLL=softmax(tensors["bev_logits"].astype(np.float32), axis=0),
            route_R2=route_R2 if len(route_R2) >= 2 else None,
            signal=_signal(tensors),
            previous_F3=None,
            vehicle=self._vehicle,
            subscore_MQ=None if subscore_MQ is None else subscore_MQ.astype(np.float64),
        )
        order_M = rank(validated.plans, validated.feasible_M, inputs, self._contract, self._config).order_M
        return next((int(index) for index in order_M if validated.accepted_M[index]), int(order_M[0]))

    def _collision_context(self, path_MAT3: FloatArray, tensors: Tensors) -> CollisionContext:
        """Return agents ahead or alongside with their sampled paths; no obstacles, because no points are recorded."""
        agents_AF = tensors["agents"].astype(np.float64)
        used = (tensors["agents_valid"] > 0.0) & (agents_AF[:, AgentIndex.X_M] > -self._vehicle.rear_overhang_m)
        heading_A = np.arctan2(agents_AF[:, AgentIndex.SIN], agents_AF[:, AgentIndex.COS])
        pose_A3 = np.stack([agents_AF[:, AgentIndex.X_M], agents_AF[:, AgentIndex.Y_M], heading_A], axis=-1)
        interval_s = self._contract.plan_interval_s
        return CollisionContext(
            obstacles=ObstacleField.from_points(np.zeros((0, 3), dtype=np.float32), np.zeros((0, 5)), self._vehicle),
            path_MAF3=at_fine_times(path_MAT3[:, used], pose_A3[used], self._smoother.time_s_F, interval_s),
            vehicle=self._vehicle,
            length_m_A=agents_AF[used, AgentIndex.LENGTH_M],
            width_m_A=agents_AF[used, AgentIndex.WIDTH_M],
        )


def _ego(tensors: Tensors) -> EgoState:
    """Return the ego at the origin of base_link with its recorded velocity."""
    status = tensors["status"].astype(np.float64)
    vx_mps, vy_mps = float(status[StatusIndex.VX_MPS]), float(status[StatusIndex.VY_MPS])
    return EgoState(stamp_ns=0, frame_id="base_link", x_m=0.0, y_m=0.0, heading_rad=0.0, vx_mps=vx_mps, vy_mps=vy_mps)


def _signal(tensors: Tensors) -> TrafficSignal | None:
    """Return the route's next signal; None if there is none or its stop line is passed (stored as 0 m)."""
    signal, distance = tensors["signal"], float(tensors["signal"][SignalIndex.DISTANCE])
    if not tensors["signal_valid"].item() > 0.0 or distance <= 0.0:
        return None
    state = SignalState(int(np.argmax(signal[: SignalIndex.DISTANCE])) + 1)
    return TrafficSignal(stamp_ns=0, state=state, distance_m=distance * SIGNAL_SCALE_M)
